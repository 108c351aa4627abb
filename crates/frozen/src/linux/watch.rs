//! Watches a child until it has ended, and ends it if it doesn't by itself.
//!
//! The parent never waits for any child but this one, by its id, and installs no handler. If somebody else in
//! the process reaps it (`waitpid(-1)`, `SIGCHLD` ignored), the shared page still tells how it ended.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{
    Pid, PidfdFlags, Signal, WaitOptions, kill_process, pidfd_open, pidfd_send_signal, waitpid,
};
use serde::Deserialize;
use stillheap_limits::{Stat, stat_of};
use stillheap_protocol::Failure;

use super::leave::status;
use super::page::Stage;
use super::prepare::Forked;

/// How often the child is looked at.
const INTERVAL: Duration = Duration::from_millis(25);
/// How often its CPU time is.
const STAT_INTERVAL: Duration = Duration::from_millis(250);
/// A child that sleeps without using the CPU for so long is stuck: nobody will ever wake it.
const STUCK_AFTER: Duration = Duration::from_secs(3);
/// The same in a system call that writes: a slow network file system is not a deadlock.
const STUCK_IN_IO_AFTER: Duration = Duration::from_secs(120);
/// CPU time (in clock ticks of 1/100 s) without a sign of life: it runs in circles.
const SPINNING_TICKS: u64 = 300 * 100;
/// A child is ended before less than this is left.
const RESERVE: u64 = 32 << 20;
/// Time limit where none is asked for.
const TIME_LIMIT: Duration = Duration::from_secs(30 * 60);

/// A child that may be alive.
struct RunningChild {
    process: ChildProcess,
    temporary: Option<PathBuf>,
    outlive: bool,
}

static LIVING: Mutex<Vec<RunningChild>> = Mutex::new(Vec::new());
/// The process ends: children that shall not outlive it have been ended.
static ENDING: AtomicBool = AtomicBool::new(false);

fn living() -> MutexGuard<'static, Vec<RunningChild>> {
    LIVING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How a child ended.
pub enum Ending {
    /// The file is complete: [`Forked::finish`].
    Done,
    /// What another child may do better.
    Again(Failure),
    Failed(Failure),
}

/// Why the parent ended a child.
enum KillReason {
    Cancelled,
    TimeLimit(Duration),
    Stuck,
    Spinning,
    Memory(String),
}

/// The children of a process that ends: how many were ended, how many go on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ChildrenAtExit {
    /// Ended, with nothing written.
    pub ended: usize,
    /// They go on by themselves.
    pub outliving: usize,
}

/// At exit: children that shall not outlive the process end with it.
pub fn end_all() -> ChildrenAtExit {
    ENDING.store(true, Ordering::Relaxed);
    let mut left = ChildrenAtExit::default();
    for RunningChild { process, temporary, outlive } in living().iter() {
        if *outlive {
            left.outliving += 1;
            continue;
        }
        process.kill();
        if let Some(temporary) = temporary {
            let _ = std::fs::remove_file(temporary);
        }
        left.ended += 1;
    }
    left
}

/// A child of this process: by descriptor, so that its id can't have become another process's, or by id where the
/// kernel has no such descriptors (before 5.3).
#[derive(Clone)]
struct ChildProcess {
    pid: Pid,
    descriptor: Option<Arc<OwnedFd>>,
}

impl ChildProcess {
    fn of(child: libc::pid_t) -> Option<Self> {
        let pid = Pid::from_raw(child)?;
        let descriptor = pidfd_open(pid, PidfdFlags::empty()).ok().map(Arc::new);
        Some(Self { pid, descriptor })
    }

    fn kill(&self) {
        // It may have ended already.
        let _ = match &self.descriptor {
            Some(descriptor) => pidfd_send_signal(&**descriptor, Signal::KILL),
            None => kill_process(self.pid, Signal::KILL),
        };
    }

    /// Returns when it has ended, or later.
    fn wait(&self, timeout: Duration) {
        match &self.descriptor {
            Some(descriptor) => {
                let mut polled = [PollFd::new(&**descriptor, PollFlags::IN)];
                let timeout = Timespec { tv_sec: 0, tv_nsec: timeout.subsec_nanos().into() };
                let _ = poll(&mut polled, Some(&timeout));
            }
            None => std::thread::sleep(timeout),
        }
    }

    /// How it ended, if it has; takes that from the system.
    fn reap(&self) -> Option<Exit> {
        let mut living = living();
        let status = match waitpid(Some(self.pid), WaitOptions::NOHANG) {
            Ok(None) | Err(Errno::INTR) => return None,
            Ok(Some((_, status))) => Some(status),
            Err(_) => None,
        };
        let exit = match status {
            None => Exit::Unknown,
            Some(status) => match (status.exit_status(), status.terminating_signal()) {
                (Some(code), _) => Exit::Code(code),
                (_, Some(signal)) => Exit::Signal(signal),
                // Stopped or traced: it lives.
                _ => return None,
            },
        };
        living.retain(|living| living.process.pid != self.pid);
        Some(exit)
    }
}

/// Watches the child of `forked`. `tick` is called at each look.
pub fn watch(forked: &mut Forked, cancelled: &AtomicBool, mut tick: impl FnMut(&Forked)) -> Ending {
    let Some((child, process)) = forked.child.and_then(|child| Some((child, ChildProcess::of(child)?)))
    else {
        return Ending::Failed(Failure::own("ERR_STILLHEAP_INTERNAL", "there is no child"));
    };
    let temporary = forked.temporary().map(PathBuf::from);
    let outlive = forked.order.outlive;
    living().push(RunningChild { process: process.clone(), temporary, outlive });
    let limit = forked.order.time_limit.unwrap_or(TIME_LIMIT);
    let begun = Instant::now();
    let killed_before = forked.machine.out_of_memory_kills();
    let mut pulse = ChildActivity::new();
    let mut verdict = None;
    let exit = loop {
        process.wait(INTERVAL);
        if let Some(exit) = process.reap() {
            break exit;
        }
        tick(forked);
        if verdict.is_some() {
            continue;
        }
        verdict = if cancelled.load(Ordering::Relaxed) {
            Some(KillReason::Cancelled)
        } else if begun.elapsed() > limit {
            Some(KillReason::TimeLimit(limit))
        } else if let Some(room) = forked.machine.room().filter(|room| room.left < RESERVE) {
            Some(KillReason::Memory(format!("{} MB were left in {}", room.left >> 20, room.whose())))
        } else {
            pulse.look(child, forked)
        };
        if verdict.is_some() {
            process.kill();
        }
    };
    let out_of_memory = forked.machine.out_of_memory_kills() > killed_before;
    classify(forked, exit, verdict, out_of_memory)
}

#[derive(Clone, Copy)]
enum Exit {
    Code(i32),
    Signal(i32),
    /// Somebody else has reaped it.
    Unknown,
}

/// Whether the child does anything.
struct ChildActivity {
    looked: Instant,
    last: Option<Stat>,
    still_since: Instant,
    beat: u64,
    ticks_at_beat: u64,
}

impl ChildActivity {
    fn new() -> Self {
        let now = Instant::now();
        Self { looked: now, last: None, still_since: now, beat: 0, ticks_at_beat: 0 }
    }

    fn look(&mut self, child: libc::pid_t, forked: &Forked) -> Option<KillReason> {
        if self.looked.elapsed() < STAT_INTERVAL {
            return None;
        }
        self.looked = Instant::now();
        let now = stat_of(child.unsigned_abs())?;
        let figures = forked.page.figures();
        let (beat, in_io) =
            (figures.beat.load(Ordering::Relaxed), figures.in_io.load(Ordering::Relaxed) != 0);
        if beat != self.beat {
            (self.beat, self.ticks_at_beat) = (beat, now.ticks);
        }
        let still = now.state == b'S' && self.last.is_some_and(|last| last.ticks == now.ticks);
        self.last = Some(now);
        if !still {
            self.still_since = self.looked;
        }
        let patience = if in_io { STUCK_IN_IO_AFTER } else { STUCK_AFTER };
        if self.still_since.elapsed() > patience {
            return Some(KillReason::Stuck);
        }
        (now.ticks.saturating_sub(self.ticks_at_beat) > SPINNING_TICKS).then_some(KillReason::Spinning)
    }
}

fn own(code: &str, message: impl Into<String>) -> Failure {
    Failure::own(code, message)
}

fn classify(forked: &mut Forked, exit: Exit, verdict: Option<KillReason>, out_of_memory: bool) -> Ending {
    // A file that has its name is there, whatever was to happen, and however the child ended after that.
    if forked.order.outlive && forked.published().is_some() && forked.page.has_reached(Stage::Complete) {
        return Ending::Done;
    }
    if let Some(KillReason::Cancelled) = verdict {
        return Ending::Failed(own("ERR_STILLHEAP_ABORTED", "the capture was aborted; nothing was written"));
    }
    // What the child says it failed at comes before what it had completed by then.
    if let Some(text) = forked.page.last_word() {
        return last_word(&text);
    }
    if forked.page.has_reached(Stage::Complete) {
        return Ending::Done;
    }
    match verdict {
        Some(verdict) => ended_by_us(verdict),
        None => ended_by_itself(forked, exit, out_of_memory),
    }
}

fn ended_by_us(verdict: KillReason) -> Ending {
    match verdict {
        KillReason::Cancelled => {
            Ending::Failed(own("ERR_STILLHEAP_ABORTED", "the capture was aborted; nothing was written"))
        }
        KillReason::TimeLimit(limit) => Ending::Failed(own(
            "ERR_STILLHEAP_TIME_LIMIT",
            format!(
                "the forked child was ended because it exceeded the time limit of {} s; nothing was written",
                limit.as_secs_f64()
            ),
        )),
        KillReason::Memory(left) => Ending::Failed(own(
            "ERR_STILLHEAP_MEMORY",
            format!(
                "the forked child was ended before memory ran out: {left}; nothing was written, and the service \
                 goes on"
            ),
        )),
        KillReason::Stuck => Ending::Again(own(
            "ERR_STILLHEAP_STUCK",
            "the forked child made no progress and was ended; nothing was written",
        )),
        KillReason::Spinning => Ending::Failed(own(
            "ERR_STILLHEAP_STUCK",
            "the forked child used the CPU without making progress and was ended; nothing was written",
        )),
    }
}

fn ended_by_itself(forked: &mut Forked, exit: Exit, out_of_memory: bool) -> Ending {
    let said = said(&mut forked.log);
    let context = quote(&said) + &refused(forked);
    let crash = |how: &str| {
        Ending::Again(own(
            "ERR_STILLHEAP_CRASH",
            format!("the forked child {how}; nothing was written{context}"),
        ))
    };
    match exit {
        Exit::Signal(libc::SIGKILL) if ENDING.load(Ordering::Relaxed) => Ending::Failed(own(
            Failure::EXITING,
            "the process ended before the forked child had finished; nothing was written",
        )),
        Exit::Signal(libc::SIGKILL) if out_of_memory => Ending::Failed(own(
            "ERR_STILLHEAP_MEMORY",
            "the forked child was killed by the system for lack of memory; nothing was written",
        )),
        Exit::Signal(libc::SIGKILL) => Ending::Failed(own(
            "ERR_STILLHEAP_TERMINATED",
            "the forked child was killed (SIGKILL), and nothing says by whom: the system counts no kill for lack of \
             memory in that time; nothing was written",
        )),
        Exit::Code(status::TERMINATED) | Exit::Signal(libc::SIGTERM | libc::SIGINT | libc::SIGHUP) => {
            Ending::Failed(own(
                "ERR_STILLHEAP_TERMINATED",
                "the forked child was told to end by a signal; nothing was written",
            ))
        }
        Exit::Code(status::WAITED) => Ending::Again(own(
            "ERR_STILLHEAP_DEADLOCK",
            "the forked child would have waited for another thread; nothing was written",
        )),
        Exit::Code(status::LOCKED) => Ending::Again(own(
            "ERR_STILLHEAP_DEADLOCK",
            "the forked child needed a lock that another thread held at the fork; nothing was written",
        )),
        Exit::Code(status::SCRATCH_FULL) => {
            let full = std::io::Error::from_raw_os_error(libc::ENOSPC);
            let mut failure = Failure::system(&full, "write", &forked.order.directory);
            failure.message += "; the disk can't hold the working memory (scratch), so nothing was written";
            Ending::Failed(failure)
        }
        Exit::Code(status::INSISTED) => Ending::Again(own(
            "ERR_STILLHEAP_CONFINED",
            format!(
                "native code of the application kept trying {} in the forked child, where it is not allowed; nothing was \
                 written{context}",
                forked.page.last_refused()
            ),
        )),
        Exit::Code(status::SHARED) => Ending::Again(own(
            "ERR_STILLHEAP_CONFINED",
            format!(
                "native code of the application wrote to memory that the service shares with others, and that can't \
                 be copied; nothing was written{context}"
            ),
        )),
        Exit::Signal(_) | Exit::Code(_) if said.contains("out of memory") => Ending::Failed(own(
            "ERR_STILLHEAP_MEMORY",
            format!("V8 ran out of memory in the forked child: {said}; nothing was written"),
        )),
        Exit::Code(status::PANICKED) => crash("had an internal error of stillheap"),
        Exit::Signal(signal) => crash(&format!("ended by signal {signal}")),
        Exit::Code(code) => crash(&format!("ended with status {code}")),
        Exit::Unknown => crash("ended early, and other code of the process has its exit status"),
    }
}

/// What native code was refused before the child ended.
fn refused(forked: &Forked) -> String {
    let names: Vec<_> = forked.page.refused().into_iter().map(|(name, _)| name).collect();
    if names.is_empty() {
        return String::new();
    }
    format!("; native code in it had been refused {}", names.join(", "))
}

fn last_word(text: &[u8]) -> Ending {
    #[derive(Deserialize)]
    struct Refused {
        error: Failure,
    }
    match serde_json::from_slice::<Refused>(text) {
        Ok(refused) if refused.error.may_pass() => Ending::Again(refused.error),
        Ok(refused) => Ending::Failed(refused.error),
        Err(error) => Ending::Failed(own(
            "ERR_STILLHEAP_INTERNAL",
            format!("what the forked child failed at can't be read: {error}; nothing was written"),
        )),
    }
}

/// The first lines of what V8 said on stderr.
fn said(log: &mut File) -> String {
    let mut text = Vec::new();
    if log.seek(SeekFrom::Start(0)).is_ok() {
        let _ = log.take(4096).read_to_end(&mut text);
    }
    let text = String::from_utf8_lossy(&text);
    text.split(|c: char| c.is_control())
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#') && !line.starts_with("<---"))
        .take(3)
        .collect::<Vec<_>>()
        .join(" | ")
}

fn quote(said: &str) -> String {
    if said.is_empty() { String::new() } else { format!("; it said: {said}") }
}
