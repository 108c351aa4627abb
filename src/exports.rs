//! What index.js calls. What can fail returns JSON, `{"result": …}` or `{"error": …}`, from which index.js makes
//! values and Errors.

use std::sync::Arc;

use napi::bindgen_prelude::AsyncTask;
use napi::{Env, Error, Result, Task};
use napi_derive::napi;
use serde::{Deserialize, Serialize};
use stillheap_control::Phase;
use stillheap_protocol::{
    CaptureRequest, CaptureResult, Failure, FilePath, GivenPath, PauseParts, outcome_json,
};
use stillheap_sink::Canceller;
use stillheap_v8::{CurrentIsolate, V8};

use crate::capture::{Capture, Finishing};
use crate::fault::{PanicPoint, caught};
use crate::isolates::{NewIsolate, Notify, Target};
use crate::json::{parse, to_json};
use crate::outstanding::Outstanding;
use crate::{capture, exit, fault, fork, isolates, near_limit, report, signal, status, sys};

/// What JavaScript says about the isolate it runs in.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Setup {
    thread_id: u32,
    is_main_thread: bool,
    node: String,
    /// What the program is called; see `Origin`.
    service: Option<String>,
    foreign: Option<String>,
    has_libuv: bool,
    defaults: CaptureRequest,
}

/// See `Isolate::publish_watch`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
enum WatchUpdate {
    Begun(()),
    Sample(stillheap_control::Sample),
    Note(stillheap_control::Note),
    Ended(()),
}

/// The addon's side of one isolate.
#[napi]
pub struct Isolate {
    pub(crate) target: Arc<Target>,
}

#[napi]
impl Isolate {
    /// Makes this thread's isolate known. `notify(kind, json)` is called from the event loop.
    #[napi(constructor, catch_unwind)]
    pub fn new(env: Env, setup: String, notify: Notify) -> Result<Self> {
        let setup: Setup = parse(&setup)?;
        if !setup.has_libuv {
            sys::leave_libuv_alone();
        }
        sys::pin_library();
        sys::at_exit(exit::settle);
        let (target, added) = isolates::add(NewIsolate {
            isolate: CurrentIsolate::get(),
            environment: sys::environment(&env),
            thread_id: setup.thread_id,
            is_main: setup.is_main_thread,
            foreign: setup.foreign,
            notify,
            defaults: setup.defaults,
        });
        if added {
            // Before the isolate is disposed of, so that no other thread speaks to it any more.
            env.add_env_cleanup_hook(target.id, |id| {
                // A panic must not unwind into Node, nor keep the isolate on the list.
                caught((), || {
                    fault::hit(PanicPoint::CleanUp);
                    isolates::find(id).inspect(|target| {
                        near_limit::disarm(target);
                    });
                });
                caught((), || {
                    isolates::remove(id).inspect(|target| signal::give_up(target));
                });
            })?;
            status::open(&setup.node, target.engine_reason());
            capture::note_origin(setup.service, setup.node);
        }
        Ok(Self { target })
    }

    /// To be called once, when loading is done.
    #[napi(catch_unwind)]
    pub fn loaded(&self) {
        if self.target.is_main {
            sys::release_loading_pages(V8::get().ok().map(V8::address));
        }
    }

    /// Why captures go through `node:v8`, or null.
    #[napi(getter, catch_unwind)]
    pub fn engine_reason(&self) -> Option<String> {
        self.target.engine_reason()
    }

    /// Why captures can't be forked here, or null.
    #[napi(getter, catch_unwind)]
    pub fn fork_obstacle(&self) -> Option<String> {
        self.target.engine_reason().or_else(fork::unsupported)
    }

    /// Begins a forked capture.
    #[napi(catch_unwind)]
    pub fn fork(&self, request: String) -> Result<ForkOperation> {
        let request: CaptureRequest = parse(&request)?;
        let outlive = request.outlive;
        let ended = |_: &Arc<Target>, handle: &fork::CaptureHandle, outcome| handle.put(outcome);
        let handle = fork::begin(Arc::clone(&self.target), request, signal::call, ended);
        let handle = handle.map_err(|failure| Error::from_reason(failure.message))?;
        Ok(ForkOperation { handle, target: Arc::clone(&self.target), outlive })
    }

    /// Collects all garbage, now; false where V8 can't be reached.
    #[napi(catch_unwind)]
    pub fn collect_garbage(&self) -> bool {
        self.target.engine_reason().is_none()
            && CurrentIsolate::get().is_some_and(|isolate| isolate.collect_garbage().is_ok())
    }

    /// Has a snapshot taken when V8 comes to its heap limit; null, or why not.
    #[napi(catch_unwind)]
    pub fn arm_near_limit(&self, order: String) -> Result<Option<String>> {
        Ok(near_limit::arm(&self.target, parse(&order)?).err())
    }

    /// Takes that back; whether there was something to take back.
    #[napi(catch_unwind)]
    pub fn disarm_near_limit(&self) -> bool {
        near_limit::disarm(&self.target)
    }

    /// Whether a snapshot will be taken at the limit.
    #[napi(getter, catch_unwind)]
    pub fn near_limit_armed(&self) -> bool {
        near_limit::is_armed(&self.target)
    }

    /// Shows on the status page what this thread's growth watch has seen: `{"begun": null}`, `{"ended": null}`,
    /// `{"sample": …}` or `{"note": …}`, as stillheap-control has them.
    #[napi(catch_unwind)]
    pub fn publish_watch(&self, news: String) -> Result<()> {
        let thread = self.target.thread_id;
        match parse(&news)? {
            WatchUpdate::Begun(()) => status::watched(thread, |_| ()),
            WatchUpdate::Sample(sample) => status::watched(thread, |watch| watch.add(sample)),
            WatchUpdate::Note(note) => status::watched(thread, |watch| watch.note(note)),
            WatchUpdate::Ended(()) => status::unwatched(thread),
        }
        Ok(())
    }

    /// What a signal's capture shall do.
    #[napi(catch_unwind)]
    pub fn set_defaults(&self, defaults: String) -> Result<()> {
        self.target.set_defaults(parse(&defaults)?);
        Ok(())
    }

    /// Whether JavaScript listens to `snapshot` and to `error`; else stderr is told.
    #[napi(catch_unwind)]
    pub fn set_listeners(&self, snapshot: bool, error: bool) {
        self.target.set_listeners(snapshot, error);
    }

    /// Installs the handler; null, or why not. The automatic installation at load time leaves alone what
    /// is there, and what was stopped.
    #[napi(catch_unwind)]
    pub fn start_signal(&self, signal: i32, all_threads: bool, automatic: bool) -> Option<String> {
        signal::install(signal, all_threads, automatic).err()
    }

    #[napi(catch_unwind)]
    pub fn stop_signal(&self) {
        signal::uninstall();
    }

    /// Serves a signal's request through V8, if there is one.
    #[napi(catch_unwind)]
    pub fn run_pending(&self) {
        signal::run_pending(self.target.id);
    }

    /// Takes a signal's request over, for `node:v8`.
    #[napi(catch_unwind)]
    pub fn take_pending(&self) -> bool {
        self.target.engine_reason().is_some() && self.target.take_pending()
    }

    /// Reports the result of a request that was taken over.
    #[napi(catch_unwind)]
    pub fn publish(&self, outcome: String, quiet: bool) -> Result<()> {
        signal::publish(&self.target, &parse(&outcome)?, quiet);
        signal::redeliver(&self.target);
        Ok(())
    }

    /// Opens a capture's file: `{"result": null}` and the operation, or the error.
    #[napi(catch_unwind)]
    pub fn open(&self, request: String) -> Result<Operation> {
        let request: CaptureRequest = parse(&request)?;
        let spool = request.spool;
        Ok(match Capture::open(request, &self.target) {
            Ok(capture) => Operation {
                target: Arc::clone(&self.target),
                canceller: Some(capture.canceller()),
                capture: Some(capture),
                failure: None,
                entered: false,
                spool,
            },
            Err(failure) => Operation {
                target: Arc::clone(&self.target),
                canceller: None,
                capture: None,
                failure: Some(failure),
                entered: false,
                spool,
            },
        })
    }
}

/// Writes a line to stderr, without waiting for its reader.
#[napi(catch_unwind)]
pub fn say(line: String) {
    report::print(&line);
}

/// A forked capture, which goes on by itself. Ended when it is dropped.
#[napi]
pub struct ForkOperation {
    handle: Arc<fork::CaptureHandle>,
    target: Arc<Target>,
    outlive: bool,
}

/// How far a forked capture is.
#[derive(Serialize)]
struct ForkState {
    progress: ForkProgress,
    pause: Option<Pause>,
}

#[derive(Serialize)]
struct ForkProgress {
    phase: Phase,
    done: u64,
    total: u64,
}

#[derive(Serialize)]
struct Pause {
    ms: f64,
    parts: PauseParts,
}

#[napi]
impl ForkOperation {
    /// `{"progress": {phase, done, total}, "pause": {ms, parts}}`, or once the outcome, `{"result": …}` or `{"error": …}`; an error
    /// says whether an inline capture may take its place.
    #[napi(catch_unwind)]
    pub fn poll(&self) -> String {
        if let Some(outcome) = self.handle.take_outcome() {
            let may_fall_back = outcome.as_ref().err().is_some_and(fork::may_fall_back);
            let mut json = outcome_json(&outcome);
            json["mayFallBack"] = may_fall_back.into();
            return json.to_string();
        }
        let (phase, done, total) = self.handle.progress();
        let pause = self.handle.pause().map(|(ms, parts)| Pause { ms, parts });
        let state = ForkState { progress: ForkProgress { phase, done, total }, pause };
        serde_json::to_string(&state).unwrap_or_default()
    }

    /// Has this thread stand still until the heap is frozen, or else until the capture has ended; it gives the
    /// moment for the fork meanwhile.
    #[napi(catch_unwind)]
    pub fn wait(&self, until_ended: bool) {
        let there = || self.handle.has_outcome() || (!until_ended && self.handle.is_forked());
        while !there() {
            signal::run_pending(self.target.id);
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
    }

    #[napi(catch_unwind)]
    pub fn cancel(&self) {
        self.handle.cancel();
    }
}

impl Drop for ForkOperation {
    fn drop(&mut self) {
        // Nobody waits for it any more, as when the process ends: a child that shall outlive that goes on.
        if self.outlive {
            return;
        }
        self.handle.cancel();
    }
}

/// A capture in steps: `generate` and `serialize` (or `createRawFile` and `import`), then `finish`.
#[napi]
pub struct Operation {
    target: Arc<Target>,
    canceller: Option<Canceller>,
    capture: Option<Capture>,
    failure: Option<Failure>,
    entered: bool,
    spool: bool,
}

#[napi]
impl Operation {
    /// Takes the snapshot in V8's memory.
    #[napi(catch_unwind)]
    pub fn generate(&mut self) -> String {
        let entered = self.enter();
        let outcome = entered.and_then(|()| self.step(Capture::generate));
        to_json(outcome)
    }

    /// Writes it out to the file's writer.
    #[napi(catch_unwind)]
    pub fn serialize(&mut self) -> String {
        let outcome = self.step(Capture::serialize);
        self.leave();
        to_json(outcome)
    }

    /// Makes an empty private file beside the target.
    #[napi(catch_unwind)]
    pub fn create_raw_file(&mut self) -> String {
        to_json(match &self.capture {
            Some(capture) => capture.create_raw_file().map(FilePath),
            None => Err(self.missing()),
        })
    }

    /// Takes over what `node:v8` wrote into that file, whose path is given as JSON.
    #[napi(catch_unwind)]
    pub fn import(&mut self, path: String) -> String {
        let path = serde_json::from_str::<GivenPath>(&path)
            .map_err(|error| Failure::own("ERR_INVALID_ARG_VALUE", error.to_string()));
        to_json(self.step(|capture, _| capture.import(&path?)))
    }

    /// Waits, off the JavaScript thread, until the file is whole and has its name.
    #[napi(catch_unwind)]
    pub fn finish(&mut self) -> AsyncTask<FinishTask> {
        AsyncTask::new(FinishTask {
            finishing: Some(self.finishing()),
            outstanding: Some(Outstanding::new()),
        })
    }

    /// Waits for it on this thread.
    #[napi(catch_unwind)]
    pub fn finish_sync(&mut self) -> String {
        to_json(self.finishing().and_then(Finishing::finish))
    }

    /// What stops the writer. A value of its own, because `finish` borrows this one until it is done.
    #[napi(catch_unwind)]
    pub fn stopper(&self) -> Stopper {
        Stopper { canceller: self.canceller.clone() }
    }

    /// Drops everything that has not been finished.
    #[napi(catch_unwind)]
    pub fn discard(&mut self) {
        if let Some(capture) = self.capture.take() {
            capture.discard(&self.target);
        }
        self.leave();
    }

    fn enter(&mut self) -> std::result::Result<(), Failure> {
        if self.entered || self.target.enter() {
            self.entered = true;
            return Ok(());
        }
        Err(Failure::own(
            "ERR_STILLHEAP_BUSY",
            "another capture of this thread is between its steps; start this one when that has ended",
        ))
    }

    fn leave(&mut self) {
        if self.entered {
            self.entered = false;
            self.target.leave();
            signal::redeliver(&self.target);
        }
    }

    fn step(
        &mut self,
        step: impl FnOnce(&mut Capture, &Target) -> std::result::Result<(), Failure>,
    ) -> std::result::Result<(), Failure> {
        match &mut self.capture {
            Some(capture) => step(capture, &self.target),
            None => Err(self.missing()),
        }
    }

    fn finishing(&mut self) -> std::result::Result<Finishing, Failure> {
        self.leave();
        match self.capture.take() {
            Some(capture) => Ok(capture.into_finishing(&self.target)),
            None => Err(self.missing()),
        }
    }

    fn missing(&self) -> Failure {
        self.failure
            .clone()
            .unwrap_or_else(|| Failure::own("ERR_STILLHEAP_INTERNAL", "this capture has ended already"))
    }

    /// Whether the result will carry a descriptor.
    #[napi(getter, catch_unwind)]
    pub fn spool(&self) -> bool {
        self.spool
    }
}

impl Drop for Operation {
    fn drop(&mut self) {
        self.discard();
    }
}

/// Stops an operation's writer at any time.
#[napi]
pub struct Stopper {
    canceller: Option<Canceller>,
}

#[napi]
impl Stopper {
    /// `finish` then says that the capture was aborted.
    #[napi(catch_unwind)]
    pub fn stop(&self) {
        if let Some(canceller) = &self.canceller {
            canceller.cancel();
        }
    }
}

/// Finishing a file on a thread of libuv's pool.
pub struct FinishTask {
    finishing: Option<std::result::Result<Finishing, Failure>>,
    outstanding: Option<Outstanding>,
}

impl Task for FinishTask {
    type Output = std::result::Result<CaptureResult, Failure>;
    type JsValue = String;

    fn compute(&mut self) -> Result<Self::Output> {
        let outstanding = self.outstanding.take();
        let finishing = self.finishing.take().ok_or_else(|| Error::from_reason("finished twice"))?;
        let outcome = caught(Err(fault::internal()), || {
            fault::hit(PanicPoint::Finish);
            finishing.and_then(Finishing::finish)
        });
        drop(outstanding);
        Ok(outcome)
    }

    fn resolve(&mut self, _env: Env, outcome: Self::Output) -> Result<Self::JsValue> {
        caught(Err(Error::from_reason("stillheap: internal: the outcome can't be told")), || {
            fault::hit(PanicPoint::Resolve);
            Ok(to_json(outcome))
        })
    }
}

/// Whether this is the process's main thread; null where the system can't tell. Costs nothing, whereas
/// loading `node:worker_threads` on the main thread takes 2 MB.
#[napi(catch_unwind)]
pub fn is_main_thread() -> Option<bool> {
    sys::is_main_thread()
}

/// For the tests: the next capture panics; or else the next that comes to `entry`.
#[napi(catch_unwind)]
pub fn inject_panic(entry: Option<String>) -> bool {
    fault::arm(entry.as_deref().unwrap_or("capture"))
}

/// For the tests: something breaks in the first `times` children of each forked capture from now on.
#[napi(catch_unwind)]
pub fn inject_fault(point: String, what: String, times: u8) -> bool {
    stillheap_frozen::fault::arm(&point, &what, times)
}
