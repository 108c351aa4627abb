//! Makes a donor run a blob, and proves that it is back.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::time::{Duration, Instant};

use libc::user_regs_struct;

use crate::error::{Kind, Refusal, Result};
use crate::linux::blob::{self, Call};
use crate::linux::proc;
use crate::linux::ranges::Range;
use crate::linux::slack::CodeSlot;
use crate::linux::threads::{Event, Threads};

/// After so long without an event it is looked whether the donor is back without one.
const WATCHDOG: Duration = Duration::from_millis(5);
const LOOK: Duration = Duration::from_micros(30);

/// A thread that is lent by the process, and what it was doing.
pub(crate) struct Donor {
    pub(crate) id: i32,
    /// As the kernel prints it.
    call: String,
    before: user_regs_struct,
    again: user_regs_struct,
}

/// Helper threads that sleep in futex without end, the likeliest first: V8's workers, then any.
pub(crate) fn idle(pid: i32) -> Vec<i32> {
    let waits = |id: i32| proc::call(pid, id).is_some_and(|call| proc::waits_in_futex(&call));
    let mut idle: Vec<i32> = proc::threads(pid).into_iter().filter(|&id| id != pid && waits(id)).collect();
    idle.sort_by_cached_key(|&id| {
        let name = proc::name(pid, id);
        (!name.contains("V8Worker"), !name.contains("SignalInsp"), id)
    });
    idle
}

/// The first of the idle threads that was stopped in that very call, and whose stack has room.
pub(crate) fn choose(pid: i32, idle: &[i32], threads: &Threads, memory: &File) -> Result<Donor> {
    for id in idle.iter().copied().filter(|&id| threads.is_stopped(id)) {
        let before = threads.registers(id)?;
        let Some(again) = blob::begun_again(&before) else { continue };
        // Of a stopped thread the kernel prints the same line as of a sleeping one. It ends with the stack and instruction
        // pointers.
        let pointers = format!(" {:#x} {:#x}", before.rsp, before.rip);
        let call = proc::call(pid, id).filter(|call| proc::waits_in_futex(call) && call.ends_with(&pointers));
        let Some(call) = call else { continue };
        // Room for the blob's stack and the frame of a signal below it.
        let room = memory.read_exact_at(&mut [0; 8], (before.rsp & !7).saturating_sub(16 << 10)).is_ok();
        if room {
            return Ok(Donor { id, call, before, again });
        }
    }
    Err(Refusal::new(
        Kind::Busy,
        "no helper thread of the process is idle, so nobody can make the copy; everything was let go. Try again later",
    ))
}

/// How far a donor is.
pub(crate) enum Progress {
    Child(i32),
    /// Back in its call, without having made a child.
    Back,
    /// Neither yet.
    OnItsWay,
}

impl Donor {
    /// Writes the blob and sends the donor into it. From here on it needs nobody.
    pub(crate) fn send(
        &self,
        threads: &mut Threads,
        memory: &File,
        place: CodeSlot,
        ranges: &[Range],
        calls: &[Call],
    ) -> Result<()> {
        let code = blob::assemble(&self.again, ranges, calls).ok_or_else(|| {
            Refusal::new(
                Kind::Busy,
                "the process's memory lies in too many pieces to be copied just now; try again",
            )
        })?;
        place.write(memory, &code)?;
        threads.run(self.id, blob::entering(&self.before, place.address))
    }

    /// Waits until it has made a child or is back without.
    pub(crate) fn await_child(&self, pid: i32, threads: &mut Threads, until: Instant) -> Result<Progress> {
        let mut watched = Instant::now();
        loop {
            match threads.look(self.id)? {
                Some(Event::Child(child)) => return Ok(Progress::Child(child)),
                Some(Event::Gone) => return Err(ended(pid)),
                Some(Event::Stopped) | None => {}
            }
            let now = Instant::now();
            if now.duration_since(watched) >= WATCHDOG {
                watched = now;
                // Exactly: before the code has blocked signals, a handler may run on top of it.
                if self.is_in_its_call(pid) {
                    return Ok(Progress::Back);
                }
            }
            if now >= until {
                return Ok(Progress::OnItsWay);
            }
            std::thread::sleep(LOOK);
        }
    }

    /// Waits until it has left the code, all of whose work is done then; false if that isn't seen in time.
    ///
    /// Signals are blocked until then. It need not sleep in its call again: a wake-up from before everything was stopped
    /// makes the call return, and then it may wait for a thread that is stopped.
    pub(crate) fn await_left(
        &self,
        pid: i32,
        threads: &mut Threads,
        place: CodeSlot,
        until: Instant,
    ) -> Result<bool> {
        loop {
            if self.has_left(pid, place) {
                return Ok(true);
            }
            if let Some(Event::Gone) = threads.look(self.id)? {
                return Err(ended(pid));
            }
            if Instant::now() >= until {
                return Ok(false);
            }
            std::thread::sleep(LOOK);
        }
    }

    /// Whether it sleeps anywhere else than in the code.
    fn has_left(&self, pid: i32, place: CodeSlot) -> bool {
        proc::call(pid, self.id)
            .and_then(|call| proc::instruction(&call))
            .is_some_and(|at| !place.contains(at))
    }

    /// Waits until it sleeps in its call again; false if it doesn't in time.
    pub(crate) fn await_back(&self, pid: i32, threads: &mut Threads, until: Instant) -> Result<bool> {
        loop {
            if self.is_in_its_call(pid) {
                return Ok(true);
            }
            if let Some(Event::Gone) = threads.look(self.id)? {
                return Err(ended(pid));
            }
            if Instant::now() >= until {
                return Ok(false);
            }
            std::thread::sleep(LOOK);
        }
    }

    /// The same call, arguments, stack and instruction.
    fn is_in_its_call(&self, pid: i32) -> bool {
        proc::call(pid, self.id).is_some_and(|call| call == self.call)
    }

    /// Stops it and compares every register that it had, until they are equal or time is up. Then the place is free.
    pub(crate) fn prove(&self, pid: i32, threads: &mut Threads, until: Instant) -> Result<bool> {
        loop {
            threads.interrupt(|id| id == self.id);
            threads.await_interrupted(until)?;
            if !threads.is_stopped(self.id) {
                return Err(ended(pid));
            }
            if blob::is_back(&threads.registers(self.id)?, &self.before) {
                return Ok(true);
            }
            if Instant::now() >= until {
                return Ok(false);
            }
            // A signal's handler runs on it. Let it.
            threads.resume(self.id)?;
            self.await_back(pid, threads, until)?;
        }
    }

    /// What the call that makes a child returned.
    pub(crate) fn result(&self, memory: &File) -> Option<i64> {
        let mut word = [0; 8];
        let stack = blob::entering(&self.before, 0).rsp;
        memory.read_exact_at(&mut word, stack + 8).ok()?;
        Some(i64::from_le_bytes(word))
    }
}

/// The donor has ended, which a worker's thread may do. If it was the whole process, the caller finds out.
fn ended(pid: i32) -> Refusal {
    Refusal::new(
        Kind::Busy,
        format!(
            "the thread of process {pid} that was to make the copy has just ended; everything was let go. Try again later"
        ),
    )
}
