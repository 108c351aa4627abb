//! What reads a heap that a forked child holds still: implementations of [`stillheap_frozen::Engine`].
#![forbid(unsafe_code)]

#[cfg(all(target_os = "linux", target_env = "gnu", any(target_arch = "x86_64", target_arch = "aarch64")))]
mod generator;
#[cfg(all(target_os = "linux", target_env = "gnu", any(target_arch = "x86_64", target_arch = "aarch64")))]
mod own;
mod splice;

#[cfg(all(
    target_os = "linux",
    target_env = "gnu",
    any(target_arch = "x86_64", target_arch = "aarch64")
))]
pub use generator::V8Generator;
#[cfg(all(
    target_os = "linux",
    target_env = "gnu",
    any(target_arch = "x86_64", target_arch = "aarch64")
))]
pub use own::{OwnReader, UNREADABLE, own_obstacle};
pub use splice::insert_header;
