//! The sequence: see the crate's documentation.

use std::fs::{self, File};
use std::marker::PhantomData;
use std::os::unix::fs::FileExt;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::prctl;
use stillheap_limits::{maps, smaps};

use crate::error::{Kind, Refusal, Result};
use crate::linux::blob::{self, Call};
use crate::linux::filters::{self, Answer};
use crate::linux::follow::Follower;
use crate::linux::inject::{self, Donor, Progress};
use crate::linux::slack::{self, CodeSlot, Use};
use crate::linux::threads::{Event, Threads, end_with_us, kill_copy};
use crate::linux::{Options, Pause, Registers, Target, leftovers, proc, ranges};

/// Attempts at what didn't work out in time.
const ATTEMPTS: u32 = 3;
/// Between two attempts.
const REST: Duration = Duration::from_millis(100);
/// A donor that is late, with nothing stopped but itself, is waited for so long.
const LATE: Duration = Duration::from_secs(20);
/// The marks of V8's memory are restored within this time, unless the donor gets no processor. The process is let go then:
/// a program that it starts before they are costs it more, no more than that.
const RESTORING: Duration = Duration::from_millis(50);
/// Stopping alone may take so long.
const STOPPING: Duration = Duration::from_millis(300);

const CLONE: u64 = (libc::CLONE_FILES | libc::CLONE_FS | libc::CLONE_SYSVSEM) as u64 | 0x8000_0000 /* CLONE_IO */;

/// A process whose threads are all stopped. It stands still as long as this is in use, so be quick.
pub struct Stopped<'t> {
    target: &'t Target,
    memory: &'t File,
    registers: &'t [Registers],
    until: Instant,
}

impl Stopped<'_> {
    /// All threads' registers, the main thread's first.
    pub fn registers(&self) -> &[Registers] {
        self.registers
    }

    pub fn target(&self) -> &Target {
        self.target
    }

    /// Reads from an address as far as there is memory, and says how much.
    pub fn read(&self, address: u64, into: &mut [u8]) -> usize {
        self.memory.read_at(into, address).unwrap_or(0)
    }

    /// Whether the time is up: then whatever is missing is better left missing.
    pub fn is_late(&self) -> bool {
        Instant::now() >= self.until
    }
}

/// A copy of a process that stands still. Dropping it ends it.
///
/// It belongs to the thread that made it: the kernel lets only that thread watch over it.
pub struct Frozen {
    target: Target,
    copy: i32,
    registers: Vec<Registers>,
    pause: Pause,
    /// Where the blobs go.
    places: u64,
    follower: Option<Follower>,
    ended: bool,
    thread: PhantomData<*const ()>,
}

/// How a copy went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ended {
    /// Whether the process has reaped it. Else it has a zombie, which the next run takes away.
    pub reaped: bool,
}

impl Frozen {
    /// The process id of the copy.
    pub fn copy(&self) -> u32 {
        self.copy.unsigned_abs()
    }

    /// The threads' registers at the moment of the copy, the main thread's first.
    pub fn registers(&self) -> &[Registers] {
        &self.registers
    }

    /// How long the process stood still.
    pub fn pause(&self) -> Pause {
        self.pause
    }

    /// Whether the copy still stands. What was read before is of one moment then. Of a copy that has ended, the rest was
    /// read as zeros.
    ///
    /// # Errors
    /// It has ended, and what is known of why.
    pub fn check(&self) -> Result<()> {
        // It is stopped and traced from its first instruction on.
        if proc::stat(self.copy, 3).as_deref() == Some("t") {
            return Ok(());
        }
        let pid = self.target.pid;
        Err(if self.target.is_there() {
            Refusal::new(
                Kind::NoRoom,
                format!(
                    "the copy of process {pid} was ended while it was read, as the kernel does first when memory gets short; \
                     the process goes on, and nothing was kept"
                ),
            )
        } else {
            Refusal::new(
                Kind::Gone,
                format!(
                    "process {pid} ended, or became another program (execve), while its copy was read; nothing was kept"
                ),
            )
        })
    }

    /// Ends the copy and has it reaped.
    pub fn end(mut self) -> Ended {
        self.finish()
    }

    fn finish(&mut self) -> Ended {
        self.ended = true;
        self.follower = None;
        let inner = proc::inner_id(self.copy);
        kill_copy(self.copy);
        let is_there = || proc::stat(self.copy, 3).is_some();
        for attempt in 0..ATTEMPTS {
            if !is_there() || !self.target.is_there() {
                break;
            }
            if attempt > 0 {
                std::thread::sleep(REST);
            }
            // What doesn't work out leaves a zombie, which is harmless.
            let _ = inner.map(|inner| reap(&self.target, self.places, inner));
        }
        Ended { reaped: !is_there() || !self.target.is_there() }
    }
}

impl Drop for Frozen {
    fn drop(&mut self) {
        if !self.ended {
            self.finish();
        }
    }
}

fn memory(target: &Target) -> Result<File> {
    File::options()
        .read(true)
        .write(true)
        .open(format!("/proc/{}/mem", target.pid))
        .map_err(|_| target.not_allowed())
}

fn text(target: &Target, name: &str) -> Result<Vec<u8>> {
    fs::read(format!("/proc/{}/{name}", target.pid)).map_err(|_| target.not_allowed())
}

/// Sleeping in microseconds needs timers that keep to them.
struct Precise;

impl Precise {
    fn new() -> Precise {
        let _ = prctl::set_timerslack(1);
        Precise
    }
}

impl Drop for Precise {
    fn drop(&mut self) {
        // 0: the default again.
        let _ = prctl::set_timerslack(0);
    }
}

fn attempts<T>(target: &Target, mut attempt: impl FnMut() -> Result<T>) -> Result<T> {
    let _precise = Precise::new();
    let mut tries = 1;
    loop {
        match attempt() {
            Err(refusal) if refusal.kind == Kind::Busy && tries < ATTEMPTS && target.is_there() => {
                tries += 1;
                std::thread::sleep(REST);
            }
            // Of a process that is ending, anything may fail.
            Err(_) if !target.is_there() => return Err(target.ended()),
            done => return done,
        }
    }
}

fn all_registers(target: &Target, threads: &Threads) -> Result<Vec<Registers>> {
    let mut all = Vec::new();
    for id in threads.stopped() {
        let r = threads.registers(id)?;
        all.push(Registers {
            thread: id.unsigned_abs(),
            instruction: r.rip,
            stack: r.rsp,
            frame: r.rbp,
            // -1 outside of a call.
            call: (r.orig_rax as i64 >= 0).then_some(r.orig_rax),
        });
    }
    all.sort_by_key(|r| (r.thread != target.pid(), r.thread));
    Ok(all)
}

/// Stops a process, runs `look`, and lets it go.
///
/// # Errors
/// It can't be stopped, or `look` says so.
pub fn stop<T>(
    target: &Target,
    options: &Options,
    mut look: impl FnMut(&Stopped<'_>) -> Result<T>,
) -> Result<(T, Pause)> {
    attempts(target, || {
        let _turn = target.turn()?;
        let memory = memory(target)?;
        let mut threads = Threads::new(target.pid);
        let begun = Instant::now();
        let (first, since) =
            threads.stop_all(begun + STOPPING.min(options.limit), |errno| target.refused(errno))?;
        let stopped_at = Instant::now();
        let registers = all_registers(target, &threads)?;
        let found =
            look(&Stopped { target, memory: &memory, registers: &registers, until: since + options.limit });
        threads.let_go(|id| id == target.pid);
        let total = since.elapsed();
        threads.let_go(|_| true);
        let pause =
            Pause { total, stopping: stopped_at - since, helpers: first.elapsed(), ..Pause::default() };
        Ok((found?, pause))
    })
}

/// Makes a copy of a process that stands still. What it can't do in time it does not do. `fit` may look at the stopped
/// process and refuse the moment; of kind [`Kind::Busy`], there is another attempt.
///
/// # Errors
/// Why not; the process goes on.
pub fn freeze(
    target: &Target,
    options: &Options,
    mut fit: impl FnMut(&Stopped<'_>) -> Result<()>,
) -> Result<Frozen> {
    attempts(target, || try_to_freeze(target, options, &mut fit))
}

fn try_to_freeze(
    target: &Target,
    options: &Options,
    fit: &mut dyn FnMut(&Stopped<'_>) -> Result<()>,
) -> Result<Frozen> {
    let _turn = target.turn()?;
    let marks = smaps(&text(target, "smaps")?);
    let memory = memory(target)?;
    let places = slack::find(&marks, &memory)?;
    let dead = leftovers::dead_copies(target.pid);
    let idle = inject::idle(target.pid);
    fault("before");

    let mut threads = Threads::new(target.pid);
    let begun = Instant::now();
    let (first, since) =
        threads.stop_all(begun + STOPPING.min(options.limit), |errno| target.refused(errno))?;
    let stopped_at = Instant::now();
    let until = since + options.limit;
    fault("stopped");
    let registers = all_registers(target, &threads)?;
    fit(&Stopped { target, memory: &memory, registers: &registers, until })?;
    let now = maps(&text(target, "maps")?);
    let ranges = ranges::marked(&marks, &now);
    let donor = inject::choose(target.pid, &idle, &threads, &memory)?;
    let place = slack::claim(Use::Forking, places, &memory, &threads, true)?;
    let reaping = slack::claim(Use::Reaping, places, &memory, &threads, true)?;
    reaping.give_back(&memory);
    let calls: Vec<Call> = std::iter::once([libc::SYS_clone as u64, CLONE, 0, 0, 0])
        .chain(dead.into_iter().map(leftovers::reap))
        .collect();
    check_filters(target, options, &donor, place.address, &ranges, &calls)?;
    fault("written");
    donor.send(&mut threads, &memory, place, &ranges, &calls)?;
    fault("sent");

    let child = match donor.await_child(target.pid, &mut threads, until)? {
        Progress::Child(child) => child,
        Progress::Back => {
            let result = donor.result(&memory).unwrap_or(0);
            return Err(refused_to_clone(target, result));
        }
        Progress::OnItsWay => return Err(too_late(target, options, &donor, place, threads)),
    };
    let forked_at = Instant::now();
    fault("forked");
    let is_back = donor.await_left(target.pid, &mut threads, place, until.min(forked_at + RESTORING))?;
    let back_at = Instant::now();
    fault("back");
    threads.let_go(|id| id == target.pid);
    let total = since.elapsed();
    fault("main-gone");
    threads.let_go(|id| id != donor.id);
    let helpers = first.elapsed();
    await_first_stop(child)?;
    end_with_us(child).map_err(|e| Refusal::new(Kind::Busy, format!("the copy is lost: {}", e.desc())))?;
    let follower = Follower::new(target.clone(), child)?;
    // It is ended by whatever goes wrong from here on.
    threads.take_child();
    let frozen = Frozen {
        target: target.clone(),
        copy: child,
        registers,
        pause: Pause {
            total,
            stopping: stopped_at - since,
            forking: forked_at - stopped_at,
            restoring: back_at - forked_at,
            helpers,
        },
        places,
        follower: Some(follower),
        ended: false,
        thread: PhantomData,
    };
    fault("copied");
    if donor.prove(target.pid, &mut threads, Instant::now() + if is_back { STOPPING } else { LATE })? {
        place.give_back(&memory);
    }
    drop(threads);
    // Rather the copy than the service, when memory gets short.
    let _ = fs::write(format!("/proc/{child}/oom_score_adj"), "1000");
    fault("frozen");
    if !target.is_there() {
        return Err(target.ended());
    }
    Ok(frozen)
}

/// Whether the filters of system calls let the donor do what it is asked to.
fn check_filters(
    target: &Target,
    options: &Options,
    donor: &Donor,
    address: u64,
    ranges: &[ranges::Range],
    calls: &[Call],
) -> Result<()> {
    if !proc::is_filtered(target.pid, donor.id) {
        return Ok(());
    }
    // A copy is reaped later.
    let later = [leftovers::reap(1)];
    for call in blob::all_calls(ranges, calls).chain(later) {
        match filters::answer(donor.id, &call, address) {
            Ok(Some(Answer::Allowed)) => {}
            Ok(Some(Answer::Error(errno))) => return Err(target.forbids(call[0], errno)),
            Ok(Some(Answer::Harm)) => return Err(target.would_be_harmed(call[0])),
            Ok(None) | Err(_) => return target.check_unknown_filter(options),
        }
    }
    Ok(())
}

/// A new child that is traced stops before its first instruction.
fn await_first_stop(child: i32) -> Result<()> {
    let mut copy = Threads::of_stopping_child(child);
    let stopped = crate::linux::threads::poll(Instant::now() + LATE, || {
        copy.look(child).map_err(|e| std::io::Error::other(e.to_string()))
    })?;
    copy.forget();
    match stopped {
        Some(Event::Stopped) => Ok(()),
        _ => Err(Refusal::new(Kind::Busy, "the copy did not come to a stop")),
    }
}

fn refused_to_clone(target: &Target, result: i64) -> Refusal {
    let errno = Errno::from_raw(i32::try_from(-result).unwrap_or(0));
    let why = match errno {
        Errno::EAGAIN => "its limit of processes is reached (ulimit -u, or pids.max of its control group)",
        Errno::ENOMEM => "there is not enough memory for a copy",
        Errno::EPERM | Errno::ENOSYS => "a filter of system calls (seccomp) forbids it",
        errno => errno.desc(),
    };
    Refusal::new(
        Kind::NoRoom,
        format!("process {} could not be copied: {why}. Nothing has changed in it", target.pid),
    )
}

/// The fork takes longer than the process may stand still: everything is let go, and the copy, which would be no
/// picture of one moment any more, is ended as soon as it is there.
fn too_late(
    target: &Target,
    options: &Options,
    donor: &Donor,
    place: CodeSlot,
    mut threads: Threads,
) -> Refusal {
    threads.let_go(|id| id != donor.id);
    let until = Instant::now() + LATE;
    let _ = donor.await_child(target.pid, &mut threads, until);
    let _ = donor.await_left(target.pid, &mut threads, place, until);
    // Lets go the donor, kills the copy if there is one; the next run reaps it.
    drop(threads);
    Refusal::new(
        Kind::Busy,
        format!(
            "copying process {} took longer than {} ms (--max-pause), so it was let go",
            target.pid,
            options.limit.as_millis()
        ),
    )
}

/// Has a donor reap a dead copy. Only the donor is stopped.
fn reap(target: &Target, places: u64, inner: u64) -> Result<()> {
    let _turn = target.turn()?;
    let memory = memory(target)?;
    let mut threads = Threads::new(target.pid);
    let until = Instant::now() + STOPPING;
    let mut idle = inject::idle(target.pid);
    idle.truncate(1);
    for &id in &idle {
        threads.seize(id).map_err(|errno| target.refused(errno))?;
    }
    threads.interrupt(|_| true);
    threads.await_interrupted(until)?;
    let donor = inject::choose(target.pid, &idle, &threads, &memory)?;
    let place = slack::claim(Use::Reaping, places, &memory, &threads, false)?;
    fault("reaping");
    donor.send(&mut threads, &memory, place, &[], &[leftovers::reap(inner)])?;
    fault("sent-to-reap");
    donor.await_back(target.pid, &mut threads, until)?;
    if donor.prove(target.pid, &mut threads, until)? {
        place.give_back(&memory);
    }
    Ok(())
}

/// A test ends this process here, as SIGKILL at this moment would.
fn fault(step: &str) {
    if std::env::var_os("STILLHEAP_TEST_DIE").is_some_and(|wanted| wanted == step) {
        let _ = nix::sys::signal::raise(nix::sys::signal::Signal::SIGKILL);
    }
}
