//! Breaks things on purpose, for the tests that show that nothing of it reaches the host.

use std::sync::atomic::{AtomicBool, Ordering};

static PANIC: AtomicBool = AtomicBool::new(false);

/// The next capture panics.
pub fn arm() {
    PANIC.store(true, Ordering::Relaxed);
}

/// Where a capture panics if it was asked to.
pub fn hit() {
    assert!(!PANIC.swap(false, Ordering::Relaxed), "a panic on purpose");
}
