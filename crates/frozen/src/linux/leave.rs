//! How a child ends: by `_exit`, from wherever it is.

use core::ffi::{c_char, c_int};
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicPtr, Ordering};

/// Exit statuses from which the parent reads what happened. All others are V8's or the system's.
pub mod status {
    /// It would have waited for another thread.
    pub const WAITED: i32 = 75;
    /// It needed a lock that another thread held at the fork.
    pub const LOCKED: i32 = 77;
    /// The disk that holds its working memory is full.
    pub const SCRATCH_FULL: i32 = 78;
    /// Somebody called `exit`.
    pub const EXITED: i32 = 81;
    pub const ORPHANED: i32 = 82;
    pub const TERMINATED: i32 = 83;
    pub const PANICKED: i32 = 84;
    /// Native code kept trying what a child may not do.
    pub const INSISTED: i32 = 85;
    /// Native code wrote to memory that is shared and can't be copied.
    pub const SHARED: i32 = 86;
}

// What the handlers and replacements know. Set before any of them can run.
static PARENT: AtomicI32 = AtomicI32::new(0);
pub(super) static FORKER: AtomicI32 = AtomicI32::new(0);
static TEMPORARY: AtomicPtr<c_char> = AtomicPtr::new(ptr::null_mut());
/// Whether the child removes its temporary file itself when it fails. Nobody else may be left to do it: a process that
/// is being killed is still the parent while its memory is freed.
static REMOVES: AtomicBool = AtomicBool::new(false);

/// This process is a child from now on: of `parent`, forked by its thread `forker`. `temporary` is the address of its
/// file's name, NUL-terminated and never freed here, or 0. A child that may `outlive` its parent removes that file when
/// it fails; its parent makes another one if it tries again.
pub(super) fn begin(parent: libc::pid_t, forker: libc::pid_t, temporary: usize, outlive: bool) {
    PARENT.store(parent, Ordering::Relaxed);
    FORKER.store(forker, Ordering::Relaxed);
    TEMPORARY.store(temporary as *mut c_char, Ordering::Relaxed);
    REMOVES.store(outlive, Ordering::Relaxed);
}

/// There is nothing to remove any more.
pub(super) fn published() {
    TEMPORARY.store(ptr::null_mut(), Ordering::Relaxed);
}

/// Whether this process is a forked child. May be asked at any time: no lock is touched.
pub fn is_child() -> bool {
    PARENT.load(Ordering::Relaxed) != 0
}

pub(super) fn orphaned() -> bool {
    // SAFETY: getppid can't fail and touches nothing.
    unsafe { libc::getppid() != PARENT.load(Ordering::Relaxed) }
}

/// Removes the temporary file if the parent may not do it. May be called in a signal handler.
fn remove_temporary() {
    let temporary = TEMPORARY.load(Ordering::Relaxed);
    if !temporary.is_null() && (REMOVES.load(Ordering::Relaxed) || orphaned()) {
        // SAFETY: unlink may be called in a signal handler; the name is never freed in the child.
        unsafe { libc::unlink(temporary) };
    }
}

/// Leaves. The parent removes the temporary file; an orphan, or a child that may become one, does it itself.
pub(super) fn leave(code: i32) -> ! {
    remove_temporary();
    // SAFETY: _exit may be called in a signal handler.
    unsafe { libc::_exit(code) }
}

pub(super) extern "C" fn look_after_parent(_signal: c_int) {
    if orphaned() {
        leave(status::ORPHANED);
    }
}

pub(super) extern "C" fn terminated(_signal: c_int) {
    let temporary = TEMPORARY.load(Ordering::Relaxed);
    // SAFETY: `TEMPORARY` is null or a text that is never freed; `unlink` and `_exit` may be called in a handler.
    unsafe {
        if !temporary.is_null() {
            libc::unlink(temporary);
        }
        libc::_exit(status::TERMINATED)
    }
}

/// In a handler, for a signal that is none of the handler's business: ends the process as it would have ended. A fault
/// happens again when the handler returns; what somebody sent doesn't.
///
/// # Safety
/// Only in a handler of `signal`, with the `si_code` that it came with.
pub(super) unsafe fn not_ours(signal: c_int, si_code: c_int) {
    remove_temporary();
    // SAFETY: both calls may be made in a handler.
    unsafe {
        libc::signal(signal, libc::SIG_DFL);
        // After a breakpoint the program would go on behind it.
        if si_code <= 0 || signal == libc::SIGTRAP {
            libc::raise(signal);
        }
    }
}

/// The signals of code that goes wrong, and of V8 that gives up (`SIGTRAP`, `SIGILL`, `SIGABRT`).
pub(super) const FATAL: [c_int; 6] =
    [libc::SIGABRT, libc::SIGBUS, libc::SIGFPE, libc::SIGILL, libc::SIGSEGV, libc::SIGTRAP];

/// The handler of those: an orphan removes its unfinished file before it ends by that signal.
pub(super) unsafe extern "C" fn fatal(
    signal: c_int,
    info: *const libc::siginfo_t,
    _context: *mut core::ffi::c_void,
) {
    // SAFETY: the kernel passes what came with the signal.
    unsafe { not_ours(signal, (*info).si_code) }
}

/// As long as it lives, this process can only end: whatever unwinds past it, nothing of the program runs again.
pub(super) struct NoReturn;

impl Drop for NoReturn {
    fn drop(&mut self) {
        leave(status::PANICKED)
    }
}
