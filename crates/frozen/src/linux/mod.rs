//! Forking on Linux with glibc.

mod arena;
mod child;
mod engine;
mod page;
mod prepare;
mod ranges;
mod slots;
mod thaw;
mod watch;

pub use child::is_child;
pub use engine::{Engine, Output, Progress};
pub use page::Figures;
pub use prepare::{Finished, Forked, Order};
pub use thaw::thaw;
pub use watch::{Done, Ending, end_all, watch};

/// Why captures of what runs in the loaded object at `runtime` ([`Engine::runtime`]) can't be forked here; `None` if
/// they can.
pub fn unsupported(runtime: Option<usize>) -> Option<String> {
    if let Err(reason) = prepare::slots(runtime) {
        return Some(reason);
    }
    std::fs::File::open("/proc/self/smaps")
        .err()
        .map(|error| format!("/proc/self/smaps can't be read: {error}"))
}
