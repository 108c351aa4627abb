//! The one line on stderr for a signal's outcome that nobody listens to.

use std::io::Write;

use serde_json::Value;

use crate::sys::spawn_quiet;

/// Writes a line to stderr. Nobody can be told if that is closed, and it must not be a panic.
///
/// The caller never waits for the reader of stderr (it may hold a lock, or be the service's own thread): a line
/// that a full pipe has no room for is left to a thread, and lost if there is none.
pub fn print(line: &str) {
    let mut text = line.replace('\n', " ");
    text.push('\n');
    if has_room(text.len()) {
        let _ = std::io::stderr().write_all(text.as_bytes());
        return;
    }
    let _ = spawn_quiet("stillheap-line", move || {
        let _ = std::io::stderr().write_all(text.as_bytes());
    });
}

/// Whether as many bytes can be written to stderr without waiting.
#[cfg(unix)]
fn has_room(bytes: usize) -> bool {
    use std::os::fd::AsFd;

    use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
    let stderr = std::io::stderr();
    let mut wanted = [PollFd::new(stderr.as_fd(), PollFlags::POLLOUT)];
    // A pipe that can be written to has room for PIPE_BUF bytes (pipe(7)). An error is met by writing.
    bytes <= libc::PIPE_BUF && poll(&mut wanted, PollTimeout::ZERO).is_ok_and(|ready| ready > 0)
}

#[cfg(not(unix))]
fn has_room(_bytes: usize) -> bool {
    true
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
