//! Files that are being finished: the process waits for them when it exits.

use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

use crate::sync::lock;

static COUNT: Mutex<usize> = Mutex::new(0);
static CHANGED: Condvar = Condvar::new();

/// A disk that takes longer than this for the rest of a file isn't waited for.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// One file that is being finished, as long as it lives.
pub struct Outstanding(());

impl Outstanding {
    pub fn new() -> Self {
        *lock(&COUNT) += 1;
        Self(())
    }
}

impl Drop for Outstanding {
    fn drop(&mut self) {
        *lock(&COUNT) -= 1;
        CHANGED.notify_all();
    }
}

/// Waits until there are none, or for so long that nobody would wait longer; how many are left.
pub fn wait() -> usize {
    let waited = CHANGED.wait_timeout_while(lock(&COUNT), LONGEST_WAIT, |count| *count > 0);
    *waited.unwrap_or_else(PoisonError::into_inner).0
}
