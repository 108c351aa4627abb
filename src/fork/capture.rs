//! One forked capture of an isolate: its request, the frozen heap, and the result.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use stillheap_control::Phase;
use stillheap_engines::V8Generator;
use stillheap_frozen::{Finished, ForkRequest, Forked};
use stillheap_protocol::{
    CaptureRequest, CaptureResult, Failure, FallbackDir, FilePath, milliseconds, timestamp,
};
use stillheap_v8::{CurrentIsolate, SnapshotOptions, V8};

use crate::capture::{TargetPaths, header};
use crate::fault;
use crate::isolates::{Target, new_id_space};
use crate::sys::{address_space_limit, usage};

/// A capture before and after the fork.
pub struct ForkedCapture {
    pub request: CaptureRequest,
    pub forked: Forked,
    time: DateTime<Utc>,
    begun: Instant,
    fallback_dir: Option<FallbackDir>,
}

impl ForkedCapture {
    /// Does what can be done before the pause; on any thread.
    pub fn prepare(request: CaptureRequest, thread_id: u32) -> Result<Self, Failure> {
        let begun = Instant::now();
        let time = Utc::now();
        let unsupported = |reason: &str| Failure::own("ERR_STILLHEAP_UNSUPPORTED", reason);
        let runtime = Some(V8::get().map_err(unsupported)?.address());
        if let Some(reason) = stillheap_frozen::unsupported(runtime) {
            return Err(unsupported(&reason));
        }
        let place = TargetPaths::choose(&request, thread_id, time)?;
        let (opened, directory, fallback_dir) = place.open(&request)?;
        let order = ForkRequest {
            directory,
            scratch: request.scratch(),
            force: request.force,
            time_limit: request.time_limit.map(Duration::from_millis),
            outlive: request.outlive,
            address_space: address_space_limit(),
        };
        let forked = Forked::prepare(begun, order, opened, runtime)?;
        Ok(Self { request, forked, time, begun, fallback_dir })
    }

    /// The pause: forks, on the isolate's thread.
    pub fn fork(&mut self, target: &Target) -> Result<(), Failure> {
        fault::hit(fault::PanicPoint::Capture);
        let begun = Instant::now();
        let id_space = format!("{:016x}", new_id_space());
        let header = header(target, self.time, "fork", "cleared", id_space, usage());
        let options = SnapshotOptions {
            internals: self.request.internals,
            numeric_values: self.request.numeric_values,
        };
        let mut engine = V8Generator::new(options, header)?;
        let forked = self.forked.fork(begun, &mut engine);
        if forked.is_ok() {
            self.forget_ids(target);
        }
        self.forked.pause_ms += milliseconds(begun);
        forked
    }

    /// Ids that an earlier capture kept cost the service its speed as long as V8 knows them, and this capture does
    /// not ask for any. The child has its own copy of them; what it writes has an id space of its own.
    fn forget_ids(&self, target: &Target) {
        // At the heap limit V8 may be in the middle of a collection that follows moves, whatever has asked for this
        // capture: the callback serves those that wait.
        if !target.is_at_heap_limit()
            && target.ids_are_ours()
            && let Some(isolate) = CurrentIsolate::get()
        {
            isolate.clear_object_ids();
            target.ids_were_cleared();
        }
    }

    /// The child has completed the file.
    pub fn result(self, target: &Target) -> Result<CaptureResult, Failure> {
        let Self { request, forked, time, begun, fallback_dir } = self;
        let pause_ms = forked.pause_ms;
        let Finished { path, bytes, raw_bytes, generate_ms, serialize_ms, nodes, fork, spool } =
            forked.finish()?;
        Ok(CaptureResult {
            file: path.map(FilePath),
            bytes,
            raw_bytes,
            compress: request.compress,
            redacted: request.redact.is_some(),
            pause_ms,
            generate_ms,
            serialize_ms,
            duration_ms: milliseconds(begun),
            mode: "fork",
            mode_reason: None,
            fork: Some(fork),
            scratch_reason: (request.scratch != request.scratch())
                .then_some("redact was asked for, and V8's working memory holds what is taken out"),
            engine: "v8",
            engine_reason: None,
            object_ids: "cleared",
            object_ids_reason: Some("they were given in the forked child, and went with it"),
            node_count: Some(nodes),
            pid: std::process::id(),
            thread_id: target.thread_id,
            is_main_thread: target.is_main,
            start_time: timestamp(time),
            trigger: request.trigger,
            fallback_dir,
            fd: spool.map(std::os::fd::IntoRawFd::into_raw_fd),
        })
    }
}

/// How far the child is: phase, done, total; `None` if it hasn't begun.
pub fn progress(forked: &Forked) -> Option<(Phase, u64, u64)> {
    let figures = forked.figures();
    let phase = match figures.phase.load(Ordering::Relaxed) {
        0 => return None,
        1 => Phase::Generating,
        2 => Phase::Serializing,
        _ => Phase::Writing,
    };
    Some((phase, figures.done.load(Ordering::Relaxed), figures.total.load(Ordering::Relaxed)))
}
