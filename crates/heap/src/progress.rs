//! How far the reader is, and whether it shall go on.

use crate::error::{Refusal, Result};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Finding what is alive; counted in bytes of objects, of at most the heap's.
    Mark,
    /// Counting edges and making names; counted in objects.
    Count,
    Nodes,
    Edges,
    Locations,
    Strings,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    pub step: Step,
    pub done: u64,
    /// Where `done` ends; of [`Step::Mark`] an upper bound.
    pub total: u64,
}

/// Told every few thousand objects. The reader stops if it returns false.
pub type Watcher<'a> = &'a mut dyn FnMut(Progress) -> bool;

/// A watcher that never stops the reader.
pub fn unwatched(_: Progress) -> bool {
    true
}

pub(crate) fn tell(watcher: Watcher<'_>, step: Step, done: u64, total: u64) -> Result<()> {
    if watcher(Progress { step, done, total }) { Ok(()) } else { Err(Refusal::stopped()) }
}
