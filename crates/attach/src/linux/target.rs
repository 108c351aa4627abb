//! The process: what it must be before anything is touched, and the sentence if it isn't.

use std::fs::{File, TryLockError};
use std::io::{ErrorKind, Read};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::unistd::gettid;

use crate::error::{Kind, Refusal, Result};
use crate::linux::rights::{self, CAP_SYS_ADMIN, Rights};
use crate::linux::{Options, proc};

/// Another run on the same process is waited for so long.
const TURN: Duration = Duration::from_secs(3);

/// A process that may be attached to.
#[derive(Clone, Debug)]
pub struct Target {
    pub(crate) pid: i32,
    identity: proc::Identity,
}

impl Target {
    /// Looks at a process, without touching it, and refuses what isn't known to work.
    ///
    /// # Errors
    /// [`Refusal`], with a sentence that says what to do here.
    pub fn examine(pid: u32, options: &Options) -> Result<Target> {
        let id = i32::try_from(pid).map_err(|_| gone(pid))?;
        let identity = proc::identity(id).ok_or_else(|| gone(pid))?;
        let target = Target { pid: id, identity };
        target.check_state()?;
        target.check_program()?;
        target.check_rights()?;
        target.check_seccomp(options)?;
        Ok(target)
    }

    /// The process's id.
    pub fn pid(&self) -> u32 {
        self.pid.unsigned_abs()
    }

    /// Whether it is still the same process, and runs the same program: the places for code are of that program.
    pub fn is_there(&self) -> bool {
        proc::identity(self.pid).as_ref() == Some(&self.identity) && !self.state().starts_with('Z')
    }

    /// What is said of one that isn't there any more.
    pub(crate) fn ended(&self) -> Refusal {
        Refusal::new(
            Kind::Gone,
            format!("process {} has just ended, or become another program (execve)", self.pid),
        )
    }

    /// A name to call it by.
    fn called(&self) -> String {
        format!("process {} ({})", self.pid, proc::name(self.pid, self.pid))
    }

    fn state(&self) -> String {
        proc::status(self.pid, "State").unwrap_or_default()
    }

    fn check_state(&self) -> Result<()> {
        let unfit = |what: String| Err(Refusal::new(Kind::Unfit, what));
        let called = self.called();
        let leader = proc::status(self.pid, "Tgid").and_then(|id| id.parse::<i32>().ok());
        if let Some(leader) = leader.filter(|&leader| leader != self.pid) {
            return unfit(format!("{} is a thread of process {leader}; give that id", self.pid));
        }
        if self.pid.unsigned_abs() == std::process::id() {
            return unfit(format!("{called} is this command itself"));
        }
        let tracer = proc::tracer(self.pid, self.pid).unwrap_or(0);
        if tracer != 0 {
            return Err(self.traced_by(tracer));
        }
        match self.state().chars().next() {
            Some('Z' | 'X') => Err(Refusal::new(
                Kind::Gone,
                format!("{called} has ended; its parent has not yet asked for its status"),
            )),
            Some('T') => unfit(format!(
                "{called} has been stopped by a signal; continue it first (kill -CONT {})",
                self.pid
            )),
            Some('t') => unfit(format!("{called} has been stopped by a tracer")),
            _ => Ok(()),
        }
    }

    fn traced_by(&self, tracer: i32) -> Refusal {
        Refusal::new(
            Kind::Unfit,
            format!(
                "{} is being traced by process {tracer} ({}), such as a debugger or strace, and only one can; end that first",
                self.called(),
                proc::name(tracer, tracer)
            ),
        )
    }

    fn check_program(&self) -> Result<()> {
        let path = PathBuf::from(format!("/proc/{}/exe", self.pid));
        let mut head = [0; 20];
        let read = File::open(&path).and_then(|mut file| file.read_exact(&mut head));
        match read {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::PermissionDenied => return Err(self.not_allowed()),
            Err(error) if error.kind() == ErrorKind::NotFound => {
                let what = format!("{} is a thread of the kernel, or has ended", self.called());
                return Err(Refusal::new(Kind::Unfit, what));
            }
            Err(error) => {
                let what = format!("the program of {} can't be read: {error}", self.called());
                return Err(Refusal::new(Kind::Unfit, what));
            }
        }
        let is_elf = head.starts_with(b"\x7fELF");
        let machine = u16::from_le_bytes([head[18], head[19]]);
        // ELFCLASS64, EM_X86_64
        if !is_elf || head[4] != 2 || machine != 62 {
            let kind = if head[4] == 1 { "a 32-bit program" } else { "a program for another machine" };
            return Err(Refusal::new(
                Kind::Unfit,
                format!("{} is {kind}; only 64-bit programs of x86-64 are read", self.called()),
            ));
        }
        Ok(())
    }

    /// Whether this user may do it. The kernel decides in the end; this only finds the words before anything is stopped.
    fn check_rights(&self) -> Result<()> {
        // Opening asks for the same right as ptrace does, apart from Yama.
        let open = File::options().read(true).write(true).open(format!("/proc/{}/mem", self.pid));
        match open {
            Err(error) if error.kind() == ErrorKind::NotFound => return Err(gone(self.pid())),
            Err(_) => return Err(self.not_allowed()),
            Ok(_) => {}
        }
        match Rights::over(self.pid).none() {
            true => Err(self.not_allowed()),
            false => Ok(()),
        }
    }

    /// Why the kernel says no, and what helps.
    pub(crate) fn not_allowed(&self) -> Refusal {
        Refusal::new(Kind::NotAllowed, Rights::over(self.pid).why_not(&self.called()))
    }

    /// A filter that kills would kill the service for a call that it never makes itself. Where the kernel shows filters,
    /// they are asked when the threads have been stopped.
    fn check_seccomp(&self, options: &Options) -> Result<()> {
        let is_filtered = || proc::threads(self.pid).into_iter().any(|id| proc::is_filtered(self.pid, id));
        match rights::has(CAP_SYS_ADMIN) || !is_filtered() {
            true => Ok(()),
            false => self.check_unknown_filter(options),
        }
    }

    /// There is a filter, and what it does isn't known.
    pub(crate) fn check_unknown_filter(&self, options: &Options) -> Result<()> {
        if options.force || self.is_in_a_container() {
            return Ok(());
        }
        Err(Refusal::new(
            Kind::Seccomp,
            format!(
                "{} has a filter of system calls (seccomp) that isn't a container engine's, and only root of this machine may \
                 look at it. If it kills for a call of clone(), it would kill the process. Run this as root of the machine; or use \
                 --force, which attaches nevertheless; or take a core file (docs/core-dumps.md)",
                self.called()
            ),
        ))
    }

    /// A filter kills, or sends a signal, for a call that would be made.
    pub(crate) fn would_be_harmed(&self, call: u64) -> Refusal {
        Refusal::new(
            Kind::Seccomp,
            format!(
                "{} has a filter of system calls (seccomp) that would kill or disturb it for the call of {} that makes the copy; \
                 nothing was done, and --force changes nothing. Take a core file instead (docs/core-dumps.md)",
                self.called(),
                call_name(call)
            ),
        )
    }

    /// A filter answers with an error.
    pub(crate) fn forbids(&self, call: u64, errno: u32) -> Refusal {
        let errno = Errno::from_raw(i32::try_from(errno).unwrap_or(0));
        Refusal::new(
            Kind::Seccomp,
            format!(
                "{} has a filter of system calls (seccomp) that forbids it {} ({}), so no copy of it can be made; nothing was \
                 done. Take a core file instead (docs/core-dumps.md)",
                self.called(),
                call_name(call),
                errno.desc()
            ),
        )
    }

    /// Whether an engine whose default filter answers with an error made its control group.
    fn is_in_a_container(&self) -> bool {
        let groups = stillheap_limits::read_text(format!("/proc/{}/cgroup", self.pid)).unwrap_or_default();
        let engines = ["docker", "kubepods", "containerd", "libpod", "crio", "cri-o"];
        let marks = ["/.dockerenv", "/run/.containerenv"];
        engines.iter().any(|engine| groups.contains(engine))
            || marks.iter().any(|mark| PathBuf::from(format!("/proc/{}/root{mark}", self.pid)).exists())
    }

    /// What seizing failed with.
    pub(crate) fn refused(&self, errno: Errno) -> Refusal {
        match errno {
            Errno::EPERM => {
                let own = gettid().as_raw();
                let mut tracers =
                    proc::threads(self.pid).into_iter().filter_map(|id| proc::tracer(self.pid, id));
                match tracers.find(|&tracer| tracer != 0 && tracer != own) {
                    Some(tracer) => self.traced_by(tracer),
                    None => self.not_allowed(),
                }
            }
            Errno::E2BIG => {
                Refusal::new(Kind::Unfit, format!("{} has more threads than can be stopped", self.called()))
            }
            _ => gone(self.pid()),
        }
    }

    /// Waits for other runs on the same program to finish what they do while threads are stopped.
    pub(crate) fn turn(&self) -> Result<File> {
        let program = File::open(format!("/proc/{}/exe", self.pid)).map_err(|_| gone(self.pid()))?;
        let until = Instant::now() + TURN;
        loop {
            match program.try_lock() {
                Ok(()) => return Ok(program),
                // A file system without locks: ptrace itself lets only one in.
                Err(TryLockError::Error(_)) => return Ok(program),
                Err(TryLockError::WouldBlock) if Instant::now() < until => {
                    std::thread::sleep(Duration::from_millis(5));
                }
                Err(TryLockError::WouldBlock) => {
                    return Err(Refusal::new(
                        Kind::Busy,
                        "another run is attaching to a process of the same program",
                    ));
                }
            }
        }
    }
}

fn gone(pid: u32) -> Refusal {
    Refusal::new(
        Kind::Gone,
        format!(
            "there is no process {pid}; a process in a container has another id outside \
             (docker inspect -f '{{{{.State.Pid}}}}' NAME)"
        ),
    )
}

/// Of the calls that are injected.
fn call_name(number: u64) -> &'static str {
    match i64::try_from(number) {
        Ok(libc::SYS_clone) => "clone()",
        Ok(libc::SYS_madvise) => "madvise()",
        Ok(libc::SYS_wait4) => "wait4()",
        Ok(libc::SYS_rt_sigprocmask) => "rt_sigprocmask()",
        _ => "exit_group()",
    }
}
