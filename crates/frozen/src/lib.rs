//! Freezes a heap by `fork()` and watches over the child that reads it, knowing nothing of V8 or Node.
//!
//! The child has the heap as it was at that moment and takes its time to have an [`Engine`] read it; the parent goes
//! on after a pause of milliseconds. Why a plain `fork` doesn't do, and what is done about it:
//!
//! - V8 keeps its heap out of children (`ranges`: the marks are taken off for the fork);
//! - V8 and Node believe in threads that the child doesn't have (`slots`: a wait becomes an exit);
//! - the child inherits sockets, handlers and standing (`guest`: gives them up);
//! - native finalizers run in it (`confine`: they can't touch the world);
//! - a child may fail or need too much memory (`prepare`, `watch`: look first, watch, end, try again).
//!
//! Pause: the copy of the page tables, about 50 ms per GB of resident memory. Memory: what the engine takes, and a
//! copy of each page that either process writes to while the child lives.

pub mod fault;
#[cfg(all(target_os = "linux", target_env = "gnu", any(target_arch = "x86_64", target_arch = "aarch64")))]
mod linux;
#[cfg(unix)]
mod signals;

#[cfg(all(
    target_os = "linux",
    target_env = "gnu",
    any(target_arch = "x86_64", target_arch = "aarch64")
))]
pub use linux::*;
#[cfg(unix)]
pub use signals::BlockedSignals;
