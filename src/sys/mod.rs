//! What we need of the operating system and of libuv beyond the safe crates: each file one thing, its
//! unsafe code inside, a safe interface outside.

mod copies;
mod disposition;
mod exit;
mod footprint;
mod keeper;
mod memory;
mod pin;
mod usage;
mod wakeup;

pub use copies::{Copies, Delivery, deliver_elsewhere};
pub use disposition::Disposition;
pub use exit::at_exit;
pub use footprint::release_loading_pages;
pub use keeper::{SignalWatcher, leave_libuv_alone};
pub use memory::release_free_memory;
pub use pin::pin_library;
pub use usage::{address_space_limit, host_name, usage};
pub use wakeup::Wakeup;

use std::thread::{Builder, JoinHandle};

/// Starts a thread that none of the application's signals are delivered to.
#[cfg(unix)]
pub fn spawn_quiet(name: &str, body: impl FnOnce() + Send + 'static) -> std::io::Result<JoinHandle<()>> {
    stillheap_frozen::fault::hit(stillheap_frozen::fault::FaultPoint::Spawn)?;
    with_signals_blocked(|| Builder::new().name(name.to_owned()).stack_size(512 * 1024).spawn(body))
}

/// Starts a thread.
#[cfg(not(unix))]
pub fn spawn_quiet(name: &str, body: impl FnOnce() + Send + 'static) -> std::io::Result<JoinHandle<()>> {
    Builder::new().name(name.to_owned()).spawn(body)
}

/// Runs `body` with all signals blocked on this thread; threads started in it inherit that.
#[cfg(unix)]
pub fn with_signals_blocked<T>(body: impl FnOnce() -> T) -> T {
    let _blocked = stillheap_frozen::BlockedSignals::new();
    body()
}

/// Runs `body`.
#[cfg(not(unix))]
pub fn with_signals_blocked<T>(body: impl FnOnce() -> T) -> T {
    body()
}

/// Node-API's environment, for calls from its own thread.
pub fn environment(env: &napi::Env) -> stillheap_v8::Environment {
    // SAFETY: napi passes it to calls from JavaScript, on the environment's thread. `isolates` keeps it in a target,
    // whose environment is used on that thread only, and drops it in the environment's clean-up hook.
    unsafe { stillheap_v8::Environment::from_raw(env.raw().cast()) }
}

/// Whether this is the thread that the process began with.
#[cfg(target_os = "linux")]
pub fn is_main_thread() -> Option<bool> {
    Some(nix::unistd::gettid() == nix::unistd::getpid())
}

/// Not known here.
#[cfg(not(target_os = "linux"))]
pub fn is_main_thread() -> Option<bool> {
    None
}
