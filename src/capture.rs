//! One capture: open the file, let V8 take the snapshot (freeze the heap), let V8 write it out (read the
//! frozen heap), finish the file. Each step is its own call, because the first three need the JavaScript
//! thread and the last must not have it.
//!
//! Time: V8's; our part of the pause is one copy per 256 kB chunk. Memory: V8's, plus the sink's queue.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use chrono::{DateTime, Utc};
use stillheap_control::Phase;
use stillheap_engines::insert_header;
use stillheap_protocol::{
    CaptureRequest, CaptureResult, EngineChoice, Failure, FallbackDir, FilePath, Header, Origin, Usage,
    milliseconds, timestamp,
};
use stillheap_sink::{
    Canceller, Destination, NameContext, OpenedFile, Sink, Spooled, Written, available_space,
};
use stillheap_v8::{CurrentIsolate, HeapSnapshot, SnapshotOptions};

use crate::fault;
use crate::headroom::Headroom;
use crate::isolates::Target;
use crate::request::{name_template, redaction};
use crate::sys::{host_name, release_free_memory, usage, with_signals_blocked};

/// Captures of this process, for `{seq}`.
static SEQUENCE: AtomicU64 = AtomicU64::new(0);

/// The smallest snapshot that Node ever gives takes more than this (in bytes).
const LEAST_RAW_SIZE: u64 = 1 << 20;
/// Bytes of JSON that a node takes at least, with its edges and strings. Measured: 60 to 80.
const LEAST_BYTES_PER_NODE: u64 = 35;
/// The most that compression was seen to save, with room to spare.
const MOST_COMPRESSION: u64 = 30;

/// A capture between its steps. Lives on the isolate's thread until [`Capture::into_finishing`].
pub struct Capture {
    request: CaptureRequest,
    sink: Sink,
    directory: PathBuf,
    fallback_dir: Option<FallbackDir>,
    clock: Clock,
    snapshot: Option<HeapSnapshot>,
    engine: Engine,
    ids: ObjectIds,
    usage: Usage,
    node_count: Option<u64>,
}

/// When what began and how long what took.
struct Clock {
    time: DateTime<Utc>,
    begun: Instant,
    generate_ms: f64,
    serialize_ms: f64,
    pause_ms: f64,
}

enum Engine {
    V8,
    /// `node:v8` does it, on the JavaScript side, for this reason.
    Node(String),
}

/// Whether V8 kept or cleared the ids of objects.
#[derive(Clone, Copy)]
enum ObjectIds {
    Cleared,
    Kept(&'static str),
}

const KEPT_AS_ASKED: &str = "keepObjectIds was asked for";
const KEPT_FOR_OTHERS: &str = "V8 was giving ids before this capture (another tool took a snapshot or tracks the heap), so they were left alone";
const KEPT_BY_NODE: &str = "node:v8 offers no way to clear them";

impl Capture {
    /// Opens the file (or the spool) that the snapshot will go to. Nothing stands under its final name yet.
    pub fn open(request: CaptureRequest, target: &Target) -> Result<Self, Failure> {
        let clock = Clock {
            time: Utc::now(),
            begun: Instant::now(),
            generate_ms: 0.0,
            serialize_ms: 0.0,
            pause_ms: 0.0,
        };
        let engine = match target.engine_reason() {
            None => Engine::V8,
            Some(reason) => Engine::Node(reason),
        };
        if let (Engine::Node(reason), Some(_)) = (&engine, request.redact) {
            return Err(Failure::own(
                "ERR_STILLHEAP_UNSUPPORTED",
                format!(
                    "redact needs V8 itself, since node:v8 would put the secrets on the disk first, and V8 \
                     can't be reached directly: {reason}"
                ),
            ));
        }
        if request.engine == EngineChoice::Own {
            return Err(Failure::own(
                "ERR_STILLHEAP_UNSUPPORTED",
                format!(
                    "engine 'own' reads the heap in a forked child only, and this capture would be in the process{}",
                    request.mode_reason.as_ref().map_or(String::new(), |reason| format!(": {reason}"))
                ),
            ));
        }
        let place = TargetPaths::choose(&request, target.thread_id, clock.time)?;
        let (opened, directory, fallback_dir) = place.open(&request)?;
        let sink = with_signals_blocked(|| Sink::start(opened))?;
        let ids = if request.keep_object_ids { ObjectIds::Kept(KEPT_AS_ASKED) } else { ObjectIds::Cleared };
        Ok(Self {
            request,
            sink,
            directory,
            fallback_dir,
            clock,
            snapshot: None,
            engine,
            ids,
            usage: Usage::default(),
            node_count: None,
        })
    }

    pub fn canceller(&self) -> Canceller {
        self.sink.canceller()
    }

    /// Freezes the heap: V8 takes its snapshot.
    pub fn generate(&mut self, target: &Target) -> Result<(), Failure> {
        fault::hit(fault::PanicPoint::Capture);
        let isolate = CurrentIsolate::get()
            .ok_or_else(|| Failure::own("ERR_STILLHEAP_UNSUPPORTED", "no V8 isolate is entered here"))?;
        let begun = Instant::now();
        // Before V8's snapshot takes memory of its own.
        self.usage = usage_with(isolate);
        if isolate.has_object_ids(target.environment) && !target.ids_are_ours() {
            self.ids = ObjectIds::Kept(KEPT_FOR_OTHERS);
        }
        let options = SnapshotOptions {
            internals: self.request.internals,
            numeric_values: self.request.numeric_values,
        };
        let mut headroom = Headroom::new(self.request.force);
        let mut report = |done: u32, total: u32| {
            target.progress(self.request.trigger, Phase::Generating, done.into(), total.into());
            headroom.suffices(done, total)
        };
        let snapshot = isolate.take_heap_snapshot(options, &mut report);
        self.clock.generate_ms = milliseconds(begun);
        self.clock.pause_ms = self.clock.generate_ms;
        let Some(snapshot) = snapshot else {
            self.settle_ids(target);
            let Some(failure) = headroom.into_failure() else {
                return Err(Failure::own("ERR_STILLHEAP_V8", "V8 gave no snapshot"));
            };
            release_free_memory();
            return Err(failure);
        };
        self.node_count = Some(snapshot.nodes_count());
        self.snapshot = Some(snapshot);
        Ok(())
    }

    /// Reads the frozen heap: V8 writes its snapshot out into the sink, then forgets it.
    pub fn serialize(&mut self, target: &Target) -> Result<(), Failure> {
        let begun = Instant::now();
        let Some(snapshot) = self.snapshot.take() else {
            return Err(Failure::own("ERR_STILLHEAP_INTERNAL", "there is no snapshot to write out"));
        };
        let mut enough = self.check_space(snapshot.nodes_count());
        if enough.is_ok() {
            let mut header = Some(self.header(target));
            let mut total = 0;
            // When the writer stops V8 by taking no more, `finish` will say why.
            let _ = snapshot.serialize(&mut |chunk| {
                total += chunk.len() as u64;
                target.progress(self.request.trigger, Phase::Serializing, total, 0);
                match header.take().map(|header| insert_header(chunk, &header)) {
                    Some(Ok(chunk)) => self.sink.write(&chunk),
                    Some(Err(failure)) => {
                        enough = Err(failure);
                        false
                    }
                    None => self.sink.write(chunk),
                }
            });
        }
        drop(snapshot);
        self.settle_ids(target);
        self.clock.serialize_ms = milliseconds(begun);
        self.clock.pause_ms += self.clock.serialize_ms;
        enough
    }

    /// Makes an empty file, mode 0600, for `node:v8` to write the snapshot to; [`Capture::import`] reads it.
    pub fn create_raw_file(&self) -> Result<PathBuf, Failure> {
        stillheap_sink::create_private_file(&self.directory)
    }

    /// Takes over a snapshot that `node:v8` wrote while the JavaScript thread stood still since `open`.
    pub fn import(&mut self, raw: &Path) -> Result<(), Failure> {
        self.clock.pause_ms = milliseconds(self.clock.begun);
        self.clock.generate_ms = self.clock.pause_ms;
        self.ids = ObjectIds::Kept(KEPT_BY_NODE);
        let read = |error: std::io::Error| Failure::system(&error, "read", raw);
        let mut file = std::fs::File::open(raw).map_err(read)?;
        let mut buffer = vec![0; 256 * 1024];
        let mut tail = Vec::new();
        loop {
            let count = std::io::Read::read(&mut file, &mut buffer).map_err(read)?;
            if count == 0 {
                break;
            }
            tail.extend_from_slice(&buffer[..count]);
            tail.drain(..tail.len().saturating_sub(64));
            if !self.sink.write(&buffer[..count]) {
                return Ok(());
            }
        }
        // Older runtimes leave half a file behind when the disk is full, and say nothing. Bun puts a line break between
        // the two last characters.
        let end = tail.trim_ascii_end().strip_suffix(b"}").map(<[u8]>::trim_ascii_end);
        if !end.is_some_and(|end| end.ends_with(b"]")) {
            return Err(Failure::own("ERR_STILLHEAP_V8", "node:v8 wrote an incomplete snapshot"));
        }
        Ok(())
    }

    /// Ends the JavaScript thread's part.
    pub fn into_finishing(self, target: &Target) -> Finishing {
        let (engine, engine_reason) = match self.engine {
            Engine::V8 => ("v8", None),
            Engine::Node(reason) => ("node", Some(reason)),
        };
        let (object_ids, object_ids_reason) = match self.ids {
            ObjectIds::Cleared => ("cleared", None),
            ObjectIds::Kept(reason) => ("kept", Some(reason)),
        };
        let result = CaptureResult {
            file: None,
            bytes: 0,
            raw_bytes: 0,
            compress: self.request.compress,
            redacted: self.request.redact.is_some(),
            pause_ms: self.clock.pause_ms,
            generate_ms: self.clock.generate_ms,
            serialize_ms: self.clock.serialize_ms,
            duration_ms: 0.0,
            mode: "inline",
            mode_reason: self.request.mode_reason.clone(),
            fork: None,
            scratch_reason: None,
            engine,
            engine_reason,
            object_ids,
            object_ids_reason,
            node_count: self.node_count,
            pid: std::process::id(),
            thread_id: target.thread_id,
            is_main_thread: target.is_main,
            start_time: timestamp(self.clock.time),
            trigger: self.request.trigger,
            fallback_dir: self.fallback_dir,
            fd: None,
        };
        Finishing { sink: self.sink, spool: self.request.spool, begun: self.clock.begun, result }
    }

    /// Drops everything; the temporary file is gone afterwards.
    pub fn discard(mut self, target: &Target) {
        if self.snapshot.take().is_some() {
            self.settle_ids(target);
        }
        self.sink.discard();
    }

    /// Clears the ids unless they are wanted or somebody else's, and remembers whose they are.
    fn settle_ids(&self, target: &Target) {
        match self.ids {
            ObjectIds::Cleared => {
                if let Some(isolate) = CurrentIsolate::get() {
                    isolate.clear_object_ids();
                }
                target.ids_were_cleared();
            }
            ObjectIds::Kept(reason) if reason == KEPT_AS_ASKED => target.ids_were_kept(),
            ObjectIds::Kept(_) => {}
        }
    }

    /// Refuses when the file system can't hold what is about to be written.
    fn check_space(&self, nodes: u64) -> Result<(), Failure> {
        let raw = nodes.saturating_mul(LEAST_BYTES_PER_NODE);
        let least = match self.request.compress {
            stillheap_sink::Compression::None => raw,
            _ => raw / MOST_COMPRESSION,
        };
        refuse_if_full(&self.directory, least)
    }

    /// What we write into the snapshot's header beside `meta`: which process and id space it comes from,
    /// so that a comparison knows whether ids may be matched. Readers skip fields that they don't know.
    fn header(&self, target: &Target) -> String {
        let ids = match self.ids {
            ObjectIds::Cleared => "cleared",
            ObjectIds::Kept(_) => "kept",
        };
        header(target, self.clock.time, "inline", ids, target.id_space(), self.usage).json()
    }
}

/// Set by the first header, and the same in all files of the process.
static START: OnceLock<DateTime<Utc>> = OnceLock::new();

/// The program and its host, known once JavaScript has said what it runs.
static ORIGIN: OnceLock<Origin> = OnceLock::new();

/// Notes what this process is, for the headers of its snapshots. Only the first call counts.
pub fn note_origin(service: Option<String>, node_version: String) {
    let origin = Origin { host: host_name(), service, node_version: Some(node_version) };
    let _ = ORIGIN.set(origin);
}

/// The process's memory, with what only V8 knows.
fn usage_with(isolate: CurrentIsolate) -> Usage {
    let mut usage = usage();
    if let Some(statistics) = isolate.statistics() {
        usage.external = Some(statistics.external as u64);
        usage.malloced = Some(statistics.malloced as u64);
        usage.heap_limit = Some(statistics.limit as u64);
    }
    usage
}

/// What this process writes into a snapshot's header, but for what V8 has to say.
pub fn header(
    target: &Target,
    time: DateTime<Utc>,
    mode: &'static str,
    object_ids: &'static str,
    id_space: String,
    usage: Usage,
) -> Header {
    Header {
        version: env!("CARGO_PKG_VERSION"),
        pid: std::process::id(),
        thread_id: target.thread_id,
        start_time: timestamp(*START.get_or_init(|| time)),
        time: timestamp(time),
        mode,
        object_ids,
        process_id: id_space,
        origin: ORIGIN.get().cloned().unwrap_or_default(),
        usage,
    }
}

/// The capture after the JavaScript thread is free again.
pub struct Finishing {
    sink: Sink,
    spool: bool,
    begun: Instant,
    result: CaptureResult,
}

impl Finishing {
    /// Waits until the file is whole and has its name.
    pub fn finish(mut self) -> Result<CaptureResult, Failure> {
        release_free_memory();
        if self.spool {
            let Spooled { file, bytes, raw_bytes } = self.sink.finish_spool()?;
            (self.result.bytes, self.result.raw_bytes) = (bytes, raw_bytes);
            #[cfg(unix)]
            {
                use std::os::fd::IntoRawFd;
                self.result.fd = Some(file.into_raw_fd());
            }
            #[cfg(not(unix))]
            drop(file);
        } else {
            let Written { path, bytes, raw_bytes, redacted: _ } = self.sink.finish()?;
            (self.result.bytes, self.result.raw_bytes) = (bytes, raw_bytes);
            self.result.file = Some(FilePath(path));
            LAST_SIZE[self.result.compress as usize].store(bytes, Ordering::Relaxed);
        }
        self.result.duration_ms = milliseconds(self.begun);
        Ok(self.result)
    }
}

/// The size of this process's last file, per compression: the best estimate of the next one's.
static LAST_SIZE: [AtomicU64; 3] = [const { AtomicU64::new(0) }; 3];

/// The next number for `{seq}`.
pub fn next_sequence() -> u64 {
    SEQUENCE.fetch_add(1, Ordering::Relaxed) + 1
}

/// The places to try, in order.
pub struct TargetPaths {
    candidates: Vec<PathBuf>,
    name: Option<String>,
}

impl TargetPaths {
    pub fn choose(request: &CaptureRequest, thread_id: u32, time: DateTime<Utc>) -> Result<Self, Failure> {
        if let Some(refused) = &request.refused {
            return Err(refused.clone());
        }
        let absolute =
            |path: &Path| std::path::absolute(path).map_err(|error| Failure::system(&error, "getcwd", path));
        if let Some(file) = &request.file {
            return Ok(Self { candidates: vec![absolute(file)?], name: None });
        }
        let template = name_template(request)?;
        let context =
            NameContext { time, pid: std::process::id(), thread: thread_id, sequence: next_sequence() };
        let name = template.render(&context) + request.compress.extension();
        let mut candidates = vec![match &request.dir {
            Some(directory) => absolute(directory)?,
            None if request.spool => std::env::temp_dir(),
            // The working directory may have been removed; then only the fallback is left.
            None => std::env::current_dir().unwrap_or_else(|_| PathBuf::from("/nonexistent")),
        }];
        match (&request.fallback_dir, &request.dir) {
            (Some(fallback), _) => candidates.push(absolute(fallback)?),
            (None, None) => candidates.push(std::env::temp_dir()),
            // A directory that was asked for is not silently replaced by another one.
            (None, Some(_)) => {}
        }
        Ok(Self { candidates, name: Some(name) })
    }

    /// Another extension than a snapshot's, for what is written beside it.
    #[must_use]
    pub fn with_extension(mut self, extension: &str) -> Self {
        if let Some(name) = &mut self.name {
            let stem = name.find(".heapsnapshot").unwrap_or(name.len());
            name.truncate(stem);
            name.push_str(extension);
        }
        self
    }

    /// Opens the file in the first place that will have it.
    pub fn open(
        self,
        request: &CaptureRequest,
    ) -> Result<(OpenedFile, PathBuf, Option<FallbackDir>), Failure> {
        let redact = redaction(request)?;
        let mut first: Option<(PathBuf, Failure)> = None;
        for candidate in self.candidates {
            let (path, directory) = match &self.name {
                Some(name) => (candidate.join(name), candidate),
                None => {
                    let parent = candidate.parent().unwrap_or(Path::new("/")).to_owned();
                    (candidate, parent)
                }
            };
            let destination =
                Destination { path, overwrite: request.overwrite, generated: self.name.is_some() };
            let opened = refuse_if_full(&directory, least_size(request)).and_then(|()| match request.spool {
                true => OpenedFile::spool(&directory, request.compress),
                false => OpenedFile::create(destination, request.compress),
            });
            match opened {
                Ok(opened) => {
                    let fallback_dir = first.map(|(wanted, failure)| FallbackDir {
                        wanted: wanted.into(),
                        reason: failure.message,
                    });
                    return Ok((opened.redacting(redact), directory, fallback_dir));
                }
                Err(failure) if failure.is_about_the_directory() => {
                    first.get_or_insert((directory, failure));
                }
                Err(failure) => return Err(failure),
            }
        }
        Err(first.map_or_else(
            || Failure::own("ERR_STILLHEAP_INTERNAL", "there was no directory to try"),
            |(_, failure)| failure,
        ))
    }
}

fn least_size(request: &CaptureRequest) -> u64 {
    let last = LAST_SIZE[request.compress as usize].load(Ordering::Relaxed);
    let least = match request.compress {
        stillheap_sink::Compression::None => LEAST_RAW_SIZE,
        _ => LEAST_RAW_SIZE / MOST_COMPRESSION,
    };
    // The heap may have shrunk since.
    least.max(last / 4)
}

fn refuse_if_full(directory: &Path, least: u64) -> Result<(), Failure> {
    match available_space(directory) {
        Some(free) if free < least => {
            #[cfg(unix)]
            let no_space = nix::errno::Errno::ENOSPC as i32;
            #[cfg(not(unix))]
            let no_space = 28;
            let error = std::io::Error::from_raw_os_error(no_space);
            let mut failure = Failure::system(&error, "statvfs", directory);
            failure.message += &format!("; the snapshot takes at least {least} bytes and {free} are free");
            Err(failure)
        }
        _ => Ok(()),
    }
}
