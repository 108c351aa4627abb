//! V8's own snapshot generator.
//!
//! Time: 6 to 12 s for 200 MB of small objects. Memory: [`Need`].

use stillheap_frozen::{Engine, Output};
use stillheap_limits::{HeapSize, Need};
use stillheap_protocol::{Failure, Header};
use stillheap_v8::{CurrentIsolate, SnapshotOptions, V8};

use crate::insert_header;

/// V8's generator, for the isolate that is entered on this thread.
pub struct V8Generator {
    isolate: CurrentIsolate,
    options: SnapshotOptions,
    header: Header,
}

impl V8Generator {
    /// `header` lacks what V8 has to say about memory; the child asks for that, since it may take V8 tens of
    /// milliseconds.
    ///
    /// # Errors
    /// `ERR_STILLHEAP_UNSUPPORTED` if no isolate is entered.
    pub fn new(options: SnapshotOptions, header: Header) -> Result<Self, Failure> {
        let isolate = CurrentIsolate::get()
            .ok_or_else(|| Failure::own("ERR_STILLHEAP_UNSUPPORTED", "no V8 isolate is entered here"))?;
        Ok(Self { isolate, options, header })
    }
}

impl Engine for V8Generator {
    fn runtime(&self) -> Option<usize> {
        V8::get().ok().map(V8::address)
    }

    fn heap(&self) -> HeapSize {
        let (ordinary, large) = self.isolate.heap_size();
        HeapSize { ordinary, large }
    }

    fn need(&self, heap: HeapSize, before: Option<(HeapSize, u64)>, on_disk: bool) -> Need {
        match before {
            _ if on_disk => Need::with_scratch_on_disk(heap),
            Some((before, taken)) => Need::after(heap, before, taken),
            None => Need::of(heap),
        }
    }

    fn write(&mut self, out: &mut Output<'_>) -> Result<(), Failure> {
        // Before V8's snapshot takes memory of its own.
        if let Some(statistics) = self.isolate.statistics() {
            self.header.usage.external = Some(statistics.external as u64);
            self.header.usage.malloced = Some(statistics.malloced as u64);
        }
        let header = self.header.json();
        let progress = out.progress();
        let mut report = |done: u32, total: u32| {
            progress.generating(done.into(), total.into());
            true
        };
        let snapshot = self
            .isolate
            .take_heap_snapshot(self.options, &mut report)
            .ok_or_else(|| Failure::own("ERR_STILLHEAP_V8", "V8 gave no snapshot"))?;
        out.generated(snapshot.nodes_count());
        let mut header = Some(header.as_str());
        let mut outcome = Ok(());
        let all = snapshot.serialize(&mut |chunk| {
            outcome = match header.take().map(|header| insert_header(chunk, header)) {
                Some(with_header) => with_header.and_then(|chunk| out.write(&chunk)),
                None => out.write(chunk),
            };
            outcome.is_ok()
        });
        // To delete the snapshot would take a while and give memory to nobody: the child ends.
        core::mem::forget(snapshot);
        outcome?;
        if !all {
            return Err(Failure::own("ERR_STILLHEAP_V8", "V8 did not write its snapshot to the end"));
        }
        Ok(())
    }
}
