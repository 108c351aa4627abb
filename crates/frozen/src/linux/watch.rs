//! Watches a child until it has ended, and sees to it that it does.
//!
//! The parent never waits for any child but this one, by its id, and installs no handler. If somebody else in
//! the process reaps it (`waitpid(-1)`, `SIGCHLD` ignored), the shared page still tells how it ended.

use std::fs::File;
use std::io::Read;
use std::io::{Seek, SeekFrom};
use std::os::fd::{FromRawFd, OwnedFd};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde::Deserialize;
use stillheap_limits::{Stat, stat};
use stillheap_protocol::Failure;

use super::child::status;
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
struct Living {
    child: libc::pid_t,
    temporary: Option<PathBuf>,
    outlive: bool,
}

static LIVING: Mutex<Vec<Living>> = Mutex::new(Vec::new());

fn living() -> MutexGuard<'static, Vec<Living>> {
    LIVING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How a child ended.
pub enum Ending {
    Done(Done),
    /// What another child may do better.
    Again(Failure),
    Failed(Failure),
}

/// What a child says that has finished.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Done {
    pub path: PathBuf,
    pub bytes: u64,
    pub raw_bytes: u64,
}

/// Why the parent ended a child.
enum Verdict {
    Cancelled,
    TimeLimit(Duration),
    Stuck,
    Spinning,
    Memory(String),
}

/// At exit: children that shall not outlive the process end with it. Says how many.
pub fn end_all() -> usize {
    let living = living();
    let ended = living.iter().filter(|living| !living.outlive);
    let mut count = 0;
    for Living { child, temporary, .. } in ended {
        kill(*child);
        if let Some(temporary) = temporary {
            let _ = std::fs::remove_file(temporary);
        }
        count += 1;
    }
    count
}

fn kill(child: libc::pid_t) {
    // SAFETY: the child is on the list, so it hasn't been reaped by us and its id is still its own.
    unsafe { libc::kill(child, libc::SIGKILL) };
}

/// Watches the child of `forked`. `tick` is called at each look.
pub fn watch(forked: &mut Forked, cancelled: &AtomicBool, mut tick: impl FnMut(&Forked)) -> Ending {
    let Some(child) = forked.child else {
        return Ending::Failed(Failure::own("ERR_STILLHEAP_INTERNAL", "there is no child"));
    };
    let temporary = forked.temporary().map(PathBuf::from);
    living().push(Living { child, temporary, outlive: forked.order.outlive });
    let handle = ProcessHandle::open(child);
    let limit = forked.order.time_limit.unwrap_or(TIME_LIMIT);
    let begun = Instant::now();
    let mut vital = Vital::new();
    let mut verdict = None;
    let exit = loop {
        handle.wait(INTERVAL);
        if let Some(exit) = reap(child) {
            break exit;
        }
        tick(forked);
        if verdict.is_some() {
            continue;
        }
        verdict = if cancelled.load(Ordering::Relaxed) {
            Some(Verdict::Cancelled)
        } else if begun.elapsed() > limit {
            Some(Verdict::TimeLimit(limit))
        } else if let Some(room) = forked.machine.room().filter(|room| room.left < RESERVE) {
            Some(Verdict::Memory(format!("{} MB were left in {}", room.left >> 20, room.whose())))
        } else {
            vital.look(child, forked)
        };
        if verdict.is_some() {
            kill(child);
        }
    };
    classify(forked, exit, verdict)
}

/// `pidfd`, where there are such: wakes up when the child ends.
struct ProcessHandle(Option<OwnedFd>);

impl ProcessHandle {
    fn open(child: libc::pid_t) -> Self {
        // SAFETY: a system call that makes a descriptor, which is ours then.
        unsafe {
            let descriptor = libc::syscall(libc::SYS_pidfd_open, child, 0);
            Self((descriptor >= 0).then(|| OwnedFd::from_raw_fd(descriptor as i32)))
        }
    }

    fn wait(&self, timeout: Duration) {
        use std::os::fd::AsRawFd;
        match &self.0 {
            Some(descriptor) => {
                let mut poll = libc::pollfd { fd: descriptor.as_raw_fd(), events: libc::POLLIN, revents: 0 };
                // SAFETY: one valid entry.
                unsafe { libc::poll(&raw mut poll, 1, timeout.as_millis() as i32) };
            }
            None => std::thread::sleep(timeout),
        }
    }
}

#[derive(Clone, Copy)]
enum Exit {
    Code(i32),
    Signal(i32),
    /// Somebody else has reaped it.
    Unknown,
}

fn reap(child: libc::pid_t) -> Option<Exit> {
    let mut living = living();
    let mut status = 0;
    // SAFETY: waits for this one child of ours, and doesn't block.
    let answer = unsafe { libc::waitpid(child, &raw mut status, libc::WNOHANG) };
    let exit = match answer {
        0 => return None,
        -1 if std::io::Error::last_os_error().raw_os_error() == Some(libc::EINTR) => return None,
        -1 => Exit::Unknown,
        _ if libc::WIFEXITED(status) => Exit::Code(libc::WEXITSTATUS(status)),
        _ if libc::WIFSIGNALED(status) => Exit::Signal(libc::WTERMSIG(status)),
        // Stopped or traced: it lives.
        _ => return None,
    };
    living.retain(|living| living.child != child);
    Some(exit)
}

/// Whether the child does anything.
struct Vital {
    looked: Instant,
    last: Option<Stat>,
    still_since: Instant,
    beat: u64,
    ticks_at_beat: u64,
}

impl Vital {
    fn new() -> Self {
        let now = Instant::now();
        Self { looked: now, last: None, still_since: now, beat: 0, ticks_at_beat: 0 }
    }

    fn look(&mut self, child: libc::pid_t, forked: &Forked) -> Option<Verdict> {
        if self.looked.elapsed() < STAT_INTERVAL {
            return None;
        }
        self.looked = Instant::now();
        let now = stat(&std::fs::read_to_string(format!("/proc/{child}/stat")).ok()?)?;
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
            return Some(Verdict::Stuck);
        }
        (now.ticks.saturating_sub(self.ticks_at_beat) > SPINNING_TICKS).then_some(Verdict::Spinning)
    }
}

fn classify(forked: &mut Forked, exit: Exit, verdict: Option<Verdict>) -> Ending {
    if let Some(text) = forked.page.last_word() {
        return last_word(&text);
    }
    fn own(code: &str, message: impl Into<String>) -> Failure {
        Failure::own(code, message)
    }
    match verdict {
        Some(Verdict::Cancelled) => {
            return Ending::Failed(own(
                "ERR_STILLHEAP_ABORTED",
                "the capture was aborted; nothing was written",
            ));
        }
        Some(Verdict::TimeLimit(limit)) => {
            return Ending::Failed(own(
                "ERR_STILLHEAP_TIME_LIMIT",
                format!(
                    "the forked child was ended because it exceeded the time limit of {} s; nothing was written",
                    limit.as_secs_f64()
                ),
            ));
        }
        Some(Verdict::Memory(left)) => {
            return Ending::Failed(own(
                "ERR_STILLHEAP_MEMORY",
                format!(
                    "the forked child was ended before memory ran out: {left}; nothing was written, and the service \
                     goes on"
                ),
            ));
        }
        Some(Verdict::Stuck) => {
            return Ending::Again(own(
                "ERR_STILLHEAP_STUCK",
                "the forked child made no progress and was ended; nothing was written",
            ));
        }
        Some(Verdict::Spinning) => {
            return Ending::Failed(own(
                "ERR_STILLHEAP_STUCK",
                "the forked child used the CPU without making progress and was ended; nothing was written",
            ));
        }
        None => {}
    }
    let said = said(&mut forked.log);
    match exit {
        Exit::Code(code @ (status::WAITED | status::LOCKED)) => Ending::Again(own(
            "ERR_STILLHEAP_DEADLOCK",
            match code {
                status::WAITED => {
                    "the forked child would have waited for another thread; nothing was written"
                }
                _ => {
                    "the forked child needed a lock that another thread held at the fork; nothing was written"
                }
            },
        )),
        Exit::Signal(libc::SIGKILL) => Ending::Failed(own(
            "ERR_STILLHEAP_MEMORY",
            "the forked child was killed, most likely by the system for lack of memory; nothing was written, \
             and the service goes on",
        )),
        Exit::Code(status::TERMINATED) | Exit::Signal(libc::SIGTERM | libc::SIGINT | libc::SIGHUP) => {
            Ending::Failed(own(
                "ERR_STILLHEAP_TERMINATED",
                "the forked child was told to end by a signal; nothing was written",
            ))
        }
        Exit::Signal(_) | Exit::Code(_) if said.contains("out of memory") => Ending::Failed(own(
            "ERR_STILLHEAP_MEMORY",
            format!("V8 ran out of memory in the forked child: {said}; nothing was written"),
        )),
        Exit::Signal(signal) => Ending::Again(own(
            "ERR_STILLHEAP_CRASH",
            format!("the forked child ended by signal {signal}; nothing was written{}", quote(&said)),
        )),
        Exit::Code(code) => Ending::Again(own(
            "ERR_STILLHEAP_CRASH",
            format!("the forked child ended with status {code}; nothing was written{}", quote(&said)),
        )),
        Exit::Unknown => Ending::Again(own(
            "ERR_STILLHEAP_CRASH",
            "the forked child ended before its time, and somebody else has its status; nothing was written",
        )),
    }
}

fn last_word(text: &[u8]) -> Ending {
    #[derive(Deserialize)]
    struct Refused {
        error: Failure,
    }
    if let Ok(done) = serde_json::from_slice(text) {
        return Ending::Done(done);
    }
    match serde_json::from_slice::<Refused>(text) {
        Ok(refused) => Ending::Failed(refused.error),
        Err(error) => Ending::Failed(Failure::own(
            "ERR_STILLHEAP_INTERNAL",
            format!("the forked child's last word can't be read: {error}"),
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
