//! Ends the copy when the process ends or becomes another program. The copy shares the descriptors of the process, and would hold its ports after
//! its end: a service that is started anew would find them taken.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::error::{Kind, Refusal, Result};
use crate::linux::Target;

/// Looks come so close together: less than a program takes to start.
const LOOK: Duration = Duration::from_millis(5);

/// Looks after a copy until it is dropped.
pub(crate) struct Follower {
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Follower {
    /// `copy` must not be reaped before this is dropped: then its id could be another process's.
    pub(crate) fn new(target: Target, copy: i32) -> Result<Follower> {
        let over = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&over);
        let follow = move || {
            while !seen.load(Ordering::Acquire) {
                if !target.is_there() {
                    let _ = kill(Pid::from_raw(copy), Signal::SIGKILL);
                    return;
                }
                std::thread::park_timeout(LOOK);
            }
        };
        let thread = Builder::new().name("stillheap-copy".to_owned()).spawn(follow).map_err(|e| {
            Refusal::new(
                Kind::NoRoom,
                format!("this command can't start a thread that looks after the copy: {e}"),
            )
        })?;
        Ok(Follower { over, thread: Some(thread) })
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            let _ = thread.join();
        }
    }
}
