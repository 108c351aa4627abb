//! The child gives up what it has inherited and steps back behind every other process.

use core::ffi::{c_int, c_long, c_void};
use std::io;
use std::os::fd::RawFd;
use std::ptr;

use super::leave::{FATAL, fatal, look_after_parent, terminated};

/// A replacement's address.
macro_rules! at {
    ($function:path) => {
        $function as *const () as usize
    };
}

/// Gives up what was inherited and steps back.
///
/// # Errors
/// The descriptors can't be listed: the child would have all of the service's. All else is of no consequence.
pub(super) fn become_guest(file: RawFd, log: RawFd, outlive: bool) -> io::Result<()> {
    let keep = [file, log];
    let descriptors = open_descriptors()?;
    // SAFETY: system calls on this process alone. Handlers are async-signal-safe. The descriptors are the
    // child's own copies: the parent's stay open.
    unsafe {
        let handle = |signal: c_int, handler: usize| {
            let mut action: libc::sigaction = core::mem::zeroed();
            action.sa_sigaction = handler;
            action.sa_flags = libc::SA_RESTART;
            libc::sigaction(signal, &raw const action, ptr::null_mut());
        };
        for signal in 1..=64 {
            handle(signal, libc::SIG_DFL);
        }
        // Writing fails with an errno instead.
        handle(libc::SIGPIPE, libc::SIG_IGN);
        handle(libc::SIGXFSZ, libc::SIG_IGN);
        for signal in FATAL {
            let mut action: libc::sigaction = core::mem::zeroed();
            action.sa_sigaction = at!(fatal);
            action.sa_flags = libc::SA_SIGINFO | libc::SA_NODEFER;
            libc::sigaction(signal, &raw const action, ptr::null_mut());
        }
        if outlive {
            libc::setsid();
            for signal in [libc::SIGHUP, libc::SIGINT, libc::SIGTERM] {
                handle(signal, libc::SIG_IGN);
            }
        } else {
            for signal in [libc::SIGHUP, libc::SIGINT, libc::SIGTERM] {
                handle(signal, at!(terminated));
            }
            handle(libc::SIGALRM, at!(look_after_parent));
            let second = libc::timeval { tv_sec: 1, tv_usec: 0 };
            let timer = libc::itimerval { it_interval: second, it_value: second };
            libc::setitimer(libc::ITIMER_REAL, &raw const timer, ptr::null_mut());
        }
        let mut none: libc::sigset_t = core::mem::zeroed();
        libc::sigemptyset(&raw mut none);
        libc::sigprocmask(libc::SIG_SETMASK, &raw const none, ptr::null_mut());

        // Not closed but replaced: V8 and libuv may still write into one of them (an eventfd), and abort
        // if that fails.
        let null = libc::open(c"/dev/null".as_ptr(), libc::O_RDWR | libc::O_CLOEXEC);
        let null = if null < 0 { log } else { null };
        for descriptor in descriptors {
            if !keep.contains(&descriptor) && descriptor != null {
                libc::dup2(if descriptor == 1 || descriptor == 2 { log } else { null }, descriptor);
            }
        }

        let adjust = libc::open(c"/proc/self/oom_score_adj".as_ptr(), libc::O_WRONLY | libc::O_CLOEXEC);
        if adjust >= 0 {
            libc::write(adjust, b"1000".as_ptr().cast::<c_void>(), 4);
            libc::close(adjust);
        }
        // Ten steps behind the service, wherever that stands.
        libc::nice(10);
        // Best effort, last of its class.
        const IOPRIO_WHO_PROCESS: c_long = 1;
        const BEST_EFFORT_LAST: c_long = (2 << 13) | 7;
        libc::syscall(libc::SYS_ioprio_set, IOPRIO_WHO_PROCESS, 0, BEST_EFFORT_LAST);
        let none = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
        libc::setrlimit(libc::RLIMIT_CORE, &raw const none);
        // Where cores go into a pipe, only this keeps one from being written.
        libc::prctl(libc::PR_SET_DUMPABLE, 0, 0, 0, 0);
        libc::prctl(libc::PR_SET_NAME, c"stillheap-child".as_ptr());
    }
    Ok(())
}

/// What the kernel lists as open. By system calls alone: the C library would allocate.
fn list_descriptors() -> io::Result<Vec<RawFd>> {
    let mut descriptors = Vec::new();
    let mut buffer = [0_u64; 512];
    // SAFETY: the buffer is as large as the call is told, and entries are read from what it has written: 8 bytes of
    // inode, 8 of offset, 2 of length, 1 of type, then the name with its NUL.
    unsafe {
        let directory =
            libc::open(c"/proc/self/fd".as_ptr(), libc::O_RDONLY | libc::O_DIRECTORY | libc::O_CLOEXEC);
        if directory < 0 {
            return Err(io::Error::last_os_error());
        }
        let start = buffer.as_mut_ptr().cast::<u8>();
        loop {
            let length = libc::syscall(libc::SYS_getdents64, directory, start, size_of_val(&buffer));
            if length <= 0 {
                let error = io::Error::last_os_error();
                libc::close(directory);
                return if length == 0 { Ok(descriptors) } else { Err(error) };
            }
            let mut at = 0;
            while at < length as usize {
                let entry = start.add(at);
                at += usize::from(entry.add(16).cast::<u16>().read_unaligned()).max(24);
                let name = core::ffi::CStr::from_ptr(entry.add(19).cast());
                let number = name.to_str().ok().and_then(|name| name.parse::<RawFd>().ok());
                descriptors.extend(number.filter(|&number| number != directory));
            }
        }
    }
}

/// All open descriptors. The process may have as many as it may have: then standard output, which becomes the log
/// anyway, makes room for the list.
fn open_descriptors() -> io::Result<Vec<RawFd>> {
    let error = match list_descriptors() {
        Ok(descriptors) => return Ok(descriptors),
        Err(error) => error,
    };
    if error.raw_os_error() != Some(libc::EMFILE) {
        return Err(error);
    }
    // SAFETY: the child's own copy of it.
    unsafe { libc::close(1) };
    let mut descriptors = list_descriptors()?;
    descriptors.push(1);
    Ok(descriptors)
}
