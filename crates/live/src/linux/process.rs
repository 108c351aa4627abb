//! A process that is going to be read: everything that can be known and refused without touching it.

use std::cell::Cell;
use std::path::Path;
use std::time::Duration;

use stillheap_attach::{Ended, Frozen, Kind, Refusal, Target, freeze};
use stillheap_heap::{Constants, IsolateChoice, Layout};
use stillheap_limits::Machine;
use stillheap_process::Live;

use crate::error::{Error, Result};
use crate::linux::collecting::Collector;
use crate::linux::memory::LiveMemory;

/// A copy is made in the middle of a collection only after so many better moments were waited for.
const MOMENTS: u32 = 2;
/// The service may write to its memory while the copy stands, which takes as much again as it writes to: this part of
/// its memory is expected.
const WRITTEN: u64 = 4;
/// And this at least.
const LEAST: u64 = 32 << 20;

/// How to read a process.
#[derive(Clone, Debug)]
pub struct Options {
    /// The process is let go after this time, whatever has been reached.
    pub max_pause: Duration,
    /// Attach although an unknown filter of system calls is in place, or memory may not suffice.
    pub force: bool,
    /// Which isolate, as [`Process::info`] numbers them; the main thread's if none is given.
    pub isolate: Option<usize>,
}

impl Default for Options {
    fn default() -> Options {
        Options { max_pause: Duration::from_secs(1), force: false, isolate: None }
    }
}

/// A process of Node that can be read.
pub struct Process {
    pub(crate) target: Target,
    pub(crate) layout: Layout,
    pub(crate) options: Options,
    collector: Collector,
    resident: u64,
}

/// A frozen process and its memory.
pub(crate) struct Copy {
    pub(crate) frozen: Frozen,
    pub(crate) memory: LiveMemory,
    /// It seemed to be in a collection at each moment.
    pub(crate) collecting: bool,
}

impl Process {
    /// Looks at a process without touching it.
    ///
    /// # Errors
    /// It is none that can be read; the sentence says what to do.
    pub fn examine(pid: u32, options: &Options) -> Result<Process> {
        let attach = attach_options(options);
        let target = Target::examine(pid, &attach)?;
        let live = Live::open(pid, pid, Vec::new())?;
        let name = stillheap_limits::read_text(format!("/proc/{pid}/comm")).unwrap_or_default();
        let called = format!("process {pid} ({})", name.trim_end());
        let Some(program) = live.program() else {
            let why = live.why_no_program().unwrap_or("no reason is known");
            return Err(Error::refused(Kind::Unfit, format!("the program of {called} can't be read: {why}")));
        };
        let constants = Constants::new(program.v8_constants());
        if constants.is_empty() {
            return Err(Error::refused(
                Kind::Unfit,
                format!(
                    "{called} is not Node.js: its program does not say how V8 lies in its memory, as every Node does (v8dbg \
                     symbols). Bun and Deno can't be read"
                ),
            ));
        }
        let layout = Layout::of_constants(&constants)?;
        let collector = Collector::find(program, live.program_base());
        Ok(Process { target, layout, options: options.clone(), collector, resident: live.resident() })
    }

    pub fn pid(&self) -> u32 {
        self.target.pid()
    }

    /// Bytes that the process itself has written.
    pub fn resident(&self) -> u64 {
        self.resident
    }

    /// V8's major.minor version.
    pub fn v8(&self) -> &str {
        self.layout.v8()
    }

    pub(crate) fn choice(&self) -> IsolateChoice {
        self.options.isolate.map_or(IsolateChoice::Main, IsolateChoice::Number)
    }

    /// What the service may need while a copy of it stands, and what it has.
    fn check_room(&self) -> Result<()> {
        if self.options.force {
            return Ok(());
        }
        let megabytes = |bytes: u64| bytes / 1_000_000;
        let proc = Path::new("/proc");
        let wanted = (self.resident / WRITTEN).max(LEAST);
        let room = Machine::of_process(proc, self.pid()).room().filter(|room| room.left < wanted);
        if let Some(room) = room {
            return Err(Error::refused(
                Kind::NoRoom,
                format!(
                    "while the copy stands, process {} may need {} MB more for what it writes to, and {} has {} MB left; \
                     nothing was done. --force does it nevertheless",
                    self.pid(),
                    megabytes(wanted),
                    room.whose(),
                    megabytes(room.left)
                ),
            ));
        }
        // This command's own copy, and a tenth for the reader.
        let wanted = self.resident + self.resident / 10;
        let room = Machine::new(proc, None).room().filter(|room| room.left < wanted);
        match room {
            Some(room) => Err(Error::refused(
                Kind::NoRoom,
                format!(
                    "this command needs up to {} MB to read process {}, and {} has {} MB left; run it where there is more, or use \
                     --force",
                    megabytes(wanted),
                    self.pid(),
                    room.whose(),
                    megabytes(room.left)
                ),
            )),
            None => Ok(()),
        }
    }

    /// Makes a copy, reads it, and ends it. What was read counts only if the copy stood all the while.
    pub(crate) fn read_copy<T>(&self, read: impl FnOnce(&Copy) -> Result<T>) -> Result<(T, Ended)> {
        let copy = self.copy()?;
        let found = read(&copy);
        let stood = copy.frozen.check();
        let ended = copy.frozen.end();
        stood?;
        Ok((found?, ended))
    }

    /// Makes a copy at a moment when the main thread isn't collecting, if there is one.
    fn copy(&self) -> Result<Copy> {
        self.check_room()?;
        let (moments, collecting) = (Cell::new(0), Cell::new(false));
        let frozen = freeze(&self.target, &attach_options(&self.options), |stopped| {
            collecting.set(self.collector.runs_in(stopped));
            if collecting.get() && moments.get() < MOMENTS {
                moments.set(moments.get() + 1);
                return Err(Refusal::new(Kind::Busy, "the main thread is collecting garbage"));
            }
            Ok(())
        })?;
        let live = Live::open(self.pid(), frozen.copy(), Vec::new()).or_else(|error| {
            frozen.check()?;
            Err(Error::from(error))
        })?;
        let memory = LiveMemory::new(live, frozen.registers());
        Ok(Copy { frozen, memory, collecting: collecting.get() })
    }
}

pub(crate) fn attach_options(options: &Options) -> stillheap_attach::Options {
    stillheap_attach::Options { limit: options.max_pause, force: options.force }
}
