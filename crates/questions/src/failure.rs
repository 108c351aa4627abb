//! What the user is told when a question has no answer.

use std::path::Path;

use serde::Serialize;
use stillheap_analysis::{Error, ErrorKind};
use stillheap_graph::reason;

/// System calls by which writing a file can fail.
const SYSTEM_CALLS: [&str; 7] = ["open", "read", "write", "rename", "fsync", "getcwd", "getrandom"];

/// Why there is no answer. On the JavaScript side it becomes an Error with these fields.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Failure {
    /// For programs.
    pub code: String,
    /// For people: one sentence or two.
    pub message: String,
    /// The system's number of the error.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub errno: Option<i32>,
    /// The system call that failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub syscall: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Byte of the (unpacked) file, or character of the expression, where the trouble starts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub position: Option<u64>,
}

impl Failure {
    /// A failure with one of stillheap's codes.
    pub fn new(code: &str, message: impl Into<String>) -> Failure {
        Failure {
            code: code.to_owned(),
            message: message.into(),
            errno: None,
            syscall: None,
            path: None,
            position: None,
        }
    }

    /// Something that the snapshot does not have.
    pub fn not_found(message: impl Into<String>) -> Failure {
        Failure::new("ERR_STILLHEAP_NOT_FOUND", message)
    }

    /// A value that cannot be meant.
    pub fn argument(message: impl Into<String>) -> Failure {
        Failure::new("ERR_INVALID_ARG_VALUE", message)
    }

    /// What the core says about a file.
    pub fn of_file(error: &Error, file: &str) -> Failure {
        let code = match error.kind() {
            ErrorKind::Io => errno_name(error.io_error()).unwrap_or("EIO"),
            ErrorKind::NotASnapshot => "ERR_STILLHEAP_NOT_A_SNAPSHOT",
            ErrorKind::Malformed => "ERR_STILLHEAP_MALFORMED",
            ErrorKind::Truncated => "ERR_STILLHEAP_TRUNCATED",
            ErrorKind::TooLarge => "ERR_STILLHEAP_TOO_LARGE",
            ErrorKind::OverLimit => "ERR_STILLHEAP_READ_LIMIT",
            ErrorKind::Cancelled => "ERR_STILLHEAP_ABORTED",
            ErrorKind::Refused => "ERR_STILLHEAP_CORE",
            ErrorKind::NotFound => "ERR_STILLHEAP_NOT_FOUND",
        };
        let io = error.io_error();
        let message = match io {
            Some(io) if io.kind() == std::io::ErrorKind::NotFound => format!("{file} does not exist"),
            Some(io) => format!("{file} cannot be read: {}", reason(io)),
            None if error.kind() == ErrorKind::OverLimit => {
                format!("{file}: {error}; raise the limit with --read-limit or STILLHEAP_READ_LIMIT")
            }
            None if error.kind() == ErrorKind::NotASnapshot => format!("{file} is {error}"),
            // It names the file itself.
            None if error.kind() == ErrorKind::Refused => error.to_string(),
            None => format!("{file}: {error}"),
        };
        Failure {
            errno: io.and_then(std::io::Error::raw_os_error),
            syscall: io.map(|_| if io.is_some_and(is_about_opening) { "open" } else { "read" }),
            path: Some(file.to_owned()),
            position: error.position(),
            ..Failure::new(code, message)
        }
    }
}

impl Failure {
    /// What the system says about a path.
    pub fn of_io(error: &std::io::Error, syscall: &'static str, path: &Path) -> Failure {
        Failure::of_sink(stillheap_sink::Failure::system(error, syscall, path))
    }

    /// What writing a file came to.
    pub fn of_sink(failure: stillheap_sink::Failure) -> Failure {
        let stillheap_sink::Failure { message, code, errno, syscall, path } = failure;
        let path = path.map(|path| path.to_string_lossy().into_owned());
        let syscall = SYSTEM_CALLS.into_iter().find(|call| syscall.as_deref() == Some(call));
        Failure { code, message, errno, syscall, path, position: None }
    }

    /// Says which input it was, if the input is the cause.
    #[must_use]
    pub fn about(mut self, file: &str) -> Failure {
        if self.code == "ERR_STILLHEAP_REDACT" {
            self.message = format!("{file}: {}", self.message);
            self.path = Some(file.to_owned());
        }
        self
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Failure {
        Failure::of_question(&error)
    }
}

impl Failure {
    fn of_question(error: &Error) -> Failure {
        Failure::not_found(error.to_string())
    }
}

fn is_about_opening(error: &std::io::Error) -> bool {
    use std::io::ErrorKind;
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::PermissionDenied | ErrorKind::NotADirectory)
}

/// Node's name of a system error, for those that opening and reading a file can meet.
fn errno_name(error: Option<&std::io::Error>) -> Option<&'static str> {
    use std::io::ErrorKind;
    Some(match error?.kind() {
        ErrorKind::NotFound => "ENOENT",
        ErrorKind::PermissionDenied => "EACCES",
        ErrorKind::IsADirectory => "EISDIR",
        ErrorKind::NotADirectory => "ENOTDIR",
        ErrorKind::OutOfMemory => "ENOMEM",
        ErrorKind::InvalidInput => "EINVAL",
        _ => return None,
    })
}
