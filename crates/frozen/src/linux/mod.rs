//! Forking on Linux with glibc.

mod arena;
mod child;
mod confine;
mod engine;
mod guest;
mod leave;
mod memory;
mod page;
mod prepare;
mod ranges;
mod replacements;
mod slots;
mod thaw;
mod watch;

pub use engine::{Engine, EngineProgress, Output};
pub use leave::is_child;
pub use memory::{FrozenMemory, Region};
pub use page::Figures;
pub use prepare::{Finished, ForkRequest, Forked};
pub use slots::foreign_allocator;
pub use thaw::thaw;
pub use watch::{ChildrenAtExit, Ending, end_all, watch};

/// Why captures of what runs in the loaded object at `runtime` ([`Engine::runtime`]) can't be forked here; `None` if
/// they can.
pub fn unsupported(runtime: Option<usize>) -> Option<String> {
    if let Err(reason) = prepare::slots(runtime) {
        return Some(reason);
    }
    if let Some(reason) = confine::obstacle() {
        return Some(reason.to_owned());
    }
    std::fs::File::open("/proc/self/smaps")
        .err()
        .map(|error| format!("/proc/self/smaps can't be read: {error}"))
}
