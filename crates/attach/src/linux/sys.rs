//! ptrace and waitpid. nix wraps the rest; these three are raw because its `Signal` has no real-time signals: a status
//! that names one would be consumed and lost, and the service's signal with it.
#![allow(unsafe_code)]

use std::io;

use nix::errno::Errno;

/// PTRACE_EVENT_STOP: what an interrupted thread and a new child report.
pub(crate) const EVENT_STOP: i32 = 128;

/// What a traced thread did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// Stopped by an event, with the signal that stopped the whole group, or SIGTRAP.
    Event(i32, i32),
    /// About to take a signal, which it gets when it is continued with it.
    Signal(i32),
    /// Ended.
    Gone,
}

/// What a thread has to report; none if there is nothing yet. Never blocks.
pub(crate) fn look(thread: i32) -> io::Result<Option<Change>> {
    let mut status = 0;
    // SAFETY: the pointer is to a local variable for the time of the call.
    let found = unsafe { libc::waitpid(thread, &raw mut status, libc::WNOHANG | libc::__WALL) };
    match Errno::result(found) {
        Ok(0) => Ok(None),
        Ok(_) if libc::WIFSTOPPED(status) => {
            let (event, signal) = (status >> 16, libc::WSTOPSIG(status));
            Ok(Some(if event == 0 { Change::Signal(signal) } else { Change::Event(event, signal) }))
        }
        Ok(_) => Ok(Some(Change::Gone)),
        Err(Errno::EINTR) => Ok(None),
        Err(Errno::ECHILD | Errno::ESRCH) => Ok(Some(Change::Gone)),
        Err(errno) => Err(errno.into()),
    }
}

fn resume(request: libc::c_long, thread: i32, signal: i32) -> Result<(), Errno> {
    // SAFETY: PTRACE_CONT and PTRACE_DETACH read no memory of this process; the last argument is a number.
    let done = unsafe { libc::ptrace(request as _, thread, 0_usize, signal as libc::c_ulong) };
    Errno::result(done).map(drop)
}

/// Lets a stopped thread run on, still traced; `signal` is delivered unless it is 0.
pub(crate) fn go_on(thread: i32, signal: i32) -> Result<(), Errno> {
    resume(libc::PTRACE_CONT as libc::c_long, thread, signal)
}

/// Lets a stopped thread run on and go.
pub(crate) fn let_go(thread: i32, signal: i32) -> Result<(), Errno> {
    resume(libc::PTRACE_DETACH as libc::c_long, thread, signal)
}
