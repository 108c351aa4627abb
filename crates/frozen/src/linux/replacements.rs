//! What the child calls instead of the C library: nothing that would wait for another thread.

use core::ffi::{c_int, c_long};
use std::sync::atomic::{AtomicI32, Ordering};

use super::arena;
use super::leave::{FORKER, leave, status};
use super::slots::Replacement;

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
pub fn replacements() -> &'static [Replacement] {
    use std::sync::OnceLock;
    static TABLE: OnceLock<Vec<Replacement>> = OnceLock::new();
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
        let waits = waits.map(|(name, address)| Replacement { name, address, memory: false });
        waits.into_iter().chain(arena::replacements()).collect()
    })
}

/// Without slots for these nothing works.
pub const NEEDED: &[&core::ffi::CStr] =
    &[c"pthread_cond_signal", c"pthread_cond_wait", c"pthread_mutex_lock"];
