//! The process ends.

use std::time::{Duration, Instant};

use crate::fork::{self, ChildrenAtExit};
use crate::{isolates, outstanding, report, signal};

/// How long captures whose file is there, or can't be, may take to tell their outcome.
const LONGEST_WAIT: Duration = Duration::from_secs(1);

/// To be called at exit: starts nothing new, waits until what was begun is whole under its final name, and removes
/// what can't be finished any more. A child that shall outlive the process is left alone.
pub fn settle() {
    let isolates = isolates::close();
    let ChildrenAtExit { ended, outliving } = fork::end_all();
    let waiting = fork::waiting();
    isolates.iter().for_each(|target| signal::give_up(target));
    signal::take_last();
    let lost = |count: usize| {
        if count > 0 {
            report::print(&format!(
                "stillheap: the process ends before {count} forked heap snapshot(s) could be finished"
            ));
        }
    };
    lost(ended);
    if waiting > 0 {
        report::print(&format!(
            "stillheap: the process ends before the heap could be frozen for {waiting} heap snapshot(s)"
        ));
    }
    let left = outstanding::wait();
    if left > 0 {
        report::print(&format!(
            "stillheap: the process ends before {left} heap snapshot(s) could be finished"
        ));
    }
    let begun = Instant::now();
    while fork::running() > outliving && begun.elapsed() < LONGEST_WAIT {
        std::thread::sleep(Duration::from_millis(2));
    }
    // What `process.exit()` interrupted between two steps of a capture is dropped by nobody.
    stillheap_sink::remove_temporary_files();
}
