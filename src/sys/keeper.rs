//! Keeps libuv from giving a signal back to the system's default, which would kill the service.
//!
//! `process.on('SIGUSR2', …)` makes libuv install its handler when the first watcher of that signal starts,
//! over whatever stood there, and reset the signal to its default when the last one stops. Both would undo
//! our handler; after the second, the next SIGUSR2 ends the process. So we hold a watcher of our own, in a
//! loop of our own, for as long as our handler shall stand: libuv's handler is then installed before ours,
//! ours calls it, and libuv has no reason to touch the signal again, whatever the application registers and
//! removes, in whatever order. The watcher itself does nothing.

use core::ffi::{c_char, c_int, c_uint, c_void};
use core::mem::transmute;
use std::ffi::CStr;
use std::sync::atomic::{AtomicBool, Ordering};

pub(super) type Ptr = *mut c_void;

/// `UV_SIGNAL` in `uv_handle_type`; part of libuv 1's ABI.
const UV_SIGNAL: c_int = 16;
/// `UV_RUN_NOWAIT` in `uv_run_mode`.
const UV_RUN_NOWAIT: c_int = 2;

type Run = unsafe extern "C" fn(Ptr, c_int) -> c_int;
type Start = unsafe extern "C" fn(Ptr, unsafe extern "C" fn(Ptr, c_int), c_int) -> c_int;
type OnHandle = unsafe extern "C" fn(Ptr) -> c_int;
type OnTwo = unsafe extern "C" fn(Ptr, Ptr) -> c_int;
type Version = unsafe extern "C" fn() -> c_uint;
type Size = unsafe extern "C" fn() -> usize;
type SizeOf = unsafe extern "C" fn(c_int) -> usize;

/// libuv's functions, and a loop with one signal watcher. Stays on the thread that made it.
pub struct SignalWatcher {
    run: Run,
    start: Start,
    stop: OnHandle,
    event_loop: Ptr,
    watcher: Ptr,
}

unsafe extern "C" fn ignore(_watcher: Ptr, _signal: c_int) {}

pub(super) fn lookup(name: &CStr) -> Option<Ptr> {
    // SAFETY: dlsym only reads the NUL-terminated name.
    let address = unsafe { dlsym(name.as_ptr()) };
    (!address.is_null()).then_some(address)
}

#[cfg(unix)]
unsafe fn dlsym(name: *const c_char) -> Ptr {
    // SAFETY: passed on to the caller.
    unsafe { libc::dlsym(libc::RTLD_DEFAULT, name) }
}

#[cfg(not(unix))]
unsafe fn dlsym(_name: *const c_char) -> Ptr {
    core::ptr::null_mut()
}

impl SignalWatcher {
    /// `None` where the runtime has no libuv 1 in reach (Bun): then nobody resets signals behind our back.
    pub fn new() -> Option<Self> {
        // SAFETY: the names are libuv 1's public C functions, whose signatures don't change within the
        // major version, which is checked first. The two objects have the sizes that libuv itself gives,
        // are aligned for anything, zeroed, and never freed or moved.
        unsafe {
            check_version()?;
            let loop_size = transmute::<Ptr, Size>(lookup(c"uv_loop_size")?);
            let handle_size = transmute::<Ptr, SizeOf>(lookup(c"uv_handle_size")?);
            let loop_init = transmute::<Ptr, OnHandle>(lookup(c"uv_loop_init")?);
            let signal_init = transmute::<Ptr, OnTwo>(lookup(c"uv_signal_init")?);
            let keeper = Self {
                run: transmute::<Ptr, Run>(lookup(c"uv_run")?),
                start: transmute::<Ptr, Start>(lookup(c"uv_signal_start")?),
                stop: transmute::<Ptr, OnHandle>(lookup(c"uv_signal_stop")?),
                event_loop: allocate(loop_size())?,
                watcher: allocate(handle_size(UV_SIGNAL))?,
            };
            (loop_init(keeper.event_loop) == 0 && signal_init(keeper.event_loop, keeper.watcher) == 0)
                .then_some(keeper)
        }
    }

    /// From now on libuv's handler is installed for `signal`; false if libuv refused.
    pub fn hold(&self, signal: i32) -> bool {
        // SAFETY: `new` has initialised the watcher, and the type stays on its thread.
        unsafe { (self.start)(self.watcher, ignore, signal) == 0 }
    }

    /// Lets go: libuv resets the signal if nobody else watches it.
    pub fn release(&self) {
        // SAFETY: `new` has initialised the watcher, and the type stays on its thread.
        unsafe { (self.stop)(self.watcher) };
    }

    /// Takes libuv's messages about signals that came out of the loop's pipe.
    pub fn drain(&self) {
        // SAFETY: `new` has initialised the loop, the type stays on its thread, and the only handle's callback does nothing.
        unsafe { (self.run)(self.event_loop, UV_RUN_NOWAIT) };
    }
}

/// Whether the runtime isn't built on libuv, whatever functions it has.
static WITHOUT: AtomicBool = AtomicBool::new(false);

/// To be called before anything looks for libuv. Bun has functions of its names, most of which end the process when
/// they are called (`uv_loop_size`, in Bun 1.4).
pub fn leave_libuv_alone() {
    WITHOUT.store(true, Ordering::Relaxed);
}

/// `None` unless the runtime has a libuv 1 whose functions can be looked up.
pub(super) fn check_version() -> Option<()> {
    if WITHOUT.load(Ordering::Relaxed) {
        return None;
    }
    // SAFETY: `uv_version` takes nothing and returns a number in every libuv.
    let version = unsafe { transmute::<Ptr, Version>(lookup(c"uv_version")?)() };
    (version >> 16 == 1).then_some(())
}

/// Zeroed memory that is never freed.
pub(super) fn allocate(size: usize) -> Option<Ptr> {
    (size > 0).then(|| Box::leak(vec![0_u128; size.div_ceil(16)].into_boxed_slice()).as_mut_ptr().cast())
}
