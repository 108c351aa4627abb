//! Linux on x86-64.

mod blob;
mod elf;
mod filters;
mod follow;
mod freeze;
mod inject;
mod leftovers;
mod proc;
mod ranges;
mod rights;
mod slack;
mod sys;
mod target;
mod threads;

use std::time::Duration;

pub use freeze::{Ended, Frozen, Stopped, freeze, stop};
pub use target::Target;

/// How far to go.
#[derive(Clone, Debug)]
pub struct Options {
    /// The threads are let go after this time, whatever has been reached by then.
    pub limit: Duration,
    /// Attach although a filter of system calls is in place that isn't known.
    pub force: bool,
}

impl Default for Options {
    fn default() -> Options {
        Options { limit: Duration::from_secs(1), force: false }
    }
}

/// What is known of a thread's processor state when it was stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Registers {
    /// The thread, as this process's namespace numbers it.
    pub thread: u32,
    /// Instruction pointer.
    pub instruction: u64,
    /// Stack pointer.
    pub stack: u64,
    /// Frame pointer.
    pub frame: u64,
    /// The number of the system call that it was in, if it was in one.
    pub call: Option<u64>,
}

/// How long the main thread stood still, and what for.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Pause {
    /// From the interruption of the main thread until it was let go.
    pub total: Duration,
    /// Until the main thread had stopped.
    pub stopping: Duration,
    /// Until the copy was there; none where nothing is forked.
    pub forking: Duration,
    /// Until the marks were restored and the donor was back.
    pub restoring: Duration,
    /// From the first interruption of a helper until every thread was let go.
    pub helpers: Duration,
}
