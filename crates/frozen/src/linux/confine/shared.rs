//! Memory that the service shares with others: databases' indexes, rings of the kernel's, files that are mapped.
//!
//! The child has the same mappings, and a write to one of them would be a write to the file, or into another
//! process. They become read-only, and a write gets a copy of its page. Nothing is copied ahead: a mapping may be
//! larger than memory, or than its file.

use core::ffi::{c_int, c_void};
use std::io;
use std::ptr;
use std::sync::atomic::{AtomicUsize, Ordering};

use stillheap_limits::maps;

use crate::linux::leave::{leave, not_ours, status};

/// From the first to the last of them.
static RANGES: [(AtomicUsize, AtomicUsize); MOST] =
    [const { (AtomicUsize::new(0), AtomicUsize::new(0)) }; MOST];
static COUNT: AtomicUsize = AtomicUsize::new(0);
/// What is beyond these is read-only, and a write to it ends the child.
const MOST: usize = 1024;

/// Makes all shared mappings but `writable` read-only; a device's are out of reach. Says which they are, by address.
pub(super) fn protect(writable: &[(usize, usize)]) -> io::Result<Vec<(usize, usize)>> {
    let mut ranges = Vec::new();
    for mapping in maps(&std::fs::read("/proc/self/maps")?) {
        let overlaps = |&(start, end): &(usize, usize)| mapping.start < end && start < mapping.end;
        if !mapping.shared || writable.iter().any(overlaps) {
            continue;
        }
        ranges.push((mapping.start, mapping.end));
        if !mapping.may_write {
            continue;
        }
        let protection = if mapping.device { libc::PROT_NONE } else { libc::PROT_READ };
        // SAFETY: only who may read or write changes. No code of this process relies on writing there: what does
        // belongs to the application, which doesn't run in a child.
        if unsafe { libc::mprotect(mapping.start as *mut c_void, mapping.end - mapping.start, protection) }
            != 0
        {
            return Err(io::Error::last_os_error());
        }
        let count = COUNT.load(Ordering::Relaxed);
        if let Some((start, end)) = RANGES.get(count).filter(|_| !mapping.device) {
            start.store(mapping.start, Ordering::Relaxed);
            end.store(mapping.end, Ordering::Relaxed);
            COUNT.store(count + 1, Ordering::Relaxed);
        }
    }
    if COUNT.load(Ordering::Relaxed) > 0 {
        install()?;
    }
    Ok(ranges)
}

fn install() -> io::Result<()> {
    // SAFETY: `copy` is async-signal-safe; a zeroed action is completed here.
    unsafe {
        let mut action: libc::sigaction = core::mem::zeroed();
        action.sa_sigaction = copy as *const () as usize;
        action.sa_flags = libc::SA_SIGINFO | libc::SA_NODEFER;
        match libc::sigaction(libc::SIGSEGV, &raw const action, ptr::null_mut()) {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        }
    }
}

/// At a write to one of the ranges: puts a private copy of the page in its place.
unsafe extern "C" fn copy(_signal: c_int, info: *const libc::siginfo_t, _context: *mut c_void) {
    // SAFETY: the kernel passes the address of the access. The page is readable, and nobody else has the new one.
    unsafe {
        let address = (*info).si_addr() as usize;
        let is_shared = RANGES[..COUNT.load(Ordering::Relaxed).min(MOST)].iter().any(|(start, end)| {
            (start.load(Ordering::Relaxed)..end.load(Ordering::Relaxed)).contains(&address)
        });
        if !is_shared {
            not_ours(libc::SIGSEGV, (*info).si_code);
            return;
        }
        let size = usize::try_from(libc::sysconf(libc::_SC_PAGESIZE)).unwrap_or(4096);
        let page = (address & !(size - 1)) as *mut c_void;
        let private = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
        let new = libc::mmap(ptr::null_mut(), size, libc::PROT_READ | libc::PROT_WRITE, private, -1, 0);
        if new == libc::MAP_FAILED {
            leave(status::SHARED);
        }
        ptr::copy_nonoverlapping(page.cast::<u8>(), new.cast::<u8>(), size);
        let flags = libc::MREMAP_MAYMOVE | libc::MREMAP_FIXED;
        // Where that can't be (pages of another size), the write would fault again and again.
        if libc::mremap(new, size, size, flags, page) == libc::MAP_FAILED {
            leave(status::SHARED);
        }
    }
}
