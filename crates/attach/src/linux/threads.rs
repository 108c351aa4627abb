//! The threads of a process, seized and stopped; let go whatever happens.

use std::io;
use std::thread::sleep;
use std::time::{Duration, Instant};

use libc::user_regs_struct;
use nix::errno::Errno;
use nix::sys::ptrace;
use nix::unistd::Pid;

use crate::error::{Kind, Refusal, Result};
use crate::linux::sys::Change;
use crate::linux::{proc, sys};

/// Looks come so close together. A blocking wait would last as long as the thread likes.
const LOOK: Duration = Duration::from_micros(30);

/// A thread that can't be let go within this time (it stands in the kernel) is let go by the end of this process.
const PATIENCE: Duration = Duration::from_secs(30);

/// A thread that is ending, and of which nobody has to take note, is gone after this time.
const ENDING: Duration = Duration::from_millis(5);

/// Threads of a process that are stopped at most.
const MOST: usize = 4096;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Running,
    /// Running, and asked to stop.
    Interrupted,
    Stopped,
    Gone,
}

struct Thread {
    id: i32,
    state: State,
}

impl Thread {
    /// Lets it go where it stands. One that was killed while it stood is ending: until its tracer has taken note of that, the
    /// parent of the process can't learn of its end.
    fn release(&mut self, signal: i32) {
        self.state = match sys::let_go(self.id, signal) {
            Ok(()) => State::Gone,
            Err(_) => State::Interrupted,
        };
    }
}

/// Seized threads. Dropping it lets all of them go, the main thread first.
pub(crate) struct Threads {
    pid: i32,
    all: Vec<Thread>,
    /// A child that a thread has made, which is traced by us since.
    child: Option<i32>,
}

fn pid(id: i32) -> Pid {
    Pid::from_raw(id)
}

/// Looks until there is something to be seen, or time is up.
pub(crate) fn poll<T>(until: Instant, mut look: impl FnMut() -> io::Result<Option<T>>) -> Result<Option<T>> {
    loop {
        let found =
            look().map_err(|e| Refusal::new(Kind::Busy, format!("waiting for a thread failed: {e}")))?;
        if found.is_some() || Instant::now() >= until {
            return Ok(found);
        }
        sleep(LOOK);
    }
}

/// What a donor did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// It made a child, which is stopped and traced.
    Child(i32),
    /// It has stopped because it was interrupted.
    Stopped,
    Gone,
}

impl Threads {
    pub(crate) fn new(pid: i32) -> Threads {
        Threads { pid, all: Vec::new(), child: None }
    }

    /// A new child, which is traced from its birth and about to stop.
    pub(crate) fn of_stopping_child(child: i32) -> Threads {
        Threads { pid: child, all: vec![Thread { id: child, state: State::Interrupted }], child: None }
    }

    /// Leaves its threads as they are, traced.
    pub(crate) fn forget(mut self) {
        self.all.clear();
    }

    pub(crate) fn seize(&mut self, id: i32) -> std::result::Result<(), Errno> {
        ptrace::seize(pid(id), ptrace::Options::empty())?;
        self.all.push(Thread { id, state: State::Running });
        Ok(())
    }

    /// ESRCH if it has ended. The kernel says EPERM of a thread that is ending, too, as of one that may not be traced.
    fn seize_unless_ended(&mut self, id: i32) -> std::result::Result<(), Errno> {
        let until = Instant::now() + ENDING;
        loop {
            match self.seize(id) {
                Err(Errno::EPERM) if proc::thread_has_ended(self.pid, id) => return Err(Errno::ESRCH),
                Err(Errno::EPERM) if Instant::now() < until => sleep(LOOK),
                done => return done,
            }
        }
    }

    /// Seizes those that aren't yet; says how many.
    fn seize_new(&mut self) -> std::result::Result<usize, Errno> {
        let mut new = 0;
        for id in proc::threads(self.pid) {
            if self.all.iter().any(|t| t.id == id && t.state != State::Gone) {
                continue;
            }
            match self.seize_unless_ended(id) {
                Ok(()) => new += 1,
                Err(Errno::ESRCH) => {}
                Err(errno) => return Err(errno),
            }
            if self.all.len() > MOST {
                return Err(Errno::E2BIG);
            }
        }
        Ok(new)
    }

    /// Stops all threads, helpers first, the main thread last. Returns when the first and the main thread were
    /// interrupted.
    pub(crate) fn stop_all(
        &mut self,
        until: Instant,
        refused: impl Fn(Errno) -> Refusal,
    ) -> Result<(Instant, Instant)> {
        self.seize_new().map_err(&refused)?;
        let (main, first) = (self.pid, Instant::now());
        self.interrupt(|id| id != main);
        self.await_interrupted(until)?;
        let since = Instant::now();
        self.interrupt(|id| id == main);
        self.await_interrupted(until)?;
        // What began while the others were being stopped. With all of them stopped nothing more begins.
        while self.seize_new().map_err(&refused)? > 0 {
            if Instant::now() >= until {
                let message = format!(
                    "process {main} starts threads faster than they can be stopped; everything was let go. Try again later"
                );
                return Err(Refusal::new(Kind::Busy, message));
            }
            self.interrupt(|_| true);
            self.await_interrupted(until)?;
        }
        match self.is_stopped(main) {
            true => Ok((first, since)),
            false => Err(Refusal::new(Kind::Gone, format!("process {main} has just ended"))),
        }
    }

    pub(crate) fn interrupt(&mut self, which: impl Fn(i32) -> bool) {
        for thread in self.all.iter_mut().filter(|t| t.state == State::Running && which(t.id)) {
            // ESRCH: it is ending, and its end is still to be taken note of.
            let _ = ptrace::interrupt(pid(thread.id));
            thread.state = State::Interrupted;
        }
    }

    /// Waits until every interrupted thread has stopped.
    pub(crate) fn await_interrupted(&mut self, until: Instant) -> Result<()> {
        for at in 0..self.all.len() {
            let id = self.all[at].id;
            while self.all[at].state == State::Interrupted {
                match poll(until, || sys::look(id))? {
                    Some(change) => drop(self.changed(at, change)?),
                    None => {
                        let message = format!(
                            "thread {id} ({}) of process {} does not stop; it is in the kernel, such as in vfork or on a \
                             slow disk. Everything was let go; try again later",
                            proc::name(self.pid, id),
                            self.pid
                        );
                        return Err(Refusal::new(Kind::Busy, message));
                    }
                }
            }
        }
        Ok(())
    }

    /// Takes note of what a thread reports and lets it run on unless it has been interrupted. Signals are passed on.
    fn changed(&mut self, at: usize, change: Change) -> Result<Option<Event>> {
        let id = self.all[at].id;
        match change {
            Change::Gone => {
                self.all[at].state = State::Gone;
                return Ok(Some(Event::Gone));
            }
            Change::Event(sys::EVENT_STOP, libc::SIGTRAP) => {
                self.all[at].state = State::Stopped;
                return Ok(Some(Event::Stopped));
            }
            // The whole process was stopped from elsewhere: its business.
            Change::Event(sys::EVENT_STOP, _) => {
                self.all[at].state = State::Stopped;
                let message = format!("process {} has just been stopped by a signal", self.pid);
                return Err(Refusal::new(Kind::Unfit, message));
            }
            Change::Event(event, _) => {
                let is_child = matches!(
                    event,
                    libc::PTRACE_EVENT_CLONE | libc::PTRACE_EVENT_FORK | libc::PTRACE_EVENT_VFORK
                );
                let child = is_child.then(|| ptrace::getevent(pid(id)).ok()).flatten().map(|id| id as i32);
                self.child = child.or(self.child);
                // ESRCH: it was killed meanwhile, and its end is still to come.
                let _ = sys::go_on(id, 0);
                return Ok(child.map(Event::Child));
            }
            Change::Signal(signal) => {
                let _ = sys::go_on(id, signal);
            }
        }
        Ok(None)
    }

    pub(crate) fn is_stopped(&self, id: i32) -> bool {
        self.all.iter().any(|t| t.id == id && t.state == State::Stopped)
    }

    pub(crate) fn stopped(&self) -> impl Iterator<Item = i32> {
        self.all.iter().filter(|t| t.state == State::Stopped).map(|t| t.id)
    }

    pub(crate) fn registers(&self, id: i32) -> Result<user_regs_struct> {
        ptrace::getregs(pid(id)).map_err(|errno| failed("reading the registers", errno))
    }

    /// Sets a stopped thread's registers and lets it run; its children will be traced.
    pub(crate) fn run(&mut self, id: i32, registers: user_regs_struct) -> Result<()> {
        let options = ptrace::Options::PTRACE_O_TRACECLONE
            | ptrace::Options::PTRACE_O_TRACEFORK
            | ptrace::Options::PTRACE_O_TRACEVFORK;
        ptrace::setoptions(pid(id), options).map_err(|errno| failed("tracing a thread", errno))?;
        ptrace::setregs(pid(id), registers).map_err(|errno| failed("setting the registers", errno))?;
        self.resume(id)
    }

    /// Lets a stopped thread run as it was.
    pub(crate) fn resume(&mut self, id: i32) -> Result<()> {
        sys::go_on(id, 0).map_err(|errno| failed("continuing a thread", errno))?;
        self.set(id, State::Running);
        Ok(())
    }

    fn set(&mut self, id: i32, state: State) {
        for thread in self.all.iter_mut().filter(|t| t.id == id) {
            thread.state = state;
        }
    }

    /// What a running thread reports, if anything.
    pub(crate) fn look(&mut self, id: i32) -> Result<Option<Event>> {
        let Some(at) = self.all.iter().position(|t| t.id == id) else { return Ok(Some(Event::Gone)) };
        match sys::look(id)
            .map_err(|e| Refusal::new(Kind::Busy, format!("waiting for a thread failed: {e}")))?
        {
            Some(change) => self.changed(at, change),
            None => Ok(None),
        }
    }

    /// The child, which is the caller's business from here.
    pub(crate) fn take_child(&mut self) -> Option<i32> {
        self.child.take()
    }

    /// Lets go those threads.
    pub(crate) fn let_go(&mut self, which: impl Fn(i32) -> bool) {
        let main = self.pid;
        self.all.sort_by_key(|t| t.id != main);
        for thread in self.all.iter_mut().filter(|t| t.state == State::Stopped && which(t.id)) {
            thread.release(0);
        }
    }

    /// Lets go all that are stopped, then stops and lets go the rest.
    fn let_all_go(&mut self) {
        self.let_go(|_| true);
        let until = Instant::now() + PATIENCE;
        loop {
            self.interrupt(|_| true);
            for at in 0..self.all.len() {
                let id = self.all[at].id;
                if self.all[at].state != State::Interrupted {
                    continue;
                }
                match sys::look(id) {
                    Ok(None) => {}
                    // Wherever it stands, it can go; with the signal that it was about to take.
                    Ok(Some(Change::Signal(signal))) => self.all[at].release(signal),
                    Ok(Some(Change::Event(sys::EVENT_STOP, _))) => self.all[at].release(0),
                    Ok(Some(event @ Change::Event(..))) => drop(self.changed(at, event)),
                    Ok(Some(Change::Gone)) | Err(_) => self.all[at].state = State::Gone,
                }
            }
            if self.all.iter().all(|t| t.state == State::Gone) {
                return;
            }
            if Instant::now() >= until {
                // A seized thread that nobody watches would stand still at its next signal. The kernel lets go the threads of
                // a process that ends.
                std::process::abort();
            }
            sleep(LOOK);
        }
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        self.let_all_go();
        if let Some(child) = self.child.take() {
            kill_copy(child);
        }
    }
}

/// Ends a copy and takes note of its end as its tracer; its parent still has to reap it.
pub(crate) fn kill_copy(child: i32) {
    let _ = nix::sys::signal::kill(pid(child), nix::sys::signal::Signal::SIGKILL);
    let until = Instant::now() + PATIENCE;
    let _ = poll(until, || {
        Ok(match sys::look(child)? {
            Some(Change::Gone) => Some(()),
            Some(_) => {
                let _ = sys::go_on(child, 0);
                None
            }
            None => None,
        })
    });
}

/// The copy ends with this process.
pub(crate) fn end_with_us(child: i32) -> std::result::Result<(), Errno> {
    ptrace::setoptions(pid(child), ptrace::Options::PTRACE_O_EXITKILL)
}

fn failed(doing: &str, errno: Errno) -> Refusal {
    Refusal::new(Kind::Busy, format!("{doing} failed: {}", errno.desc()))
}
