//! The isolates (main thread and workers) that have loaded the addon.
//!
//! State belongs to an environment, not to the process. Other threads find an isolate in the list and may
//! ask it for a capture only while they hold the list's lock; the environment's clean-up hook takes the
//! isolate off the list first, so whatever comes later meets nothing.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use napi::Status;
use napi::bindgen_prelude::FnArgs;
use napi::threadsafe_function::{ThreadsafeFunction, ThreadsafeFunctionCallMode};
use stillheap_control::Phase;
use stillheap_protocol::{CaptureRequest, Trigger};
use stillheap_v8::{CurrentIsolate, Environment, Interrupts, IsolateHandle, V8};

use crate::status;
use crate::sync::lock;

/// Calls JavaScript with `(kind, json)` when its loop next turns; never keeps the process alive.
pub type Notify =
    ThreadsafeFunction<FnArgs<(String, String)>, (), FnArgs<(String, String)>, Status, false, true>;

/// Something to be done on an isolate's thread, at the next interrupt or turn of its event loop.
pub trait Job: Send {
    fn run(self: Box<Self>, target: &Target);

    /// Whether nobody waits for it any more.
    fn is_cancelled(&self) -> bool;
}

pub struct Target {
    /// Never used twice in a process.
    pub id: u64,
    isolate: Option<IsolateHandle>,
    interrupts: Option<Interrupts>,
    pub environment: Environment,
    /// Node's `threadId`.
    pub thread_id: u32,
    pub is_main: bool,
    /// Why V8 can't be used directly here although its symbols may be there (Electron, Bun …).
    foreign: Option<String>,
    notify: Notify,
    /// A signal's request that nobody has taken up.
    pending: AtomicBool,
    /// V8 is in its callback at the heap limit.
    at_heap_limit: AtomicBool,
    /// V8 is in a capture, or JavaScript is between two steps of one.
    busy: AtomicBool,
    /// A signal's capture is under way, up to its file's final name.
    signal_busy: AtomicBool,
    /// Whether somebody listens to `snapshot` and `error` in JavaScript.
    listens_to_snapshot: AtomicBool,
    listens_to_error: AtomicBool,
    /// The ids that V8 knows are there because we kept them.
    ids_are_ours: AtomicBool,
    /// Changes whenever ids are cleared; ids of two snapshots with the same value may be compared.
    id_space: AtomicU64,
    /// The space of ids that are made of addresses; the same as long as the isolate lives.
    address_space: u64,
    /// What a signal's capture shall do.
    defaults: Mutex<CaptureRequest>,
    last_progress: Mutex<Option<Instant>>,
    /// A signal's capture shall be inline, since forking failed for this reason.
    falls_back: Mutex<Option<String>>,
    /// What waits for this isolate's thread; `None` once it is gone.
    jobs: Mutex<Option<VecDeque<Box<dyn Job>>>>,
}

static LIST: Mutex<Vec<Arc<Target>>> = Mutex::new(Vec::new());
static CLOSED: AtomicBool = AtomicBool::new(false);
static NEXT_ID: AtomicU64 = AtomicU64::new(1);

/// How often the status page is rewritten while V8 works, at most.
const PROGRESS_INTERVAL_MS: u128 = 50;

/// What an isolate tells about itself.
pub struct NewIsolate {
    pub isolate: Option<CurrentIsolate>,
    pub environment: Environment,
    pub thread_id: u32,
    pub is_main: bool,
    pub foreign: Option<String>,
    pub notify: Notify,
    pub defaults: CaptureRequest,
}

/// Adds an isolate. One that is there already (the module was loaded again in another context) keeps its
/// first entry.
pub fn add(introduction: NewIsolate) -> (Arc<Target>, bool) {
    let mut list = lock(&LIST);
    let handle = introduction.isolate.map(CurrentIsolate::handle);
    let same = |target: &&Arc<Target>| {
        handle.is_some() && target.isolate == handle || target.environment == introduction.environment
    };
    if let Some(target) = list.iter().find(same) {
        return (Arc::clone(target), false);
    }
    let NewIsolate { isolate, environment, thread_id, is_main, foreign, notify, defaults } = introduction;
    let target = Arc::new(Target {
        id: NEXT_ID.fetch_add(1, Ordering::Relaxed),
        isolate: handle,
        interrupts: isolate.and_then(|isolate| isolate.interrupts(environment)),
        environment,
        thread_id,
        is_main,
        foreign,
        notify,
        pending: AtomicBool::new(false),
        at_heap_limit: AtomicBool::new(false),
        busy: AtomicBool::new(false),
        signal_busy: AtomicBool::new(false),
        listens_to_snapshot: AtomicBool::new(false),
        listens_to_error: AtomicBool::new(false),
        ids_are_ours: AtomicBool::new(false),
        id_space: AtomicU64::new(new_id_space()),
        address_space: new_id_space(),
        defaults: Mutex::new(defaults),
        last_progress: Mutex::new(None),
        falls_back: Mutex::new(None),
        jobs: Mutex::new(Some(VecDeque::new())),
    });
    list.push(Arc::clone(&target));
    (target, true)
}

/// Takes an isolate off the list and returns it; from the environment's clean-up hook.
pub fn remove(id: u64) -> Option<Arc<Target>> {
    let mut list = lock(&LIST);
    let at = list.iter().position(|target| target.id == id)?;
    let target = list.remove(at);
    target.close_jobs();
    Some(target)
}

/// From now on no isolate is found any more; at exit. The entries stay: to drop them would be to call into
/// a runtime that is being taken down. Returns them all.
pub fn close() -> Vec<Arc<Target>> {
    // Under the lock, so that every thread that uses an isolate has finished.
    let list = lock(&LIST);
    CLOSED.store(true, Ordering::Release);
    list.iter().for_each(|target| target.close_jobs());
    list.clone()
}

/// Whether the process ends ([`close`]).
pub fn are_closed() -> bool {
    CLOSED.load(Ordering::Acquire)
}

pub fn find(id: u64) -> Option<Arc<Target>> {
    let list = lock(&LIST);
    if CLOSED.load(Ordering::Acquire) {
        return None;
    }
    list.iter().find(|target| target.id == id).cloned()
}

/// Runs `body` on every isolate, none of which can go away meanwhile.
pub fn for_each(body: impl FnMut(&Arc<Target>)) {
    let list = lock(&LIST);
    if !CLOSED.load(Ordering::Acquire) {
        list.iter().for_each(body);
    }
}

impl Target {
    /// Why captures go through `node:v8` here; `None` if V8 is used directly.
    pub fn engine_reason(&self) -> Option<String> {
        match (&self.foreign, V8::get()) {
            (Some(reason), _) => Some(reason.clone()),
            (None, Err(reason)) => Some(reason.to_owned()),
            (None, Ok(_)) => None,
        }
    }

    /// Has `body(id)` called on the isolate's thread, by interrupt and through its event loop.
    pub fn interrupt(&self, body: fn(u64)) {
        if let (Some(interrupts), None) = (&self.interrupts, self.engine_reason()) {
            interrupts.request(body, self.id);
        }
        self.notify("wake", String::new());
    }

    /// Leaves a request for a capture, for the thread that calls [`Target::take_pending`].
    pub fn set_pending(&self) {
        self.pending.store(true, Ordering::Release);
    }

    pub fn take_pending(&self) -> bool {
        self.pending.swap(false, Ordering::AcqRel)
    }

    pub fn is_pending(&self) -> bool {
        self.pending.load(Ordering::Acquire)
    }

    pub fn fall_back(&self, reason: String) {
        *lock(&self.falls_back) = Some(reason);
    }

    pub fn falls_back(&self) -> bool {
        lock(&self.falls_back).is_some()
    }

    pub fn take_fall_back(&self) -> Option<String> {
        lock(&self.falls_back).take()
    }

    /// Leaves a job for this isolate's thread; dropped if that is gone.
    pub fn add_job(&self, job: Box<dyn Job>) {
        if let Some(jobs) = lock(&self.jobs).as_mut() {
            jobs.push_back(job);
        }
    }

    pub fn take_job(&self) -> Option<Box<dyn Job>> {
        lock(&self.jobs).as_mut()?.pop_front()
    }

    pub fn has_job(&self) -> bool {
        lock(&self.jobs).as_ref().is_some_and(|jobs| !jobs.is_empty())
    }

    pub fn drop_cancelled_jobs(&self) {
        if let Some(jobs) = lock(&self.jobs).as_mut() {
            jobs.retain(|job| !job.is_cancelled());
        }
    }

    fn close_jobs(&self) {
        lock(&self.jobs).take();
    }

    /// Whether this isolate's JavaScript will not run again.
    pub fn has_ended(&self) -> bool {
        lock(&self.jobs).is_none()
    }

    /// V8 is in its callback at the heap limit, in the middle of a collection perhaps, or has come back from it.
    pub fn set_at_heap_limit(&self, at_limit: bool) {
        self.at_heap_limit.store(at_limit, Ordering::Relaxed);
    }

    pub fn is_at_heap_limit(&self) -> bool {
        self.at_heap_limit.load(Ordering::Relaxed)
    }

    /// Enters a capture; false if one is under way on this thread. For steps that JavaScript calls one by one; what
    /// enters and leaves within one function does so by [`Target::entered`].
    pub fn enter(&self) -> bool {
        !self.busy.swap(true, Ordering::AcqRel)
    }

    /// Enters a capture as long as the answer lives; none if one is under way on this thread.
    pub fn entered(&self) -> Option<CaptureGuard<'_>> {
        self.enter().then_some(CaptureGuard(self))
    }

    /// Whether a capture is under way on this thread.
    pub fn is_busy(&self) -> bool {
        self.busy.load(Ordering::Acquire)
    }

    pub fn leave(&self) {
        self.busy.store(false, Ordering::Release);
    }

    /// Enters a signal's capture, up to its file's final name, as long as the answer lives; none if one is under way.
    pub fn enter_signal(self: &Arc<Self>) -> Option<SignalCapture> {
        (!self.signal_busy.swap(true, Ordering::AcqRel)).then(|| SignalCapture(Arc::clone(self)))
    }

    /// Has JavaScript called when its loop next turns.
    pub fn notify(&self, kind: &str, json: String) {
        // When the environment is closing, nobody is left to be told; the status page has it.
        let _ = self.notify.call((kind.to_owned(), json).into(), ThreadsafeFunctionCallMode::NonBlocking);
    }

    pub fn set_listeners(&self, snapshot: bool, error: bool) {
        self.listens_to_snapshot.store(snapshot, Ordering::Relaxed);
        self.listens_to_error.store(error, Ordering::Relaxed);
    }

    pub fn listens_to_snapshot(&self) -> bool {
        self.listens_to_snapshot.load(Ordering::Relaxed)
    }

    pub fn listens_to_error(&self) -> bool {
        self.listens_to_error.load(Ordering::Relaxed)
    }

    pub fn defaults(&self) -> CaptureRequest {
        lock(&self.defaults).clone()
    }

    pub fn set_defaults(&self, defaults: CaptureRequest) {
        *lock(&self.defaults) = defaults;
    }

    pub fn ids_are_ours(&self) -> bool {
        self.ids_are_ours.load(Ordering::Relaxed)
    }

    pub fn ids_were_kept(&self) {
        self.ids_are_ours.store(true, Ordering::Relaxed);
    }

    pub fn ids_were_cleared(&self) {
        self.ids_are_ours.store(false, Ordering::Relaxed);
        self.id_space.store(new_id_space(), Ordering::Relaxed);
    }

    pub fn id_space(&self) -> String {
        format!("{:016x}", self.id_space.load(Ordering::Relaxed))
    }

    /// The same of ids that are made of the objects' addresses.
    pub fn address_space(&self) -> String {
        format!("{:016x}", self.address_space)
    }

    /// Shows on the status page how far a signal's capture is.
    pub fn progress(&self, trigger: Trigger, phase: Phase, done: u64, total: u64) {
        if trigger != Trigger::Signal {
            return;
        }
        let mut last = lock(&self.last_progress);
        if last.is_none_or(|last| last.elapsed().as_millis() >= PROGRESS_INTERVAL_MS) {
            *last = Some(Instant::now());
            status::running(phase, done, total);
        }
    }
}

/// A capture of an isolate is under way on its thread, whatever becomes of it: a panic ends it, too.
pub struct CaptureGuard<'a>(&'a Target);

impl Drop for CaptureGuard<'_> {
    fn drop(&mut self) {
        self.0.leave();
    }
}

/// A signal's capture of an isolate is under way; the same.
pub struct SignalCapture(Arc<Target>);

impl Drop for SignalCapture {
    fn drop(&mut self) {
        self.0.signal_busy.store(false, Ordering::Release);
    }
}

/// Never the same twice, in this process or, but for an unlikely chance, in another.
pub fn new_id_space() -> u64 {
    let time = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos() as u64;
    let unique = NEXT_ID.fetch_add(1, Ordering::Relaxed);
    // Multiplication by an odd constant (splitmix64's) is a bijection: what differs stays different.
    (time ^ (u64::from(std::process::id()) << 40) ^ (unique << 56)).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}
