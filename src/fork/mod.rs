//! Captures for which the service doesn't stand still; `stillheap-frozen` says how the heap is frozen. Here is what
//! belongs to the addon: who asks for the fork, on which thread it happens, and what is told of it.

use stillheap_protocol::Failure;

/// Whether an in-process capture may take the place of one that failed in this way. It would need as much
/// memory and the same disk.
pub fn may_fall_back(failure: &Failure) -> bool {
    ["UNSUPPORTED", "DEADLOCK", "CRASH", "STUCK", "TIME_LIMIT", "CONFINED"]
        .iter()
        .any(|code| failure.code == format!("ERR_STILLHEAP_{code}"))
}

#[cfg(all(target_os = "linux", target_env = "gnu", any(target_arch = "x86_64", target_arch = "aarch64")))]
mod capture;
#[cfg(all(target_os = "linux", target_env = "gnu", any(target_arch = "x86_64", target_arch = "aarch64")))]
mod flow;
#[cfg(all(target_os = "linux", target_env = "gnu", any(target_arch = "x86_64", target_arch = "aarch64")))]
mod now;
#[cfg(all(
    target_os = "linux",
    target_env = "gnu",
    any(target_arch = "x86_64", target_arch = "aarch64")
))]
pub use {
    flow::{CaptureHandle, begin, running, waiting},
    now::{Ended, take_now},
    stillheap_frozen::{ChildrenAtExit, end_all, is_child},
};

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

/// Why captures can't be forked here; `None` if they can.
#[cfg(all(target_os = "linux", target_env = "gnu", any(target_arch = "x86_64", target_arch = "aarch64")))]
pub fn unsupported() -> Option<String> {
    match stillheap_v8::V8::get() {
        Err(reason) => Some(reason.to_owned()),
        Ok(v8) => stillheap_frozen::unsupported(Some(v8.address())),
    }
}
