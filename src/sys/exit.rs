//! A function to be called when the process exits.

use std::panic::catch_unwind;
use std::sync::OnceLock;

static BODY: OnceLock<fn()> = OnceLock::new();

extern "C" fn run() {
    if let Some(body) = BODY.get() {
        // A panic must not unwind into the C library; there is nobody left to tell.
        let _ = catch_unwind(body);
    }
}

/// Has `body` called by `exit()`, once, before the runtime's own handlers: `process.exit()` runs no
/// environment clean-up hooks on the main thread, but it does run this.
pub fn at_exit(body: fn()) {
    if BODY.set(body).is_ok() {
        // SAFETY: `run` stays mapped (pin_library) and does not unwind. If there is no memory for the
        // entry, files that are being finished at exit are lost, as they would be without it.
        unsafe { libc::atexit(run) };
    }
}
