//! Files that are being finished: the process waits for them when it exits.

use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

use crate::sync::lock;
use crate::{isolates, report};

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

/// To be called at exit: starts nothing new, waits until what was begun is whole under its final name, and
/// removes what can't be finished any more.
pub fn settle() {
    isolates::close();
    let ended = crate::fork::end_all();
    if ended > 0 {
        eprintln!("stillheap: the process ends before {ended} forked heap snapshot(s) could be finished");
    }
    let count = lock(&COUNT);
    let waited = CHANGED.wait_timeout_while(count, LONGEST_WAIT, |count| *count > 0);
    let left = *waited.unwrap_or_else(PoisonError::into_inner).0;
    if left > 0 {
        report::print(&format!(
            "stillheap: the process ends before {left} heap snapshot(s) could be finished"
        ));
    }
    // What `process.exit()` interrupted between two steps of a capture is dropped by nobody.
    stillheap_sink::remove_temporary_files();
}
