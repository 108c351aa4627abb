//! The process ends.

use crate::fork::{self, ChildrenAtExit};
use crate::{isolates, outstanding, report};

/// To be called at exit: starts nothing new, waits until what was begun is whole under its final name, and removes
/// what can't be finished any more. A child that shall outlive the process is left alone.
pub fn settle() {
    isolates::close();
    let ChildrenAtExit { ended, outliving: _ } = fork::end_all();
    let waiting = fork::waiting();
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
    // What `process.exit()` interrupted between two steps of a capture is dropped by nobody.
    stillheap_sink::remove_temporary_files();
}
