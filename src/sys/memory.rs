//! Gives memory back to the system after a capture.

/// V8's generator takes a multiple of the heap from malloc, and glibc keeps what is freed for later: a
/// service of 100 MB stays at over 500 after one snapshot, which looks like a leak and may end in the
/// container's limit. The allocator's lock is held meanwhile, some milliseconds for each 100 MB.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
pub fn release_free_memory() {
    // SAFETY: malloc_trim may be called from any thread at any time.
    unsafe { libc::malloc_trim(0) };
}

/// Other allocators give back by themselves.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub fn release_free_memory() {}
