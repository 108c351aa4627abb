//! Forking on Linux with glibc; see the folder above for the whole.

mod arena;
mod child;
mod flow;
mod now;
mod page;
mod prepare;
mod ranges;
mod slots;
mod thaw;
mod watch;

pub use child::is_child;
pub use flow::{Moment, Ticket, begin};
pub use now::{Ended, take_now};
pub use watch::end_all;

/// Why captures can't be forked here; `None` if they can.
pub fn unsupported() -> Option<String> {
    if let Err(reason) = prepare::slots() {
        return Some(reason.to_owned());
    }
    std::fs::File::open("/proc/self/smaps")
        .err()
        .map(|error| format!("/proc/self/smaps can't be read: {error}"))
}
