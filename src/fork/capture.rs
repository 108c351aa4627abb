//! One forked capture of an isolate: its request, the frozen heap, and the result.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use stillheap_control::Phase;
use stillheap_engines::{OwnReader, UNREADABLE, V8Generator, own_obstacle};
use stillheap_frozen::{Engine, Finished, ForkRequest, Forked};
use stillheap_protocol::{
    CaptureRequest, CaptureResult, EngineChoice, Failure, FallbackDir, FilePath, Usage, milliseconds,
    timestamp,
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
    reader: Reader,
    /// Why V8's generator reads the heap although our own reader was to do it where it can.
    reader_reason: Option<String>,
}

/// So many children may find a collection under way before V8's generator takes over.
const LONGEST_COLLECTION: u32 = 3;

/// Who reads the heap in the child.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reader {
    V8,
    Own,
}

impl Reader {
    /// Whom a request wants, and why it isn't our own reader.
    ///
    /// # Errors
    /// `ERR_STILLHEAP_UNSUPPORTED` if nobody else is wanted and it can't read this heap as it is asked to.
    fn choose(request: &CaptureRequest) -> Result<(Self, Option<String>), Failure> {
        if request.engine == EngineChoice::V8 {
            return Ok((Self::V8, None));
        }
        let obstacle = match request {
            CaptureRequest { internals: true, .. } => {
                Some("only V8's generator shows V8's internals".to_owned())
            }
            CaptureRequest { numeric_values: true, .. } => {
                Some("only V8's generator writes numeric values".to_owned())
            }
            _ => own_obstacle().map(str::to_owned).or_else(|| stillheap_frozen::unsupported(None)),
        };
        match obstacle {
            None => Ok((Self::Own, None)),
            Some(reason) if request.engine == EngineChoice::Auto => Ok((Self::V8, Some(reason))),
            Some(reason) => Err(Failure::own(
                "ERR_STILLHEAP_UNSUPPORTED",
                format!("engine 'own' can't read this heap: {reason}"),
            )),
        }
    }

    /// What [`Engine::runtime`] will say.
    fn runtime(self) -> Result<Option<usize>, Failure> {
        match self {
            Self::Own => Ok(None),
            Self::V8 => match V8::get() {
                Ok(v8) => Ok(Some(v8.address())),
                Err(reason) => Err(Failure::own("ERR_STILLHEAP_UNSUPPORTED", reason)),
            },
        }
    }

    /// What the file says of its ids.
    fn object_ids(self) -> &'static str {
        match self {
            Self::V8 => "cleared",
            Self::Own => "addresses",
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::V8 => "v8",
            Self::Own => "own",
        }
    }
}

impl ForkedCapture {
    /// Does what can be done before the pause; on any thread.
    pub fn prepare(request: CaptureRequest, thread_id: u32) -> Result<Self, Failure> {
        let begun = Instant::now();
        let time = Utc::now();
        let unsupported = |reason: &str| Failure::own("ERR_STILLHEAP_UNSUPPORTED", reason);
        let (reader, reader_reason) = Reader::choose(&request)?;
        let runtime = reader.runtime()?;
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
        Ok(Self { request, forked, time, begun, fallback_dir, reader, reader_reason })
    }

    /// The child has failed in this way: V8's generator takes over, if our own reader couldn't read the heap and
    /// nobody has insisted on it. Whether it does.
    pub fn leave_to_v8(&mut self, failure: &Failure) -> bool {
        let reads = match failure.code.as_str() {
            UNREADABLE | "ERR_STILLHEAP_CRASH" | "ERR_STILLHEAP_STUCK" => true,
            Failure::COLLECTING => self.forked.attempts() >= LONGEST_COLLECTION,
            _ => false,
        };
        if self.reader != Reader::Own || self.request.engine != EngineChoice::Auto || !reads {
            return false;
        }
        let changed = Reader::V8.runtime().and_then(|runtime| self.forked.change_runtime(runtime));
        if changed.is_err() {
            return false;
        }
        self.reader = Reader::V8;
        self.reader_reason = Some(failure.message.clone());
        true
    }

    /// The pause: forks, on the isolate's thread.
    pub fn fork(&mut self, target: &Target) -> Result<(), Failure> {
        fault::hit(fault::PanicPoint::Capture);
        let begun = Instant::now();
        let id_space = match self.reader {
            Reader::V8 => format!("{:016x}", new_id_space()),
            Reader::Own => target.address_space(),
        };
        let limit = CurrentIsolate::get().and_then(CurrentIsolate::statistics).map(|all| all.limit as u64);
        let usage = Usage { heap_limit: limit, ..usage() };
        let header = header(target, self.time, "fork", self.reader.object_ids(), id_space, usage);
        let options = SnapshotOptions {
            internals: self.request.internals,
            numeric_values: self.request.numeric_values,
        };
        let mut engine: Box<dyn Engine> = match self.reader {
            Reader::V8 => Box::new(V8Generator::new(options, header)?),
            Reader::Own => Box::new(OwnReader::new(header, target.is_at_heap_limit())?),
        };
        let forked = self.forked.fork(begun, &mut *engine);
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
        let Self { request, forked, time, begun, fallback_dir, reader, reader_reason } = self;
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
            engine: reader.name(),
            engine_reason: reader_reason,
            object_ids: reader.object_ids(),
            object_ids_reason: Some(match reader {
                Reader::V8 => "they were given in the forked child, and went with it",
                Reader::Own => "the reader makes them of the objects' addresses",
            }),
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
