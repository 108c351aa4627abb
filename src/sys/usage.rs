//! How much memory the process has, as a snapshot's header says it: a heap that does not grow in a process that
//! does is an answer, too.

use stillheap_protocol::Usage;

/// As it is now, without what only V8 knows. Takes as long as malloc has free pieces, some microseconds.
pub fn usage() -> Usage {
    Usage { resident: resident(), allocated: allocated(), ..Usage::default() }
}

#[cfg(target_os = "linux")]
fn resident() -> Option<u64> {
    // SAFETY: sysconf only reads.
    let page = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    Some(stillheap_limits::resident_pages()? * u64::try_from(page).ok()?)
}

#[cfg(not(target_os = "linux"))]
fn resident() -> Option<u64> {
    None
}

#[cfg(all(target_os = "linux", target_env = "gnu"))]
fn allocated() -> Option<u64> {
    // Looked up, since older C libraries lack it and would not load us at all.
    type Mallinfo = unsafe extern "C" fn() -> libc::mallinfo2;
    // SAFETY: dlsym only reads the NUL-terminated name. glibc's mallinfo2 takes nothing, locks each arena by
    // itself, and returns the struct that libc declares; since version 2.33 it has not changed.
    unsafe {
        let symbol = libc::dlsym(libc::RTLD_DEFAULT, c"mallinfo2".as_ptr());
        if symbol.is_null() {
            return None;
        }
        let mallinfo: Mallinfo = core::mem::transmute(symbol);
        let info = mallinfo();
        Some((info.uordblks + info.hblkhd) as u64)
    }
}

#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
fn allocated() -> Option<u64> {
    None
}

/// `RLIMIT_AS` in bytes, if there is such a limit.
#[cfg(unix)]
pub fn address_space_limit() -> Option<u64> {
    // SAFETY: a zeroed rlimit is overwritten.
    unsafe {
        let mut limit: libc::rlimit = core::mem::zeroed();
        (libc::getrlimit(libc::RLIMIT_AS, &raw mut limit) == 0 && limit.rlim_cur != libc::RLIM_INFINITY)
            .then_some(limit.rlim_cur)
    }
}

/// Windows and others have no such limit.
#[cfg(not(unix))]
pub fn address_space_limit() -> Option<u64> {
    None
}

/// The machine's name, or the container's.
#[cfg(unix)]
pub fn host_name() -> Option<String> {
    nix::unistd::gethostname().ok()?.into_string().ok()
}

/// Not known.
#[cfg(not(unix))]
pub fn host_name() -> Option<String> {
    None
}
