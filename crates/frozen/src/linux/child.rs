//! The child: a guest that takes the snapshot and leaves.
//!
//! It has one thread, a copy of the heap, and no business with anything else: it gives up what it has
//! inherited, steps back behind every other process, runs no JavaScript and no exit hook. What it must not
//! do is wait: whatever lock was held at the fork stays held for ever. See `slots` for what recognises that.

use core::ffi::{c_char, c_int, c_long, c_void};
use std::os::fd::{AsRawFd, RawFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicPtr, Ordering};

use stillheap_protocol::Failure;
use stillheap_sink::Direct;

use super::arena::{self, Disk};
use super::engine::{Engine, Output};
use super::page::Page;
use super::slots::Slots;

/// Exit statuses from which the parent reads what happened. All others are V8's or the system's.
pub mod status {
    pub const WAITED: i32 = 75;
    pub const LOCKED: i32 = 77;
    pub const EXITED: i32 = 81;
    pub const ORPHANED: i32 = 82;
    pub const TERMINATED: i32 = 83;
    pub const PANICKED: i32 = 84;
}

/// Everything that the child needs, made before the fork.
pub struct Task<'a> {
    pub page: &'a Page,
    pub slots: &'a Slots,
    /// What the runtime says on stderr goes here.
    pub log: RawFd,
    /// The temporary file's name, NUL-terminated, and its descriptor.
    pub temporary: Option<std::ffi::CString>,
    pub file: RawFd,
    pub parent: libc::pid_t,
    /// The parent's thread that forked.
    pub thread: libc::pid_t,
    /// Finish even if the parent ends.
    pub outlive: bool,
    /// Where V8's working memory goes, if not into the system's.
    pub disk: Option<&'a Disk>,
}

// What the handlers and replacements know. Set before any of them can run.
static PARENT: AtomicI32 = AtomicI32::new(0);
static FORKER: AtomicI32 = AtomicI32::new(0);
static TEMPORARY: AtomicPtr<c_char> = AtomicPtr::new(ptr::null_mut());
static OUTLIVE: AtomicBool = AtomicBool::new(false);

/// Whether this process is a child of ours. May be asked at any time: no lock is touched.
pub fn is_child() -> bool {
    PARENT.load(Ordering::Relaxed) != 0
}

fn orphaned() -> bool {
    // SAFETY: getppid can't fail and touches nothing.
    unsafe { libc::getppid() != PARENT.load(Ordering::Relaxed) }
}

/// Leaves. The parent removes the temporary file; an orphan has to do it itself.
fn leave(code: i32) -> ! {
    let temporary = TEMPORARY.load(Ordering::Relaxed);
    // SAFETY: both calls may be made in a signal handler; the name is never freed in the child.
    unsafe {
        if !temporary.is_null() && orphaned() {
            libc::unlink(temporary);
        }
        libc::_exit(code)
    }
}

extern "C" fn nothing() -> c_int {
    0
}

extern "C" fn waits() -> c_int {
    leave(status::WAITED)
}

extern "C" fn exits() {
    leave(status::EXITED)
}

extern "C" fn creates() -> c_int {
    libc::EAGAIN
}

/// The beginning of glibc's `pthread_mutex_t` (bits/struct_mutex.h), the same on the 64-bit platforms.
#[repr(C)]
struct Mutex {
    lock: c_int,
    count: u32,
    owner: AtomicI32,
    users: u32,
    kind: c_int,
}

const _: () = assert!(core::mem::offset_of!(Mutex, kind) == 16);
const _: () = assert!(size_of::<Mutex>() <= size_of::<libc::pthread_mutex_t>());

/// Makes a recursive mutex that the forking thread held this thread's, which is that thread's continuation: glibc
/// knows a mutex's owner by its thread id, which is another one in the child. V8 calls at the heap limit while it
/// holds its list of threads in a collection (Node 20), and locks that again in the collection before the snapshot.
/// Says whether it was such a one.
///
/// # Safety
/// `mutex` is a mutex of glibc's.
unsafe fn inherit(mutex: *mut libc::pthread_mutex_t) -> bool {
    // SAFETY: glibc's layout; there is no other thread that could write to it.
    let Mutex { owner, kind, .. } = unsafe { &*mutex.cast::<Mutex>() };
    // Nothing but the plain recursive kind: neither robust nor shared, nor with a priority.
    if *kind != libc::PTHREAD_MUTEX_RECURSIVE
        || owner.load(Ordering::Relaxed) != FORKER.load(Ordering::Relaxed)
    {
        return false;
    }
    // SAFETY: gettid can't fail and touches nothing.
    owner.store(unsafe { libc::gettid() }, Ordering::Relaxed);
    true
}

unsafe extern "C" fn mutex_lock(mutex: *mut libc::pthread_mutex_t) -> c_int {
    // SAFETY: the caller's mutex.
    unsafe {
        match libc::pthread_mutex_trylock(mutex) {
            libc::EBUSY if inherit(mutex) => libc::pthread_mutex_trylock(mutex),
            libc::EBUSY => leave(status::LOCKED),
            other => other,
        }
    }
}

unsafe extern "C" fn read_lock(lock: *mut libc::pthread_rwlock_t) -> c_int {
    // SAFETY: the caller's lock.
    match unsafe { libc::pthread_rwlock_tryrdlock(lock) } {
        libc::EBUSY => leave(status::LOCKED),
        other => other,
    }
}

unsafe extern "C" fn write_lock(lock: *mut libc::pthread_rwlock_t) -> c_int {
    // SAFETY: the caller's lock.
    match unsafe { libc::pthread_rwlock_trywrlock(lock) } {
        libc::EBUSY => leave(status::LOCKED),
        other => other,
    }
}

unsafe extern "C" fn semaphore_wait(semaphore: *mut libc::sem_t) -> c_int {
    // SAFETY: the caller's semaphore.
    match unsafe { libc::sem_trywait(semaphore) } {
        0 => 0,
        _ => leave(status::WAITED),
    }
}

unsafe extern "C" fn system_call(
    number: c_long,
    a: c_long,
    b: c_long,
    c: c_long,
    d: c_long,
    e: c_long,
    f: c_long,
) -> c_long {
    const FUTEX_COMMAND: c_long = 0x7f;
    let waits = [libc::FUTEX_WAIT, libc::FUTEX_WAIT_BITSET, libc::FUTEX_LOCK_PI];
    if number == libc::SYS_futex && waits.iter().any(|&wait| c_long::from(wait) == b & FUTEX_COMMAND) {
        // The value may have changed already: then the kernel wouldn't wait, either.
        // SAFETY: the caller passes the address of the futex's 32 bits.
        let value = unsafe { (a as *const u32).read_volatile() };
        if value == c as u32 || b & FUTEX_COMMAND == c_long::from(libc::FUTEX_LOCK_PI) {
            leave(status::WAITED);
        }
    }
    // SAFETY: passed on as it came; surplus arguments are ignored by the kernel.
    unsafe { libc::syscall(number, a, b, c, d, e, f) }
}

/// A replacement's address.
macro_rules! at {
    ($function:path) => {
        $function as *const () as usize
    };
}

/// What the child replaces; see `slots`.
pub fn replacements() -> &'static [super::slots::Replacement] {
    use std::sync::OnceLock;
    static TABLE: OnceLock<Vec<super::slots::Replacement>> = OnceLock::new();
    TABLE.get_or_init(|| {
        let waits = [
            (c"pthread_cond_signal", at!(nothing)),
            (c"pthread_cond_broadcast", at!(nothing)),
            (c"pthread_cond_wait", at!(waits)),
            (c"pthread_cond_timedwait", at!(waits)),
            (c"pthread_cond_clockwait", at!(waits)),
            (c"pthread_join", at!(waits)),
            (c"pthread_create", at!(creates)),
            (c"pthread_mutex_lock", at!(mutex_lock)),
            (c"pthread_rwlock_rdlock", at!(read_lock)),
            (c"pthread_rwlock_wrlock", at!(write_lock)),
            (c"sem_wait", at!(semaphore_wait)),
            (c"sem_timedwait", at!(semaphore_wait)),
            (c"sem_clockwait", at!(semaphore_wait)),
            (c"syscall", at!(system_call)),
            (c"exit", at!(exits)),
        ];
        let waits = waits.map(|(name, address)| super::slots::Replacement { name, address, memory: false });
        waits.into_iter().chain(arena::replacements()).collect()
    })
}

/// Without slots for these nothing works.
pub const NEEDED: &[&core::ffi::CStr] =
    &[c"pthread_cond_signal", c"pthread_cond_wait", c"pthread_mutex_lock"];

extern "C" fn look_after_parent(_signal: c_int) {
    if orphaned() {
        leave(status::ORPHANED);
    }
}

extern "C" fn terminated(_signal: c_int) {
    let temporary = TEMPORARY.load(Ordering::Relaxed);
    // SAFETY: as in `leave`.
    unsafe {
        if !temporary.is_null() {
            libc::unlink(temporary);
        }
        libc::_exit(status::TERMINATED)
    }
}

/// Runs the child from the fork to its end. All signals are blocked when it begins.
pub fn run(task: Task<'_>, engine: &mut dyn Engine, start: impl FnOnce() -> Result<Direct, Failure>) -> ! {
    PARENT.store(task.parent, Ordering::Relaxed);
    FORKER.store(task.thread, Ordering::Relaxed);
    OUTLIVE.store(task.outlive, Ordering::Relaxed);
    if let Some(name) = &task.temporary {
        TEMPORARY.store(name.as_ptr().cast_mut(), Ordering::Relaxed);
    }
    // SAFETY: this is the child; it never returns to the program's code but into V8 for the snapshot.
    unsafe { task.slots.replace(task.disk.is_some_and(Disk::map)) };
    become_guest(&task);
    let page = task.page;
    let code = match catch_unwind(AssertUnwindSafe(|| take(&task, engine, start))) {
        Ok(Ok(text)) => {
            page.end(text.as_bytes());
            0
        }
        Ok(Err(failure)) => {
            let text = serde_json::json!({ "error": failure }).to_string();
            page.end(text.as_bytes());
            1
        }
        Err(_) => status::PANICKED,
    };
    leave(code)
}

fn take(
    task: &Task<'_>,
    engine: &mut dyn Engine,
    start: impl FnOnce() -> Result<Direct, Failure>,
) -> Result<String, Failure> {
    let figures = task.page.figures();
    figures.resident_at_first.store(resident(), Ordering::Relaxed);
    let mut out = Output::new(start()?, figures);
    engine.write(&mut out)?;
    figures.resident_peak.store(peak(), Ordering::Relaxed);
    let written = out.finish()?;
    // From here on there is nothing to remove.
    TEMPORARY.store(ptr::null_mut(), Ordering::Relaxed);
    Ok(serde_json::json!({ "path": written.path, "bytes": written.bytes, "rawBytes": written.raw_bytes })
        .to_string())
}

/// Gives up what was inherited and steps back. Nothing here may fail the capture.
fn become_guest(task: &Task<'_>) {
    let keep = [task.file, task.log];
    let descriptors = open_descriptors();
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
        if task.outlive {
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
        let null = if null < 0 { task.log } else { null };
        for descriptor in descriptors {
            if !keep.contains(&descriptor) && descriptor != null {
                libc::dup2(if descriptor == 1 || descriptor == 2 { task.log } else { null }, descriptor);
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
}

fn open_descriptors() -> Vec<RawFd> {
    let Ok(entries) = std::fs::read_dir("/proc/self/fd") else { return Vec::new() };
    entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok()).collect()
}

/// Resident bytes now.
fn resident() -> u64 {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages: u64 = text.split(' ').nth(1).and_then(|pages| pages.parse().ok()).unwrap_or(0);
    // SAFETY: sysconf only reads.
    pages * u64::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).unwrap_or(4096)
}

/// The most resident bytes there were.
fn peak() -> u64 {
    // SAFETY: a zeroed rusage is overwritten.
    unsafe {
        let mut usage: libc::rusage = core::mem::zeroed();
        libc::getrusage(libc::RUSAGE_SELF, &raw mut usage);
        u64::try_from(usage.ru_maxrss).unwrap_or(0) * 1024
    }
}

/// The descriptor of a file that outlives the call.
pub fn descriptor(file: &std::fs::File) -> RawFd {
    file.as_raw_fd()
}
