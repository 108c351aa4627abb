//! Signals are blocked while a thread or a child process is made.

use nix::sys::signal::{SigSet, SigmaskHow};

/// All signals are blocked on this thread as long as it lives; threads and children made meanwhile inherit that.
pub struct BlockedSignals(Option<SigSet>);

impl BlockedSignals {
    pub fn new() -> Self {
        Self(SigSet::all().thread_swap_mask(SigmaskHow::SIG_SETMASK).ok())
    }
}

impl Drop for BlockedSignals {
    fn drop(&mut self) {
        if let Some(before) = &self.0 {
            // The mask was this thread's own, so it is a valid one.
            let _ = before.thread_set_mask();
        }
    }
}

impl Default for BlockedSignals {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use std::panic::catch_unwind;

    use nix::sys::signal::Signal;

    use super::*;

    #[test]
    fn the_mask_comes_back_after_a_panic_too() {
        let before = SigSet::thread_get_mask().unwrap();
        let caught = catch_unwind(|| {
            let _blocked = BlockedSignals::new();
            assert!(SigSet::thread_get_mask().unwrap().contains(Signal::SIGUSR2));
            std::panic::resume_unwind(Box::new(()));
        });
        assert!(caught.is_err());
        assert_eq!(SigSet::thread_get_mask().unwrap(), before);
    }
}
