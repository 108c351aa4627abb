//! Two things at a time.

use std::panic::resume_unwind;

/// Does both, the first on a thread of its own; a panic of either goes on here as it is.
pub(crate) fn both(first: impl FnOnce() + Send, second: impl FnOnce()) {
    std::thread::scope(|scope| {
        let first = scope.spawn(first);
        second();
        first.join().unwrap_or_else(|panic| resume_unwind(panic));
    });
}
