//! What reads a heap that a forked child holds still: implementations of [`stillheap_frozen::Engine`].
#![forbid(unsafe_code)]

#[cfg(all(target_os = "linux", target_env = "gnu", any(target_arch = "x86_64", target_arch = "aarch64")))]
mod generator;
mod splice;

#[cfg(all(
    target_os = "linux",
    target_env = "gnu",
    any(target_arch = "x86_64", target_arch = "aarch64")
))]
pub use generator::V8Generator;
pub use splice::insert_header;
