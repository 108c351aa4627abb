//! Captures for which the service doesn't stand still: the heap is frozen by `fork()`.
//!
//! The child has the heap as it was at that moment and takes its time to have V8 read it; the parent goes on
//! after a pause of milliseconds. Why a plain `fork` doesn't do, and what is done about it:
//!
//! - V8 keeps its heap out of children (`ranges`: the marks are taken off for the fork);
//! - V8 and Node believe in threads that the child doesn't have (`slots`: a wait becomes an exit);
//! - the child inherits sockets, handlers and standing (`child`: gives them up);
//! - a child may fail or need too much memory (`prepare`, `watch`: look first, watch, end, try again).
//!
//! Pause: the copy of the page tables, about 50 ms per GB of resident memory. Memory: what V8's generator
//! takes, and a copy of each page that either process writes to while the child lives.
//!
//! The seam: `prepare` freezes, `child` reads. A reader other than V8's generator would replace the latter.

/// Whether an in-process capture may take the place of one that failed in this way. It would need as much
/// memory and the same disk.
pub fn may_fall_back(failure: &stillheap_sink::Failure) -> bool {
    ["UNSUPPORTED", "DEADLOCK", "CRASH", "STUCK", "TIME_LIMIT"]
        .iter()
        .any(|code| failure.code == format!("ERR_STILLHEAP_{code}"))
}

#[cfg(all(target_os = "linux", target_env = "gnu", any(target_arch = "x86_64", target_arch = "aarch64")))]
mod linux;

#[cfg(not(all(
    target_os = "linux",
    target_env = "gnu",
    any(target_arch = "x86_64", target_arch = "aarch64")
)))]
mod elsewhere;

#[cfg(not(all(
    target_os = "linux",
    target_env = "gnu",
    any(target_arch = "x86_64", target_arch = "aarch64")
)))]
pub use elsewhere::*;
#[cfg(all(
    target_os = "linux",
    target_env = "gnu",
    any(target_arch = "x86_64", target_arch = "aarch64")
))]
pub use linux::*;
