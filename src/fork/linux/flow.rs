//! One forked capture from the request to the result.
//!
//! A thread of ours has the whole of it: it prepares, asks the isolate for the moment in which to fork (by
//! interrupt and through the event loop, like a signal's capture), watches the child, and forks again if
//! that is worth trying. The JavaScript thread gives nothing but the moment. One child of the process at a
//! time: each may need a multiple of its heap.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use chrono::SecondsFormat;
use stillheap_control::Phase;
use stillheap_sink::Failure;

use super::prepare::Forked;
use super::thaw::thaw;
use super::watch::{Done, Ending, watch};
use crate::capture::milliseconds;
use crate::isolates::{Target, lock};
use crate::request::{CaptureRequest, CaptureResult, ForkFigures, ForkMemory, PauseParts};
use crate::signal;
use crate::sys::spawn_quiet;

/// So many children are tried.
const ATTEMPTS: u32 = 6;

/// Children of this process follow one another: whether one has its turn.
static TAKEN: Mutex<bool> = Mutex::new(false);
static GIVEN_BACK: Condvar = Condvar::new();

/// The right to have a child, as long as it lives.
pub struct Turn(());

impl Turn {
    /// Waits for it.
    fn take() -> Self {
        let taken = GIVEN_BACK.wait_while(lock(&TAKEN), |taken| *taken);
        *taken.unwrap_or_else(PoisonError::into_inner) = true;
        Self(())
    }

    /// Takes it if nobody has it.
    pub fn try_take() -> Option<Self> {
        let mut taken = lock(&TAKEN);
        (!std::mem::replace(&mut *taken, true)).then_some(Self(()))
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        *lock(&TAKEN) = false;
        GIVEN_BACK.notify_one();
    }
}

/// What the isolate's thread is asked for: to fork, and to give the capture back.
pub struct Moment {
    forked: Box<Forked>,
    reply: SyncSender<(Box<Forked>, Result<(), Failure>)>,
    cancelled: Arc<AtomicBool>,
}

impl Moment {
    /// Forks; on the isolate's thread.
    pub fn serve(self, target: &Target) {
        let Self { mut forked, reply, cancelled } = self;
        if cancelled.load(Ordering::Relaxed) {
            return;
        }
        let outcome = catch_unwind(AssertUnwindSafe(|| forked.fork(target))).unwrap_or_else(|_| {
            Err(Failure::own(
                "ERR_STILLHEAP_INTERNAL",
                "the capture stopped unexpectedly; nothing was written",
            ))
        });
        // Room for one, and nobody else sends.
        let _ = reply.try_send((forked, outcome));
    }
}

/// A capture as its caller sees it.
#[derive(Default)]
pub struct Ticket {
    cancelled: Arc<AtomicBool>,
    /// The heap has been frozen at least once.
    forked: AtomicBool,
    progress: Mutex<(Phase, u64, u64)>,
    /// What the pauses were so far: milliseconds, and of what.
    pause: Mutex<Option<(f64, PauseParts)>>,
    outcome: Mutex<Option<Result<CaptureResult, Failure>>>,
}

impl Ticket {
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

    /// What came of it, once.
    pub fn take_outcome(&self) -> Option<Result<CaptureResult, Failure>> {
        lock(&self.outcome).take()
    }
}

/// Begins a capture. `end` is called on its thread.
pub fn begin(
    target: Arc<Target>,
    request: CaptureRequest,
    end: impl FnOnce(&Arc<Target>, &Ticket, Result<CaptureResult, Failure>) + Send + 'static,
) -> Result<Arc<Ticket>, Failure> {
    let ticket = Arc::new(Ticket::default());
    let ours = Arc::clone(&ticket);
    spawn_quiet("stillheap-fork", move || {
        let outcome = catch_unwind(AssertUnwindSafe(|| run(&target, request, &ours)));
        let outcome = outcome.unwrap_or_else(|_| {
            Err(Failure::own(
                "ERR_STILLHEAP_INTERNAL",
                "the capture stopped unexpectedly; nothing was written",
            ))
        });
        end(&target, &ours, outcome);
    })
    .map_err(|error| Failure::system(&error, "clone", Path::new("")))?;
    Ok(ticket)
}

impl Drop for Ticket {
    /// Nobody has taken the outcome: nobody will close its descriptor.
    fn drop(&mut self) {
        let outcome = self.outcome.get_mut().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(Ok(CaptureResult { fd: Some(fd), .. })) = outcome {
            let _ = nix::unistd::close(*fd);
        }
    }
}

impl Ticket {
    /// Leaves the outcome for whoever asks.
    pub fn put(&self, outcome: Result<CaptureResult, Failure>) {
        *lock(&self.outcome) = Some(outcome);
    }
}

fn run(target: &Arc<Target>, request: CaptureRequest, ticket: &Ticket) -> Result<CaptureResult, Failure> {
    let _turn = Turn::take();
    if ticket.cancelled.load(Ordering::Relaxed) {
        return Err(aborted());
    }
    let deadline = request.time_limit.map(|limit| Instant::now() + Duration::from_millis(limit));
    let mut forked = Box::new(Forked::prepare(request, target.thread_id)?);
    let ending = loop {
        forked = ask(target, forked, ticket, deadline)?;
        *lock(&ticket.pause) = Some((forked.pause_ms, forked.parts));
        ticket.forked.store(true, Ordering::Release);
        match watch(&mut forked, &ticket.cancelled, |forked| report(target, forked, ticket)) {
            Ending::Again(failure) => {
                if let Err(failure) = try_again(&mut forked, failure, ATTEMPTS) {
                    break Ending::Failed(failure);
                }
            }
            ending => break ending,
        }
    };
    forked.thaw = thaw();
    match ending {
        Ending::Done(done) => Ok(result(target, *forked, done)),
        Ending::Again(failure) | Ending::Failed(failure) => Err(failure),
    }
}

/// Makes ready for another child, unless there have been enough.
pub fn try_again(forked: &mut Forked, mut failure: Failure, attempts: u32) -> Result<(), Failure> {
    if forked.attempts >= attempts {
        failure.message += &format!(" (tried {} times)", forked.attempts);
        return Err(failure);
    }
    forked.failures.push(failure.message);
    // What stood in the way is gone in a moment.
    std::thread::sleep(Duration::from_millis(5 << forked.attempts));
    forked.prepare_again()
}

/// Asks the isolate's thread to fork, and waits until it has.
fn ask(
    target: &Arc<Target>,
    forked: Box<Forked>,
    ticket: &Ticket,
    deadline: Option<Instant>,
) -> Result<Box<Forked>, Failure> {
    let (reply, answer) = sync_channel(1);
    let cancelled = Arc::new(AtomicBool::new(false));
    target.add_moment(Moment { forked, reply, cancelled: Arc::clone(&cancelled) });
    signal::call(target.id);
    loop {
        match answer.recv_timeout(Duration::from_millis(50)) {
            Ok((forked, outcome)) => return outcome.map(|()| forked),
            Err(RecvTimeoutError::Disconnected) => {
                return Err(Failure::own(
                    "ERR_STILLHEAP_EXITING",
                    "the thread ended before its heap could be captured; nothing was written",
                ));
            }
            Err(RecvTimeoutError::Timeout) => {}
        }
        let late = deadline.is_some_and(|deadline| Instant::now() > deadline);
        if late || ticket.cancelled.load(Ordering::Relaxed) {
            // Whoever comes to serve it from now on drops it; who is serving it already gives it back.
            cancelled.store(true, Ordering::Relaxed);
            target.drop_cancelled_moments();
            return match answer.recv() {
                Ok((forked, outcome)) => outcome.map(|()| forked),
                Err(_) if !late => Err(aborted()),
                Err(_) => Err(Failure::own(
                    "ERR_STILLHEAP_TIME_LIMIT",
                    "the JavaScript thread did not come to the fork within the time limit; nothing was written",
                )),
            };
        }
    }
}

impl Moment {
    /// Whether nobody waits for it any more.
    pub fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Relaxed)
    }
}

fn aborted() -> Failure {
    Failure::own("ERR_STILLHEAP_ABORTED", "the capture was aborted; nothing was written")
}

fn report(target: &Target, forked: &Forked, ticket: &Ticket) {
    let figures = forked.page.figures();
    let phase = match figures.phase.load(Ordering::Relaxed) {
        0 => return,
        1 => Phase::Generating,
        2 => Phase::Serializing,
        _ => Phase::Writing,
    };
    let (done, total) = (figures.done.load(Ordering::Relaxed), figures.total.load(Ordering::Relaxed));
    *lock(&ticket.progress) = (phase, done, total);
    target.progress(forked.request.trigger, phase, done, total);
}

pub fn result(target: &Target, mut forked: Forked, done: Done) -> CaptureResult {
    let figures = forked.page.figures();
    let get = |figure: &std::sync::atomic::AtomicU64| figure.load(Ordering::Relaxed);
    let in_ms = |figure: &std::sync::atomic::AtomicU64| get(figure) as f64 / 1e3;
    let (generate_ms, serialize_ms) = (in_ms(&figures.generate_us), in_ms(&figures.serialize_us));
    let node_count = Some(get(&figures.nodes));
    let child_peak = get(&figures.resident_peak);
    let taken = child_peak.saturating_sub(get(&figures.resident_at_first)) + forked.heap.total();
    if !forked.on_disk {
        forked.learn(taken);
    }
    let disk = forked.disk_taken();
    let spool = forked.request.spool;
    let mut fd = None;
    if let Some(opened) = forked.opened.take() {
        if spool {
            use std::os::fd::IntoRawFd;
            fd = Some(opened.into_file().into_raw_fd());
        } else {
            opened.published_elsewhere();
        }
    }
    CaptureResult {
        file: (!spool).then_some(done.path),
        bytes: done.bytes,
        raw_bytes: done.raw_bytes,
        compress: forked.request.compress,
        redacted: forked.request.redact.is_some(),
        pause_ms: forked.pause_ms,
        generate_ms,
        serialize_ms,
        duration_ms: milliseconds(forked.begun),
        mode: "fork",
        mode_reason: None,
        fork: Some(ForkFigures {
            attempts: forked.attempts,
            failed_attempts: forked.failures,
            prepare_ms: forked.prepare_ms,
            pause_parts: forked.parts,
            child_pid: forked.child.unwrap_or(0),
            memory: ForkMemory {
                estimate: forked.estimate,
                room: forked.room.as_ref().map(|room| room.left),
                taken,
                child_peak,
                disk,
            },
            thaw: forked.thaw,
        }),
        engine: "v8",
        engine_reason: None,
        object_ids: "cleared",
        object_ids_reason: Some("they were given in the forked child, and went with it"),
        node_count,
        pid: std::process::id(),
        thread_id: target.thread_id,
        is_main_thread: target.is_main,
        start_time: forked.time.to_rfc3339_opts(SecondsFormat::Millis, true),
        trigger: forked.request.trigger,
        fallback_dir: forked.fallback_dir,
        fd,
    }
}
