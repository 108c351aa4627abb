//! A failure of the system, with what Node's own errors carry: code, errno, syscall, path.

use std::fmt;
use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::LossyPath;

/// Why a snapshot could not be written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// One sentence that says what went wrong and, where there is something to do, what.
    pub message: String,
    /// `ENOSPC`, `EACCES` … for the system's errors, `ERR_STILLHEAP_…` for our own.
    pub code: String,
    /// The positive errno, for the system's errors.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub errno: Option<i32>,
    /// The system call that failed.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub syscall: Option<String>,
    /// The path it was about: the file that the caller wanted, never the temporary name.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub path: Option<LossyPath>,
}

impl Failure {
    /// The code of a forked child that found objects on the move: V8 was in the middle of a collection.
    pub const COLLECTING: &str = "ERR_STILLHEAP_COLLECTING";

    /// The code of a capture whose thread or process ended first.
    pub const EXITING: &str = "ERR_STILLHEAP_EXITING";

    /// Whether the same attempt may go well in a moment.
    pub fn may_pass(&self) -> bool {
        self.code == Self::COLLECTING
    }

    /// The system said no: `error` came from `syscall` on the way to `path`.
    pub fn system(error: &io::Error, syscall: &str, path: &Path) -> Self {
        let errno = error.raw_os_error();
        let (code, text) = describe(error);
        let hint = hint(&code);
        Self {
            message: format!("{code}: {text}, {syscall} '{}'{hint}", path.display()),
            code,
            errno,
            syscall: Some(syscall.to_owned()),
            path: Some(path.into()),
        }
    }

    /// A refusal or fault of our own.
    pub fn own(code: &str, message: impl Into<String>) -> Self {
        Self { message: message.into(), code: code.to_owned(), errno: None, syscall: None, path: None }
    }

    /// The same failure, told about `path`.
    #[must_use]
    pub fn at(mut self, path: &Path) -> Self {
        self.path = Some(path.into());
        self
    }

    /// Whether another directory could help: this one can't be written to, or isn't there.
    pub fn is_about_the_directory(&self) -> bool {
        matches!(self.code.as_str(), "EACCES" | "EPERM" | "EROFS" | "ENOENT" | "ENOTDIR")
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}

#[cfg(unix)]
fn describe(error: &io::Error) -> (String, String) {
    match error.raw_os_error() {
        Some(errno) => {
            let known = nix::errno::Errno::from_raw(errno);
            (format!("{known:?}"), known.desc().to_lowercase())
        }
        None => ("EIO".to_owned(), error.to_string()),
    }
}

#[cfg(not(unix))]
fn describe(error: &io::Error) -> (String, String) {
    let code = match error.kind() {
        io::ErrorKind::NotFound => "ENOENT",
        io::ErrorKind::PermissionDenied => "EACCES",
        io::ErrorKind::AlreadyExists => "EEXIST",
        io::ErrorKind::StorageFull => "ENOSPC",
        io::ErrorKind::NotADirectory => "ENOTDIR",
        io::ErrorKind::ReadOnlyFilesystem => "EROFS",
        _ => "EIO",
    };
    (code.to_owned(), error.to_string().to_lowercase())
}

/// What the reader can do about it, where that isn't plain from the words.
fn hint(code: &str) -> &'static str {
    match code {
        "EEXIST" => " (choose another name, or set overwrite)",
        "EROFS" | "EACCES" => " (choose a writable directory with STILLHEAP_DIR or the option dir)",
        "ENOSPC" | "EDQUOT" => " (free some space, choose another directory with STILLHEAP_DIR, or compress)",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn carries_what_nodes_errors_carry() {
        let failure =
            Failure::system(&io::Error::from_raw_os_error(28), "write", Path::new("/tmp/a.heapsnapshot"));
        assert_eq!(failure.code, "ENOSPC");
        assert_eq!(failure.errno, Some(28));
        assert_eq!(failure.syscall.as_deref(), Some("write"));
        assert!(failure.message.starts_with("ENOSPC: no space left on device, write '/tmp/a.heapsnapshot'"));
    }

    #[test]
    fn knows_which_failures_another_directory_would_cure() {
        let of = |errno| Failure::system(&io::Error::from_raw_os_error(errno), "open", Path::new("x"));
        assert!(of(30).is_about_the_directory());
        assert!(of(13).is_about_the_directory());
        assert!(!of(28).is_about_the_directory());
        assert!(!of(17).is_about_the_directory());
    }
}
