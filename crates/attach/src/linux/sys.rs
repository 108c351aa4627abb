//! ptrace and waitpid. nix wraps the rest; three are raw because its `Signal` has no real-time signals: a status
//! that names one would be consumed and lost, and the service's signal with it. The fourth is unknown to it.
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

/// PTRACE_SECCOMP_GET_FILTER, which libc doesn't have.
const GET_FILTER: libc::c_long = 0x420c;

/// One of the filters of system calls of a stopped thread, the newest being 0; none if there are no more.
///
/// # Errors
/// EACCES without CAP_SYS_ADMIN; EIO if the kernel was built without it.
pub(crate) fn filter(thread: i32, index: usize) -> Result<Option<Vec<libc::sock_filter>>, Errno> {
    let get = |into: *mut libc::sock_filter| {
        // SAFETY: without a pointer the kernel only counts. With one it writes as many instructions as it counted before:
        // the filters of a stopped thread don't change, and the vector below has room for them.
        Errno::result(unsafe { libc::ptrace(GET_FILTER as _, thread, index, into) })
    };
    let length = match get(std::ptr::null_mut()) {
        Ok(length) => usize::try_from(length).unwrap_or(0),
        Err(Errno::ENOENT) => return Ok(None),
        Err(errno) => return Err(errno),
    };
    let mut filter = vec![libc::sock_filter { code: 0, jt: 0, jf: 0, k: 0 }; length];
    get(filter.as_mut_ptr())?;
    Ok(Some(filter))
}
