//! Keeps the addon mapped until the process ends.

/// Node unloads an addon when the last environment that loaded it is gone, for instance a worker. Our
/// thread, signal handler and exit handler would then run in unmapped memory, so the library is pinned.
/// (heapdump crashes this way: a worker that loaded it exits, then a signal arrives.)
#[cfg(unix)]
pub fn pin_library() {
    // SAFETY: dladdr fills `info` for an address inside this library; dlopen of a library that is loaded
    // already runs no code of it, and the handle is leaked on purpose.
    unsafe {
        let mut info: libc::Dl_info = core::mem::zeroed();
        if libc::dladdr(pin_library as *const () as *const _, &raw mut info) != 0 && !info.dli_fname.is_null()
        {
            libc::dlopen(info.dli_fname, libc::RTLD_LAZY | libc::RTLD_NOLOAD | libc::RTLD_NODELETE);
        }
    }
}

/// Windows: our code runs on no thread of its own and in no handler there, so nothing has to be pinned.
#[cfg(not(unix))]
pub fn pin_library() {}
