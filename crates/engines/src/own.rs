//! Our own reader of V8's heap, in the forked child: it runs no code of V8's, so it meets no lock, allocates nothing
//! on the heap and runs nobody's finalizers.
//!
//! Time: about a fifth of V8's. Memory: [`Need::to_read`].

use std::io::{self, Write};
use std::sync::OnceLock;

use serde_json::Map;
use stillheap_frozen::{Engine, FrozenMemory, Output, foreign_allocator};
use stillheap_heap::{
    Constants, Heap, IsolateChoice, Layout, Mapping, Memory, Progress, Refusal, Registers, Step, Thread,
};
use stillheap_heapfile::Error;
use stillheap_limits::{HeapSize, Need};
use stillheap_protocol::{Failure, Header};
use stillheap_v8::{CurrentIsolate, V8, debug_constants};

/// The failure of a child whose memory isn't what the tables say.
pub const UNREADABLE: &str = "ERR_STILLHEAP_UNREADABLE";

/// The layout of this process's V8, or why it can't be read. Looked up once.
fn layout() -> Result<&'static Layout, &'static str> {
    static LAYOUT: OnceLock<Result<Layout, String>> = OnceLock::new();
    let find = || -> Result<Layout, String> {
        if !cfg!(target_arch = "x86_64") {
            return Err("the heap reader is for x64, and this is another processor".to_owned());
        }
        // Some of the roots hang on V8's own structures, which are found by the sizes that glibc's malloc keeps.
        if let Some(file) = foreign_allocator() {
            return Err(format!(
                "the heap reader knows glibc's malloc only, and this process uses that of {file}"
            ));
        }
        let constants = Constants::new(debug_constants(V8::get()?).iter().cloned());
        Layout::of_constants(&constants).map_err(|refusal| refusal.message().to_owned())
    };
    LAYOUT.get_or_init(find).as_ref().map_err(String::as_str)
}

/// Why a child can't read the heap by itself here; `None` if it can. The first call reads the tables; on any thread.
pub fn own_obstacle() -> Option<&'static str> {
    layout().err()
}

/// Reads the heap of the isolate that is entered on this thread.
pub struct OwnReader {
    layout: &'static Layout,
    isolate: CurrentIsolate,
    address: u64,
    header: Header,
    may_be_collecting: bool,
}

impl OwnReader {
    /// `may_be_collecting` says that V8 may be in the middle of a collection (at the heap limit). Everywhere else this
    /// thread is between two steps of JavaScript, and an object in two places can only be what a dead one refers to.
    ///
    /// # Errors
    /// `ERR_STILLHEAP_UNSUPPORTED` if no isolate is entered, or the layout is not known.
    pub fn new(header: Header, may_be_collecting: bool) -> Result<Self, Failure> {
        let unsupported = |reason: &str| Failure::own("ERR_STILLHEAP_UNSUPPORTED", reason);
        let isolate = CurrentIsolate::get().ok_or_else(|| unsupported("no V8 isolate is entered here"))?;
        Ok(Self {
            layout: layout().map_err(unsupported)?,
            isolate,
            address: isolate.handle().address() as u64,
            header,
            may_be_collecting,
        })
    }
}

impl Engine for OwnReader {
    fn runtime(&self) -> Option<usize> {
        None
    }

    fn heap(&self) -> HeapSize {
        let (ordinary, large) = self.isolate.heap_size();
        HeapSize { ordinary, large }
    }

    fn need(&self, heap: HeapSize, _before: Option<(HeapSize, u64)>, _on_disk: bool) -> Need {
        Need::to_read(heap)
    }

    fn write(&mut self, out: &mut Output<'_>) -> Result<(), Failure> {
        let internal = |what: &str| Failure::own("ERR_STILLHEAP_INTERNAL", what);
        let memory = out.memory().ok_or_else(|| internal("the child has no list of its memory"))?;
        let memory = OwnMemory::new(memory);
        let progress = out.progress();
        let mut watcher = |now: Progress| {
            // Writing tells how far it is by itself.
            if matches!(now.step, Step::Mark | Step::Count) {
                progress.generating(now.done, now.total);
            }
            true
        };
        let mut opened = Heap::open(&memory, self.layout, IsolateChoice::At(self.address))
            .map_err(|refusal| unreadable(&refusal))?;
        let live = opened.heap.verify(&mut watcher).map_err(|refusal| unreadable(&refusal))?;
        if self.may_be_collecting && live.moving() > 0 {
            return Err(Failure::own(
                Failure::COLLECTING,
                format!(
                    "V8 was moving objects when the heap was frozen ({} had two places); nothing was written",
                    live.moving()
                ),
            ));
        }
        let mut entries = Map::new();
        entries.insert("stillheap".to_owned(), serde_json::from_str(&self.header.json()).unwrap_or_default());
        let mut failed = None;
        let writer = Writer { out, failed: &mut failed, begun: false };
        let written = stillheap_heapfile::write_verified(&opened.heap, &live, entries, writer, &mut watcher)
            .map(|(counts, _)| counts);
        match (failed, written) {
            (Some(failure), _) => Err(failure),
            (None, Ok(counts)) => {
                out.wrote(counts.nodes);
                Ok(())
            }
            (None, Err(Error::Refused(refusal))) => Err(unreadable(&refusal)),
            (None, Err(error)) => {
                Err(internal(&format!("the snapshot could not be written out: {error}; nothing was written")))
            }
        }
    }
}

fn unreadable(refusal: &Refusal) -> Failure {
    Failure::own(
        UNREADABLE,
        format!("the forked child could not read the heap: {}; nothing was written", refusal.message()),
    )
}

/// The frozen memory as the heap's reader asks for it.
struct OwnMemory<'m> {
    memory: &'m FrozenMemory,
    mappings: Vec<Mapping>,
    threads: [Thread; 1],
}

/// The number of the thread that forked; the child has no other.
const THREAD: u32 = 1;

impl<'m> OwnMemory<'m> {
    fn new(memory: &'m FrozenMemory) -> Self {
        let mappings = memory
            .regions()
            .iter()
            .map(|region| Mapping {
                start: region.start as u64,
                end: (region.start + region.bytes().len()) as u64,
                writable: region.writable,
                file: region.file.then(String::new),
            })
            .collect();
        let registers = Registers { stack: memory.stack_pointer() as u64, ..Registers::default() };
        Self { memory, mappings, threads: [Thread { id: THREAD, registers }] }
    }
}

impl Memory for OwnMemory<'_> {
    fn mappings(&self) -> &[Mapping] {
        &self.mappings
    }

    fn bytes(&self, mapping: usize) -> &[u8] {
        self.memory.regions().get(mapping).map_or(&[], |region| region.bytes())
    }

    fn threads(&self) -> &[Thread] {
        &self.threads
    }

    fn main_thread(&self) -> Option<u32> {
        Some(THREAD)
    }
}

/// The child's file as a `Write`; keeps what went wrong, which is more than an `io::Error` says.
struct Writer<'o, 'a> {
    out: &'o mut Output<'a>,
    failed: &'o mut Option<Failure>,
    begun: bool,
}

impl Write for Writer<'_, '_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if !self.begun {
            self.begun = true;
            self.out.generated(0);
        }
        match self.out.write(bytes) {
            Ok(()) => Ok(bytes.len()),
            Err(failure) => {
                *self.failed = Some(failure);
                Err(io::ErrorKind::Other.into())
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
