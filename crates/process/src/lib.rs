//! The memory of a process that has stopped, from an ELF core file: what the kernel, gcore, systemd-coredump or an
//! abort left behind.
//!
//! Reads as far as the file goes: a truncated core has the mappings that are in it. The file is mapped, not read, so
//! its pages cost memory only as long as they are looked at; a packed core is unpacked into a temporary file first.
#![deny(unsafe_code)]

mod core;
mod error;
mod notes;
mod program;
mod source;

pub use core::{Core, Mapping};
pub use error::{Error, Result};
pub use notes::{Death, MappedFile, Thread};
pub use program::{Program, Symbol};
