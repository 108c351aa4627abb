//! A signal asks for a snapshot.
//!
//! The handler (signal-hook's) only writes a byte into a socket. The signal thread reads it and asks the
//! isolate in two ways, of which the first to be served wins: a V8 interrupt, which runs as soon as
//! JavaScript checks its stack guard, even in `while (true) {}`; and a call through the event loop, which
//! wakes one that idles. The same thread then waits for the file, so that the service doesn't.
//!
//! Signals that arrive while a capture runs leave one request behind, however many they are.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use stillheap_control::Phase;
use stillheap_protocol::{CaptureResult, Failure, Fallback, Mode, Trigger, outcome_json};

use crate::capture::{Capture, Finishing};
use crate::fault;
use crate::fork;
use crate::isolates::{self, SignalCapture, Target};
use crate::outstanding::Outstanding;
use crate::report;
use crate::status;
use crate::sync::lock;
use crate::sys::{Delivery, deliver_elsewhere, spawn_quiet};

/// Whether the signal is for all isolates rather than for the main thread.
static ALL_THREADS: AtomicBool = AtomicBool::new(false);

enum Command {
    Install {
        signal: i32,
        reply: SyncSender<Result<(), String>>,
    },
    Uninstall {
        reply: SyncSender<()>,
    },
    Finish(Box<SignalJob>),
    Deliver(u64),
    /// Serve the signals that have arrived, and say so.
    Flush {
        reply: SyncSender<()>,
    },
}

/// A signal's capture whose part on the JavaScript thread is over.
struct SignalJob {
    target: Arc<Target>,
    capture: SignalCapture,
    finishing: Result<Finishing, Failure>,
    quiet: bool,
    outstanding: Outstanding,
}

/// The handler was installed or removed since the process began.
static SETTLED: AtomicBool = AtomicBool::new(false);

/// Installs the handler, or moves it to another signal. An `automatic` installation only counts if it is the
/// first thing that happens to the handler in this process.
pub fn install(signal: i32, all_threads: bool, automatic: bool) -> Result<(), String> {
    if SETTLED.swap(true, Ordering::AcqRel) && automatic {
        return Ok(());
    }
    ALL_THREADS.store(all_threads, Ordering::Relaxed);
    let (reply, answer) = sync_channel(1);
    thread::post(Command::Install { signal, reply })?;
    answer.recv().map_err(|_| "the signal thread has ended".to_owned())?
}

/// Removes the handler: the signal does again what it would do without us.
pub fn uninstall() {
    SETTLED.store(true, Ordering::Release);
    if !thread::is_running() {
        return;
    }
    let (reply, answer) = sync_channel(1);
    if thread::post(Command::Uninstall { reply }).is_ok() {
        let _ = answer.recv();
    }
}

/// Asks this copy's isolates; says how many were asked.
pub fn deliver_here(request: Delivery) -> u32 {
    let mut delivered = 0;
    isolates::for_each(|target| {
        let wanted = match request {
            Delivery::Main => target.is_main,
            Delivery::All => true,
            Delivery::Any => delivered == 0,
        };
        if wanted {
            ask(target);
            delivered += 1;
        }
    });
    delivered
}

/// Asks one isolate. Only under the list's lock.
fn ask(target: &Arc<Target>) {
    target.set_pending();
    if target.defaults().mode == Mode::Inline || fork_obstacle(target).is_some() {
        target.interrupt(run_pending);
    } else {
        begin_fork(target);
    }
}

/// Why a signal's capture of this isolate can't be forked.
fn fork_obstacle(target: &Target) -> Option<String> {
    target.engine_reason().or_else(fork::unsupported).or_else(|| {
        target
            .defaults()
            .keep_object_ids
            .then(|| "keepObjectIds was asked for, and a forked child's ids are lost with it".to_owned())
    })
}

/// Serves a signal's request by a forked capture, if there still is one.
fn begin_fork(target: &Arc<Target>) {
    let Some(capture) = target.enter_signal() else { return };
    if !target.take_pending() {
        return;
    }
    target.progress(Trigger::Signal, Phase::Waiting, 0, 0);
    let request = target.defaults();
    let (quiet, fallback) = (request.quiet, request.fallback);
    let ended =
        move |target: &Arc<Target>, _: &fork::CaptureHandle, outcome: Result<CaptureResult, Failure>| {
            drop(capture);
            match outcome {
                Err(failure) if fallback == Fallback::Inline && fork::may_fall_back(&failure) => {
                    target.fall_back(failure.message);
                    target.set_pending();
                    call(target.id);
                }
                outcome => {
                    publish(target, &outcome_json(&outcome), quiet);
                    redeliver(target);
                }
            }
        };
    if let Err(failure) = fork::begin(Arc::clone(target), request, call, ended) {
        publish(target, &outcome_json::<()>(&Err(failure)), quiet);
    }
}

/// Calls an isolate's thread.
pub fn call(id: u64) {
    isolates::for_each(|target| {
        if target.id == id {
            target.interrupt(run_pending);
        }
    });
}

/// Forks for the captures that wait for it; on the isolate's thread.
fn serve_jobs(target: &Target) {
    while target.has_job() {
        // A capture that is between its steps calls again when it ends.
        let Some(_entered) = target.entered() else { return };
        if let Some(job) = target.take_job() {
            job.run(target);
        }
    }
}

/// Serves an isolate's request, if there still is one; on the isolate's thread.
pub fn run_pending(id: u64) {
    let Some(target) = isolates::find(id) else { return };
    serve_jobs(&target);
    // A capture that is under way asks again when it ends.
    let inline =
        target.defaults().mode == Mode::Inline || target.falls_back() || fork_obstacle(&target).is_some();
    if !inline || target.engine_reason().is_some() || !target.is_pending() {
        return;
    }
    let Some(capture) = target.enter_signal() else { return };
    let Some(entered) = target.entered() else { return };
    if !target.take_pending() {
        return;
    }
    let outstanding = Outstanding::new();
    let mut request = target.defaults();
    if request.mode != Mode::Inline {
        request.mode_reason = target.take_fall_back().or_else(|| fork_obstacle(&target));
    }
    let quiet = request.quiet;
    let attempt = catch_unwind(AssertUnwindSafe(|| {
        target.progress(Trigger::Signal, Phase::Generating, 0, 0);
        let mut capture = Capture::open(request, &target)?;
        let taken = capture.generate(&target).and_then(|()| capture.serialize(&target));
        match taken {
            Ok(()) => Ok(capture.into_finishing(&target)),
            Err(failure) => {
                capture.discard(&target);
                Err(failure)
            }
        }
    }));
    drop(entered);
    let finishing = attempt.unwrap_or_else(|_| {
        Err(Failure::own("ERR_STILLHEAP_INTERNAL", "the capture stopped unexpectedly; nothing was written"))
    });
    let job = SignalJob { target: Arc::clone(&target), capture, finishing, quiet, outstanding };
    // Where the thread can't be had, the signal did not come from it either.
    let _ = thread::post(Command::Finish(Box::new(job)));
}

/// Asks again for what came while a capture was under way; after it has ended.
pub fn redeliver(target: &Target) {
    if target.is_pending() || target.has_job() {
        let _ = thread::post(Command::Deliver(target.id));
    }
}

/// Makes a signal's outcome known: to the status page, and to the listeners in JavaScript or else on stderr.
/// It is one or the other: a listener that comes after the line was printed belongs to the next capture.
pub fn publish(target: &Target, outcome: &serde_json::Value, quiet: bool) {
    status::ended(outcome.clone(), target.is_pending());
    let listened = !target.has_ended()
        && match outcome.get("error") {
            Some(_) => target.listens_to_error(),
            None => target.listens_to_snapshot(),
        };
    if listened {
        target.notify("outcome", outcome.to_string());
    } else if !quiet {
        report::print(&report::line(outcome));
    }
}

/// An isolate has gone: tells the loss of a signal's request that nobody has served.
pub fn give_up(target: &Target) {
    QUIET_AT_END.store(target.defaults().quiet, Ordering::Relaxed);
    if target.take_pending() {
        let what = if isolates::are_closed() { "process" } else { "thread" };
        tell_lost(&format!(
            "the signal came shortly before the {what} ended, and its heap could not be captured any more"
        ));
    }
}

/// Serves the signals that have arrived until now; at exit, when no isolate is left: they are told to be lost.
pub fn take_last() {
    if !thread::is_running() {
        return;
    }
    let (reply, answer) = sync_channel(1);
    if thread::post(Command::Flush { reply }).is_ok() {
        let _ = answer.recv_timeout(LAST_SIGNALS);
    }
}

/// How long the signal thread may take for that.
const LAST_SIGNALS: Duration = Duration::from_secs(1);

/// Whether the isolate that went last wanted no lines on stderr.
static QUIET_AT_END: AtomicBool = AtomicBool::new(false);

/// A signal's request is served by nobody: to the status page and on stderr, since no JavaScript will run.
fn tell_lost(why: &str) {
    let outcome = outcome_json::<()>(&Err(Failure::own(Failure::EXITING, why)));
    status::ended(outcome.clone(), false);
    if !QUIET_AT_END.load(Ordering::Relaxed) {
        report::print(&report::line(&outcome));
    }
}

fn finish(job: SignalJob) {
    let SignalJob { target, capture, finishing, quiet, outstanding } = job;
    target.progress(Trigger::Signal, Phase::Writing, 0, 0);
    let outcome = fault::caught(Err(fault::internal()), || {
        fault::hit(fault::PanicPoint::Finish);
        finishing.and_then(Finishing::finish)
    });
    let outcome = outcome_json(&outcome);
    drop(capture);
    publish(&target, &outcome, quiet);
    // At exit this is waited for: what was written is told.
    drop(outstanding);
    redeliver(&target);
}

/// Finishes on a thread of its own: `stop` and `configure` wait for the signal's thread, and must not wait for the
/// sync of a file.
fn finish_elsewhere(job: Box<SignalJob>) {
    let shared = Arc::new(Mutex::new(Some(job)));
    let theirs = Arc::clone(&shared);
    let take = |shared: &Mutex<Option<Box<SignalJob>>>| lock(shared).take();
    let begun = spawn_quiet("stillheap-file", move || {
        if let Some(job) = take(&theirs) {
            finish(*job);
        }
    });
    // At the limit of threads none can be started: then it is done here.
    if begun.is_err()
        && let Some(job) = take(&shared)
    {
        finish(*job);
    }
}

fn arrived(count: u64) {
    status::signals_arrived(count);
    let asked = if ALL_THREADS.load(Ordering::Relaxed) {
        deliver_here(Delivery::All) + deliver_elsewhere(Delivery::All) > 0
    } else {
        deliver_here(Delivery::Main) > 0
            || deliver_elsewhere(Delivery::Main) > 0
            || deliver_here(Delivery::Any) > 0
            || deliver_elsewhere(Delivery::Any) > 0
    };
    if !asked {
        tell_lost("the signal came while the process ended, when no heap was left to capture");
    }
}

#[cfg(unix)]
mod thread {
    //! The thread, and the socket that wakes it.

    use std::io::{Read, Write};
    use std::os::unix::net::UnixStream;

    use signal_hook::SigId;
    use signal_hook::low_level::{pipe, unregister};

    use super::*;
    use crate::sys::{Copies, Disposition, SignalWatcher, spawn_quiet};

    /// What signal-hook's handler writes.
    const SIGNAL: u8 = b'X';
    const COMMAND: u8 = b'C';

    struct Handle {
        commands: Mutex<VecDeque<Command>>,
        wake: UnixStream,
    }

    static HANDLE: OnceLock<Result<Handle, String>> = OnceLock::new();

    pub fn is_running() -> bool {
        HANDLE.get().is_some()
    }

    pub fn post(command: Command) -> Result<(), String> {
        let handle = HANDLE.get_or_init(|| start().map_err(|error| error.to_string())).as_ref();
        let handle = handle.map_err(|error| format!("the signal thread could not be started: {error}"))?;
        lock(&handle.commands).push_back(command);
        // When the socket is full, the thread has enough to wake up for.
        let _ = (&handle.wake).write(&[COMMAND]);
        Ok(())
    }

    fn start() -> io::Result<Handle> {
        let (receiver, wake) = UnixStream::pair()?;
        wake.set_nonblocking(true)?;
        let for_signals = wake.try_clone()?;
        spawn_quiet("stillheap", move || {
            let last = receiver.try_clone().ok();
            let mut handler = Handler {
                keeper: SignalWatcher::new(),
                wake: for_signals,
                last,
                active: None,
                ours: HashMap::new(),
            };
            // Ends only with the process: the sending end is never closed.
            while let Ok(signals) = wait(&receiver) {
                let handled = catch_unwind(AssertUnwindSafe(|| handler.turn(signals)));
                if handled.is_err() {
                    report::print("stillheap: an internal error was caught; signals are still served");
                }
            }
        })?;
        Ok(Handle { commands: Mutex::new(VecDeque::new()), wake })
    }

    /// Waits for something to do; says how many signals came.
    fn wait(mut receiver: &UnixStream) -> io::Result<u64> {
        let mut bytes = [0; 256];
        loop {
            match receiver.read(&mut bytes) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(count) => {
                    return Ok(bytes[..count].iter().filter(|byte| **byte == SIGNAL).count() as u64);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// How many signals have come that nobody has read, without waiting. Commands need no byte here: their queue is
    /// looked at until it is empty.
    fn arrived_already(mut receiver: &UnixStream) -> u64 {
        let mut signals = 0;
        let mut bytes = [0; 256];
        let _ = receiver.set_nonblocking(true);
        while let Ok(count @ 1..) = receiver.read(&mut bytes) {
            signals += bytes[..count].iter().filter(|byte| **byte == SIGNAL).count() as u64;
        }
        let _ = receiver.set_nonblocking(false);
        signals
    }

    struct Handler {
        keeper: Option<SignalWatcher>,
        wake: UnixStream,
        /// The end that is read, for what is there already.
        last: Option<UnixStream>,
        active: Option<Active>,
        /// signal-hook installs its handler once per signal and leaves it there; this is it.
        ours: HashMap<i32, Disposition>,
    }

    struct Active {
        signal: i32,
        registration: SigId,
        /// What held before we touched the signal: for SIGUSR1, the inspector's handler.
        original: Disposition,
        /// What held right before our handler: libuv's handler, where there is libuv.
        before: Disposition,
    }

    impl Handler {
        fn turn(&mut self, signals: u64) {
            if signals > 0 {
                if let Some(keeper) = &self.keeper {
                    keeper.drain();
                }
                arrived(signals);
            }
            loop {
                let Some(Ok(handle)) = HANDLE.get() else { return };
                let Some(command) = lock(&handle.commands).pop_front() else { return };
                match command {
                    Command::Install { signal, reply } => {
                        let _ = reply.send(self.install(signal));
                    }
                    Command::Uninstall { reply } => {
                        self.uninstall();
                        let _ = reply.send(());
                    }
                    Command::Finish(job) => finish_elsewhere(job),
                    Command::Flush { reply } => {
                        let signals = self.last.as_ref().map_or(0, arrived_already);
                        if signals > 0 {
                            arrived(signals);
                        }
                        let _ = reply.send(());
                    }
                    Command::Deliver(id) => isolates::for_each(|target| {
                        if target.id == id && target.has_job() {
                            target.interrupt(run_pending);
                        }
                        if target.id == id && target.is_pending() {
                            ask(target);
                        }
                    }),
                }
            }
        }

        fn install(&mut self, signal: i32) -> Result<(), String> {
            if self.active.as_ref().is_some_and(|active| active.signal == signal) {
                return Ok(());
            }
            self.uninstall();
            if !Copies::find(deliver_here).claim() {
                return Err("another copy of stillheap in this process handles the signal".to_owned());
            }
            let installed = self.register(signal);
            match installed {
                Ok(active) => {
                    self.active = Some(active);
                    status::signal(Some(signal));
                    Ok(())
                }
                Err(error) => {
                    self.release();
                    Err(format!("signal {signal} can't be handled: {error}"))
                }
            }
        }

        fn register(&mut self, signal: i32) -> io::Result<Active> {
            let original = Disposition::current(signal)?;
            // libuv first: see sys::keeper.
            if let Some(keeper) = &self.keeper {
                keeper.hold(signal);
            }
            let before = Disposition::current(signal)?;
            let registration = pipe::register(signal, self.wake.try_clone()?)?;
            match self.ours.get(&signal) {
                None => {
                    self.ours.insert(signal, Disposition::current(signal)?);
                }
                Some(ours) => ours.restore(signal)?,
            }
            Ok(Active { signal, registration, original, before })
        }

        fn uninstall(&mut self) {
            let Some(active) = self.active.take() else { return };
            unregister(active.registration);
            self.release();
            // libuv has reset the signal if nobody else watches it. If somebody does, our handler still
            // stands in front of libuv's.
            let ours = self.ours.get(&active.signal);
            if let (Some(ours), Ok(now)) = (ours, Disposition::current(active.signal)) {
                if now.same_handler(ours) {
                    let _ = active.before.restore(active.signal);
                } else if !now.same_handler(&active.before) && !active.original.same_handler(&active.before) {
                    // Neither libuv's nor ours: the runtime's own handler goes back to its place.
                    let _ = active.original.restore(active.signal);
                }
            }
            status::signal(None);
        }

        fn release(&self) {
            if let Some(keeper) = &self.keeper {
                keeper.release();
            }
            Copies::find(deliver_here).release();
        }
    }
}

#[cfg(not(unix))]
mod thread {
    //! There are no such signals here.

    use super::*;

    pub fn is_running() -> bool {
        false
    }

    pub fn post(_command: Command) -> Result<(), String> {
        Err("this system has no signals that ask for a snapshot; use capture() or writeSnapshot()".to_owned())
    }
}
