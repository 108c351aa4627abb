//! Panics: what catches them at an entry from a foreign frame, and what makes them, for the tests that show that
//! nothing reaches the host. crates/frozen breaks the forked child.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU8, Ordering};

use stillheap_protocol::Failure;

/// Where a test may have a panic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum PanicPoint {
    Capture = 1,
    /// A file is being finished, on the signal thread or one of libuv's.
    Finish,
    /// The outcome becomes JavaScript's.
    Resolve,
    CleanUp,
}

const ENTRIES: [(&str, PanicPoint); 4] = [
    ("capture", PanicPoint::Capture),
    ("finish", PanicPoint::Finish),
    ("resolve", PanicPoint::Resolve),
    ("cleanUp", PanicPoint::CleanUp),
];

static ARMED: AtomicU8 = AtomicU8::new(0);

/// The next that comes to this entry panics; false if there is none of that name.
pub fn arm(entry: &str) -> bool {
    let found = ENTRIES.iter().find(|(name, _)| *name == entry);
    if let Some((_, entry)) = found {
        ARMED.store(*entry as u8, Ordering::Relaxed);
    }
    found.is_some()
}

/// Where it panics if that was asked for.
pub fn hit(entry: PanicPoint) {
    let armed = ARMED.compare_exchange(entry as u8, 0, Ordering::Relaxed, Ordering::Relaxed);
    assert!(armed.is_err(), "a panic on purpose");
}

/// Runs `body`; a panic in it becomes `otherwise`. For every entry from a foreign frame that napi doesn't catch for.
pub fn caught<T>(otherwise: T, body: impl FnOnce() -> T) -> T {
    catch_unwind(AssertUnwindSafe(body)).unwrap_or(otherwise)
}

/// What a capture is told that met with a panic.
pub fn internal() -> Failure {
    Failure::own("ERR_STILLHEAP_INTERNAL", "the capture stopped unexpectedly; nothing was written")
}
