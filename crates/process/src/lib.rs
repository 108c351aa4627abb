//! The memory of a process that has stopped: from an ELF core file, which the kernel, gcore, systemd-coredump or an
//! abort left behind, or from a process that stands still ([`Live`]).
//!
//! Of a core it reads as far as the file goes: a truncated core has the mappings that are in it. The file is mapped, not read, so
//! its pages cost memory only as long as they are looked at; a packed core is unpacked into a temporary file first.
#![deny(unsafe_code)]

mod arguments;
mod core;
mod error;
#[cfg(target_os = "linux")]
mod live;
mod notes;
mod program;
mod source;

pub use arguments::StartedWith;
pub use core::{Core, Mapping};
pub use error::{Error, Result};
#[cfg(target_os = "linux")]
pub use live::Live;
pub use notes::{Death, MappedFile, Thread};
pub use program::{Program, Symbol};
