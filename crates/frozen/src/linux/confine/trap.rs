//! What happens at a system call that the filter refuses: `SIGSYS`, whose handler answers it.

use core::ffi::{c_int, c_void};
use std::io;
use std::ptr;
use std::sync::atomic::{AtomicPtr, AtomicU32, Ordering};

use super::calls::{self, NAMES};
use crate::linux::leave::{leave, status};

/// Where refusals are counted, for the parent: in the page that it shares.
#[derive(Clone, Copy)]
pub struct RefusalCounters {
    /// How often, by [`calls::name`].
    pub counts: &'static [AtomicU32; NAMES],
    pub last: &'static AtomicU32,
}

/// So many refusals of one call: its caller tries until it succeeds, which will not be.
const MOST: u32 = 10_000;

static COUNTS: AtomicPtr<[AtomicU32; NAMES]> = AtomicPtr::new(ptr::null_mut());
static LAST: AtomicPtr<AtomicU32> = AtomicPtr::new(ptr::null_mut());

/// Installs the handler.
///
/// # Safety
/// Only in a child that never returns to the program's own code.
pub(super) unsafe fn install(noted: RefusalCounters) -> io::Result<()> {
    COUNTS.store(ptr::from_ref(noted.counts).cast_mut(), Ordering::Relaxed);
    LAST.store(ptr::from_ref(noted.last).cast_mut(), Ordering::Relaxed);
    // SAFETY: `answer` is async-signal-safe; a zeroed action is completed here. SIGSYS must not be blocked when it
    // comes, or the kernel ends the process.
    unsafe {
        let mut action: libc::sigaction = core::mem::zeroed();
        action.sa_sigaction = answer as *const () as usize;
        action.sa_flags = libc::SA_SIGINFO | libc::SA_NODEFER;
        match libc::sigaction(libc::SIGSYS, &raw const action, ptr::null_mut()) {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        }
    }
}

/// The beginning of `siginfo_t` at a SIGSYS (asm-generic/siginfo.h), which libc doesn't show.
#[repr(C)]
struct Info {
    signal: c_int,
    errno: c_int,
    code: c_int,
    padding: c_int,
    address: *mut c_void,
    call: c_int,
    architecture: u32,
}

const _: () = assert!(core::mem::offset_of!(Info, address) == 16 && core::mem::offset_of!(Info, call) == 24);
const _: () = assert!(size_of::<Info>() <= size_of::<libc::siginfo_t>());

unsafe extern "C" fn answer(_signal: c_int, info: *const Info, context: *mut c_void) {
    // SAFETY: the kernel passes both; the pointers below were set before the handler was installed.
    unsafe {
        let (at, errno) = calls::refusal(i64::from((*info).call));
        let counts = &*COUNTS.load(Ordering::Relaxed);
        (*LAST.load(Ordering::Relaxed)).store(at as u32, Ordering::Relaxed);
        if counts[at].fetch_add(1, Ordering::Relaxed) >= MOST {
            leave(status::INSISTED);
        }
        let context = &mut *context.cast::<libc::ucontext_t>();
        // The call's result, where the kernel would have put it.
        #[cfg(target_arch = "x86_64")]
        {
            context.uc_mcontext.gregs[libc::REG_RAX as usize] = -i64::from(errno);
        }
        #[cfg(target_arch = "aarch64")]
        {
            context.uc_mcontext.regs[0] = (-i64::from(errno)) as u64;
        }
    }
}
