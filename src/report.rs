//! The one line on stderr for a signal's outcome that nobody listens to.

use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::Value;

use crate::sys::spawn_quiet;

/// Lines that wait for room, at most: with more of them the service would have a thread for each.
const MOST_WAITING: usize = 8;

static WAITING: AtomicUsize = AtomicUsize::new(0);

/// Writes a line to stderr. Nobody can be told if that is closed, and it must not be a panic.
///
/// The caller never waits for the reader of stderr (it may hold a lock, or be the service's own thread): a line
/// that a full pipe has no room for is left to a thread, and lost if there is none.
pub fn print(line: &str) {
    let mut text = line.replace('\n', " ");
    text.push('\n');
    if stderr::has_room(text.len()) {
        stderr::write(text.as_bytes());
        return;
    }
    if WAITING.fetch_add(1, Ordering::Relaxed) >= MOST_WAITING {
        WAITING.fetch_sub(1, Ordering::Relaxed);
        return;
    }
    let begun = spawn_quiet("stillheap-line", move || {
        stderr::write(text.as_bytes());
        WAITING.fetch_sub(1, Ordering::Relaxed);
    });
    if begun.is_err() {
        WAITING.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(unix)]
mod stderr {
    //! By system calls: who waits in the standard library's stderr holds its lock, and all others then wait, too.

    use std::io::{Stderr, stderr};
    use std::os::fd::AsFd;

    use nix::errno::Errno;
    use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

    fn is_ready(stderr: &Stderr, timeout: PollTimeout) -> bool {
        let mut wanted = [PollFd::new(stderr.as_fd(), PollFlags::POLLOUT)];
        poll(&mut wanted, timeout).is_ok_and(|ready| ready > 0)
    }

    /// Whether as many bytes can be written without waiting.
    pub fn has_room(bytes: usize) -> bool {
        // A pipe that can be written to has room for PIPE_BUF bytes (pipe(7)). An error is met by writing.
        bytes <= libc::PIPE_BUF && is_ready(&stderr(), PollTimeout::ZERO)
    }

    /// Writes everything, and waits for room where it must.
    pub fn write(mut bytes: &[u8]) {
        let stderr = stderr();
        while !bytes.is_empty() {
            match nix::unistd::write(&stderr, bytes) {
                Ok(written) => bytes = &bytes[written..],
                Err(Errno::EINTR) => {}
                Err(Errno::EAGAIN) => {
                    is_ready(&stderr, PollTimeout::NONE);
                }
                Err(_) => return,
            }
        }
    }
}

#[cfg(not(unix))]
mod stderr {
    use std::io::Write;

    pub fn has_room(_bytes: usize) -> bool {
        true
    }

    pub fn write(bytes: &[u8]) {
        let _ = std::io::stderr().write_all(bytes);
    }
}

/// What a person who sent the signal wants to know.
pub fn line(outcome: &Value) -> String {
    if let Some(error) = outcome.get("error") {
        let message = error.get("message").and_then(Value::as_str).unwrap_or("unknown error");
        return format!("stillheap: no heap snapshot was written: {message}");
    }
    let result = outcome.get("result").unwrap_or(&Value::Null);
    let file = result.get("file").and_then(Value::as_str).unwrap_or("?");
    let number = |key| result.get(key).and_then(Value::as_f64).unwrap_or(0.0);
    let mut line = format!(
        "stillheap: wrote {file} ({:.1} MB), paused {:.0} ms",
        number("bytes") / 1e6,
        number("pauseMs")
    );
    if let Some(fallback) = result.get("fallbackDir") {
        let text = |key| fallback.get(key).and_then(Value::as_str).unwrap_or("?");
        line += &format!("; not to {}, because of {}", text("wanted"), text("reason"));
    }
    if let Some(reason) = result.get("engineReason").and_then(Value::as_str) {
        line += &format!("; through node:v8, because {reason}");
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_what_came_of_it() {
        let result = serde_json::json!({ "result": {
            "file": "/tmp/a", "bytes": 12_340_000, "pauseMs": 56.7,
            "fallbackDir": { "wanted": "/srv", "reason": "EROFS: read-only file system" }
        }});
        assert_eq!(
            line(&result),
            "stillheap: wrote /tmp/a (12.3 MB), paused 57 ms; not to /srv, because of EROFS: read-only file system"
        );
        let error = serde_json::json!({ "error": { "message": "ENOSPC: no space" } });
        assert_eq!(line(&error), "stillheap: no heap snapshot was written: ENOSPC: no space");
    }
}
