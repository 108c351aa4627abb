//! What a process may still allocate, and what its address space looks like: the texts of `/proc` and of
//! the control groups, read and understood. Knows nothing of V8 and changes nothing.
//!
//! Time: one pass per text; memory: one [`Mapping`] (64 bytes) per line of `maps`.
#![forbid(unsafe_code)]

mod cgroup;
mod estimate;
mod maps;
mod process;
mod room;
mod text;

pub use cgroup::{Cgroup, Cgroups, Version};
pub use estimate::{HeapSize, Need};
pub use maps::{Mapping, maps, smaps};
pub use process::{Stat, resident_pages, stat, stat_field, stat_of, status_kilobytes};
pub use room::{Bound, Machine, Room};
pub use text::read_text;
