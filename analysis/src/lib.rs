//! The analysis for JavaScript: the command line, and opened snapshots that are asked questions. A binary of its
//! own, which a service that only captures never loads.
//!
//! A question travels as a name and JSON, its answer as JSON; lib/snapshot.js makes methods of it. All work is
//! done on libuv's threads. A handle keeps its snapshot as long as a question is under way, disposed or not.

mod heapdiff;

use std::ffi::OsString;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use napi::bindgen_prelude::{AsyncTask, Buffer, ClassInstance, Either};
use napi::threadsafe_function::{ThreadsafeFunction, ThreadsafeFunctionCallMode};
use napi::{Env, Result, Status, Task};
use napi_derive::napi;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use stillheap_analysis::Model;
use stillheap_questions::{self as questions, DiffRequest, Failure, LeaksRequest, Opened, Scripts};
use stillheap_snapshot::ReadOptions;

/// Told how many bytes have been read; never keeps the process alive.
type OnBytes = ThreadsafeFunction<f64, (), f64, Status, false, true>;

type JsonResult = std::result::Result<String, Failure>;

/// A panic elsewhere leaves nothing half-done behind these locks.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn parse<T: DeserializeOwned>(request: &str) -> std::result::Result<T, Failure> {
    serde_json::from_str(request)
        .map_err(|error| Failure::argument(format!("the question cannot be understood: {error}")))
}

fn encode(answer: &impl Serialize) -> JsonResult {
    serde_json::to_string(answer).map_err(|error| Failure::new("ERR_STILLHEAP_INTERNAL", error.to_string()))
}

/// JSON of `{"result": …}`, where `result` is JSON already, or of `{"error": …}`.
fn outcome_json(outcome: JsonResult) -> String {
    #[derive(Serialize)]
    struct Error {
        error: Failure,
    }
    match outcome {
        Ok(result) => format!("{{\"result\":{result}}}"),
        Err(error) => serde_json::to_string(&Error { error })
            .unwrap_or_else(|_| r#"{"error":{"code":"ERR_STILLHEAP_INTERNAL","message":"?"}}"#.to_owned()),
    }
}

/// Work for another thread that ends in JSON, also when it panics.
pub struct JsonTask(Option<Box<dyn FnOnce() -> JsonResult + Send>>);

impl JsonTask {
    fn start(work: impl FnOnce() -> JsonResult + Send + 'static) -> AsyncTask<JsonTask> {
        AsyncTask::new(JsonTask(Some(Box::new(work))))
    }
}

impl Task for JsonTask {
    type Output = JsonResult;
    type JsValue = String;

    fn compute(&mut self) -> Result<JsonResult> {
        let internal = |what: &str| Err(Failure::new("ERR_STILLHEAP_INTERNAL", what));
        let Some(work) = self.0.take() else { return Ok(internal("asked twice")) };
        let done = catch_unwind(AssertUnwindSafe(work));
        Ok(done.unwrap_or_else(|_| internal("the analysis failed in a way it should not; please report it")))
    }

    fn resolve(&mut self, _env: Env, outcome: JsonResult) -> Result<String> {
        Ok(outcome_json(outcome))
    }
}

/// The command line, off the JavaScript thread; the result's JSON is the exit code.
#[napi(catch_unwind)]
pub fn run_cli(args: Vec<Either<String, Buffer>>) -> AsyncTask<JsonTask> {
    let args: Vec<OsString> = args.into_iter().map(os_string).collect();
    JsonTask::start(move || Ok(stillheap_cli::run(args).to_string()))
}

/// memwatch's comparison of two files.
#[napi(catch_unwind)]
pub fn heap_diff(before: String, after: String, by_id: bool) -> AsyncTask<JsonTask> {
    JsonTask::start(move || heapdiff::diff(&before, &after, by_id))
}

/// The same, while the JavaScript thread waits.
#[napi(catch_unwind)]
pub fn heap_diff_sync(before: String, after: String, by_id: bool) -> String {
    outcome_json(heapdiff::diff(&before, &after, by_id))
}

/// Text, or bytes that are not UTF-8. (A Buffer stays on the JavaScript thread.)
fn os_string(given: Either<String, Buffer>) -> OsString {
    match given {
        Either::A(text) => text.into(),
        #[cfg(unix)]
        Either::B(bytes) => std::os::unix::ffi::OsStringExt::from_vec(bytes.to_vec()),
        #[cfg(not(unix))]
        Either::B(bytes) => String::from_utf8_lossy(&bytes).into_owned().into(),
    }
}

#[derive(Clone, Default)]
struct Shared(Arc<OnceLock<Opened>>);

impl Shared {
    fn get(&self) -> std::result::Result<&Opened, Failure> {
        self.0.get().ok_or_else(|| Failure::new("ERR_STILLHEAP_DISPOSED", "the snapshot is not open"))
    }
}

/// A snapshot, empty until `open` has ended.
#[napi]
pub struct SnapshotHandle {
    shared: Mutex<Option<Shared>>,
    /// Nobody waits for the reading any more.
    disposed: Arc<AtomicBool>,
}

impl Default for SnapshotHandle {
    fn default() -> Self {
        Self { shared: Mutex::new(Some(Shared::default())), disposed: Arc::default() }
    }
}

#[napi]
impl SnapshotHandle {
    #[napi(constructor, catch_unwind)]
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads a file; to be called once. The result is what the file's header and its reading say.
    #[napi(catch_unwind)]
    pub fn open(
        &self,
        file: Either<String, Buffer>,
        gc: bool,
        index: bool,
        on_bytes: Option<OnBytes>,
    ) -> AsyncTask<JsonTask> {
        let shared = self.shared();
        let disposed = self.disposed.clone();
        let path = PathBuf::from(os_string(file));
        JsonTask::start(move || {
            let shared = shared?;
            let mut report = |bytes: u64| {
                if let Some(on_bytes) = &on_bytes {
                    // Where the environment is closing nobody listens any more.
                    let _ = on_bytes.call(bytes as f64, ThreadsafeFunctionCallMode::NonBlocking);
                }
            };
            let index = if index { stillheap_cli::index_options(true) } else { None };
            let limits = stillheap_cli::read_limits(None)?.unwrap_or_default();
            let options = ReadOptions {
                limits,
                progress: Some(&mut report),
                cancel: Some(&disposed),
                ..ReadOptions::default()
            };
            let snapshot = stillheap_index::open(&path, options, index.as_ref())
                .map_err(|error| Failure::of_file(&error, &path.to_string_lossy()))?;
            let model = if gc { Model::Gc } else { Model::Devtools };
            let facts = serde_json::json!({
                "nodes": snapshot.node_count(),
                "edges": snapshot.edge_count(),
                "salvage": snapshot.salvage(),
                "capture": snapshot.header().stillheap(),
            });
            // A second `open` changes nothing.
            let _ = shared.0.set(Opened::new(snapshot, model, path.to_string_lossy().into_owned()));
            Ok(facts.to_string())
        })
    }

    /// Asks a question by name.
    #[napi(catch_unwind)]
    pub fn ask(&self, question: String, request: String) -> AsyncTask<JsonTask> {
        let shared = self.shared();
        JsonTask::start(move || {
            let shared = shared?;
            let opened = shared.get()?;
            let answer = questions::answer(opened, &question, &request)?;
            // Written once, with what the first question has computed; nothing without the option.
            opened.write_index();
            Ok(answer)
        })
    }

    /// Compares this snapshot, the oldest, with newer ones.
    #[napi(catch_unwind)]
    pub fn compare(&self, newer: Vec<ClassInstance<SnapshotHandle>>, request: String) -> AsyncTask<JsonTask> {
        self.with_newer(&newer, move |opened| {
            let request: DiffRequest = parse(&request)?;
            encode(&questions::diff(opened, &request)?)
        })
    }

    /// Says what leaks, as this snapshot, the oldest, and newer ones tell.
    #[napi(catch_unwind)]
    pub fn leaks(&self, newer: Vec<ClassInstance<SnapshotHandle>>, request: String) -> AsyncTask<JsonTask> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Request {
            #[serde(flatten)]
            leaks: LeaksRequest,
            source_maps: Option<PathBuf>,
        }
        self.with_newer(&newer, move |opened| {
            let request: Request = parse(&request)?;
            let scripts = Scripts::new(request.source_maps.as_deref());
            encode(&questions::leaks(opened, &request.leaks, &scripts)?)
        })
    }

    /// Lets go of the snapshot; its memory is free when the questions under way have ended. A reading that is
    /// under way stops.
    #[napi(catch_unwind)]
    pub fn dispose(&self) {
        self.disposed.store(true, Ordering::Relaxed);
        lock(&self.shared).take();
    }

    /// Asks about this snapshot and newer ones together.
    fn with_newer(
        &self,
        newer: &[ClassInstance<SnapshotHandle>],
        question: impl FnOnce(&[&Opened]) -> JsonResult + Send + 'static,
    ) -> AsyncTask<JsonTask> {
        let all: std::result::Result<Vec<Shared>, Failure> =
            std::iter::once(self.shared()).chain(newer.iter().map(|other| other.shared())).collect();
        JsonTask::start(move || {
            let all = all?;
            let opened: Vec<&Opened> = all.iter().map(Shared::get).collect::<std::result::Result<_, _>>()?;
            question(&opened)
        })
    }

    fn shared(&self) -> std::result::Result<Shared, Failure> {
        let shared = lock(&self.shared).clone();
        shared.ok_or_else(|| Failure::new("ERR_STILLHEAP_DISPOSED", "the snapshot has been disposed of"))
    }
}
