//! One forked capture from the request to the result.
//!
//! One thread runs the whole capture: it prepares, asks the isolate for the moment in which to fork (by
//! interrupt and through the event loop, like a signal's capture), watches the child, and forks again if
//! that is worth trying. The JavaScript thread gives nothing but the moment. One child of the process at a
//! time: each may need a multiple of its heap.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use stillheap_control::Phase;
use stillheap_frozen::{Ending, Forked, thaw, watch};
use stillheap_protocol::{CaptureRequest, CaptureResult, Failure, PauseParts, Trigger};

use super::capture::{ForkedCapture, progress};
use crate::isolates::{Job, Target};
use crate::outstanding::Outstanding;
use crate::sync::lock;
use crate::sys::spawn_quiet;

/// So many children are tried.
const ATTEMPTS: u32 = 6;

/// Children of this process follow one another: whether one has its turn.
static TAKEN: Mutex<bool> = Mutex::new(false);
static GIVEN_BACK: Condvar = Condvar::new();

/// The right to have a child, as long as it lives.
pub struct ChildSlot(());

impl ChildSlot {
    /// Waits until no other capture forks.
    fn take() -> Self {
        let taken = GIVEN_BACK.wait_while(lock(&TAKEN), |taken| *taken);
        *taken.unwrap_or_else(PoisonError::into_inner) = true;
        Self(())
    }

    /// `None` while another capture forks.
    pub fn try_take() -> Option<Self> {
        let mut taken = lock(&TAKEN);
        (!std::mem::replace(&mut *taken, true)).then_some(Self(()))
    }
}

impl Drop for ChildSlot {
    fn drop(&mut self) {
        *lock(&TAKEN) = false;
        GIVEN_BACK.notify_one();
    }
}

/// Captures whose heap isn't frozen yet.
static WAITING: AtomicUsize = AtomicUsize::new(0);

/// How many captures wait for their turn or for the moment of the fork.
pub fn waiting() -> usize {
    WAITING.load(Ordering::Relaxed)
}

/// Captures that have not told their outcome yet.
static RUNNING: AtomicUsize = AtomicUsize::new(0);

/// How many captures have not told their outcome yet.
pub fn running() -> usize {
    RUNNING.load(Ordering::Acquire)
}

/// One of them, as long as it lives.
struct RunningCapture(());

impl RunningCapture {
    fn begin() -> Self {
        RUNNING.fetch_add(1, Ordering::AcqRel);
        Self(())
    }
}

impl Drop for RunningCapture {
    fn drop(&mut self) {
        RUNNING.fetch_sub(1, Ordering::AcqRel);
    }
}

/// A capture that waits, as long as it lives.
struct WaitingCapture(());

impl WaitingCapture {
    fn begin() -> Self {
        WAITING.fetch_add(1, Ordering::Relaxed);
        Self(())
    }
}

impl Drop for WaitingCapture {
    fn drop(&mut self) {
        WAITING.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What the isolate's thread is asked for: to fork, and to give the capture back.
struct ForkJob {
    capture: Box<ForkedCapture>,
    reply: SyncSender<(Box<ForkedCapture>, Result<(), Failure>)>,
    cancelled: Arc<AtomicBool>,
}

impl Job for ForkJob {
    fn run(self: Box<Self>, target: &Target) {
        let Self { mut capture, reply, cancelled } = *self;
        if cancelled.load(Ordering::Relaxed) {
            return;
        }
        let outcome = catch_unwind(AssertUnwindSafe(|| capture.fork(target))).unwrap_or_else(|_| {
            Err(Failure::own(
                "ERR_STILLHEAP_INTERNAL",
                "the capture stopped unexpectedly; nothing was written",
            ))
        });
        // Room for one, and nobody else sends.
        let _ = reply.try_send((capture, outcome));
    }

    fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Relaxed)
    }
}

/// A capture as its caller sees it.
#[derive(Default)]
pub struct CaptureHandle {
    cancelled: Arc<AtomicBool>,
    /// The heap has been frozen at least once.
    forked: AtomicBool,
    progress: Mutex<(Phase, u64, u64)>,
    /// What the pauses were so far: milliseconds, and of what.
    pause: Mutex<Option<(f64, PauseParts)>>,
    outcome: Mutex<Option<Result<CaptureResult, Failure>>>,
}

impl CaptureHandle {
    /// Ends the capture as soon as possible.
    pub fn cancel(&self) {
        self.cancelled.store(true, Ordering::Relaxed);
    }

    /// How far it is: phase, done, total.
    pub fn progress(&self) -> (Phase, u64, u64) {
        *lock(&self.progress)
    }

    /// What the pauses were, in milliseconds, and of what; once the heap has been frozen.
    pub fn pause(&self) -> Option<(f64, PauseParts)> {
        *lock(&self.pause)
    }

    /// Whether the heap has been frozen.
    pub fn is_forked(&self) -> bool {
        self.forked.load(Ordering::Acquire)
    }

    /// Whether there is an outcome that nobody has taken.
    pub fn has_outcome(&self) -> bool {
        lock(&self.outcome).is_some()
    }

    /// The result, taken once.
    pub fn take_outcome(&self) -> Option<Result<CaptureResult, Failure>> {
        lock(&self.outcome).take()
    }
}

/// Begins a capture. `wake` calls an isolate's thread, which then does its jobs; `end` is called on the capture's
/// own thread.
pub fn begin(
    target: Arc<Target>,
    request: CaptureRequest,
    wake: fn(u64),
    end: impl FnOnce(&Arc<Target>, &CaptureHandle, Result<CaptureResult, Failure>) + Send + 'static,
) -> Result<Arc<CaptureHandle>, Failure> {
    let handle = Arc::new(CaptureHandle::default());
    let ours = Arc::clone(&handle);
    let running = RunningCapture::begin();
    spawn_quiet("stillheap-fork", move || {
        let _running = running;
        let outcome = catch_unwind(AssertUnwindSafe(|| run(&target, request, wake, &ours)));
        let outcome = outcome.unwrap_or_else(|_| {
            Err(Failure::own(
                "ERR_STILLHEAP_INTERNAL",
                "the capture stopped unexpectedly; nothing was written",
            ))
        });
        end(&target, &ours, outcome);
    })
    .map_err(|error| Failure::system(&error, "clone", Path::new("")))?;
    Ok(handle)
}

impl Drop for CaptureHandle {
    /// Nobody has taken the outcome: nobody will close its descriptor.
    fn drop(&mut self) {
        let outcome = self.outcome.get_mut().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(Ok(CaptureResult { fd: Some(fd), .. })) = outcome {
            let _ = nix::unistd::close(*fd);
        }
    }
}

impl CaptureHandle {
    /// Leaves the outcome for the next caller.
    pub fn put(&self, outcome: Result<CaptureResult, Failure>) {
        *lock(&self.outcome) = Some(outcome);
    }
}

fn run(
    target: &Arc<Target>,
    request: CaptureRequest,
    wake: fn(u64),
    handle: &CaptureHandle,
) -> Result<CaptureResult, Failure> {
    let mut waiting = Some(WaitingCapture::begin());
    let _slot = ChildSlot::take();
    if handle.cancelled.load(Ordering::Relaxed) {
        return Err(aborted());
    }
    let deadline = request.time_limit.map(|limit| Instant::now() + Duration::from_millis(limit));
    let mut capture = Box::new(ForkedCapture::prepare(request, target.thread_id)?);
    let ending = loop {
        capture = ask(target, capture, wake, handle, deadline)?;
        waiting.take();
        *lock(&handle.pause) = Some((capture.forked.pause_ms, capture.forked.parts()));
        handle.forked.store(true, Ordering::Release);
        let ForkedCapture { forked, request, .. } = &mut *capture;
        let trigger = request.trigger;
        let ending = watch(forked, &handle.cancelled, |forked| report(target, trigger, forked, handle));
        // Between two children it waits again: a process that ends then has no child to count.
        waiting = matches!(ending, Ending::Again(_)).then(WaitingCapture::begin);
        let ending = try_again(&mut capture, ending, ATTEMPTS);
        if !matches!(ending, Ending::Again(_)) {
            break ending;
        }
    };
    drop(waiting);
    // At exit the file's name is waited for.
    let _outstanding = matches!(ending, Ending::Done).then(Outstanding::new);
    capture.forked.thaw = thaw();
    match ending {
        Ending::Done => capture.result(target),
        Ending::Again(failure) | Ending::Failed(failure) => Err(failure),
    }
}

/// After a child's ending: makes ready for another one if that is worth trying, and says [`Ending::Again`] then. Where
/// our own reader couldn't read the heap, the next child is V8's generator's, unless the caller has excluded that.
pub fn try_again(capture: &mut ForkedCapture, ending: Ending, attempts: u32) -> Ending {
    let (mut failure, again) = match ending {
        Ending::Done => return Ending::Done,
        Ending::Again(failure) => (failure, true),
        Ending::Failed(failure) => (failure, false),
    };
    let given_over = capture.leave_to_v8(&failure);
    if !again && !given_over {
        return Ending::Failed(failure);
    }
    let forked = &mut capture.forked;
    if forked.attempts() >= attempts && !given_over {
        failure.message += &format!(" (tried {} times)", forked.attempts());
        return Ending::Failed(failure);
    }
    forked.failed(failure.message.clone());
    if !given_over {
        // What stood in the way is gone in a moment.
        std::thread::sleep(Duration::from_millis(5 << forked.attempts()));
    }
    match forked.prepare_again() {
        Ok(()) => Ending::Again(failure),
        Err(failure) => Ending::Failed(failure),
    }
}

/// Asks the isolate's thread to fork, and waits until it has.
fn ask(
    target: &Arc<Target>,
    capture: Box<ForkedCapture>,
    wake: fn(u64),
    handle: &CaptureHandle,
    deadline: Option<Instant>,
) -> Result<Box<ForkedCapture>, Failure> {
    let (reply, answer) = sync_channel(1);
    let cancelled = Arc::new(AtomicBool::new(false));
    target.add_job(Box::new(ForkJob { capture, reply, cancelled: Arc::clone(&cancelled) }));
    wake(target.id);
    loop {
        match answer.recv_timeout(Duration::from_millis(50)) {
            Ok((capture, outcome)) => return outcome.map(|()| capture),
            Err(RecvTimeoutError::Disconnected) => {
                return Err(Failure::own(
                    Failure::EXITING,
                    "the thread ended before its heap could be captured; nothing was written",
                ));
            }
            Err(RecvTimeoutError::Timeout) => {}
        }
        let late = deadline.is_some_and(|deadline| Instant::now() > deadline);
        if late || handle.cancelled.load(Ordering::Relaxed) {
            // A thread that takes it from now on drops it; one that has it already gives it back.
            cancelled.store(true, Ordering::Relaxed);
            target.drop_cancelled_jobs();
            return match answer.recv() {
                Ok((capture, outcome)) => outcome.map(|()| capture),
                Err(_) if !late => Err(aborted()),
                Err(_) => Err(Failure::own(
                    "ERR_STILLHEAP_TIME_LIMIT",
                    "the JavaScript thread did not come to the fork within the time limit; nothing was written",
                )),
            };
        }
    }
}

fn aborted() -> Failure {
    Failure::own("ERR_STILLHEAP_ABORTED", "the capture was aborted; nothing was written")
}

fn report(target: &Target, trigger: Trigger, forked: &Forked, handle: &CaptureHandle) {
    let Some(progress) = progress(forked) else { return };
    *lock(&handle.progress) = progress;
    let (phase, done, total) = progress;
    target.progress(trigger, phase, done, total);
}
