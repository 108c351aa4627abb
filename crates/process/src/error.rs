//! Why a core can't be read, and what to do.

use std::fmt;
use std::io;
use std::path::Path;

/// A sentence that says what was found, and one that says what to do.
#[derive(Debug)]
pub struct Error {
    message: String,
    source: Option<io::Error>,
}

/// Shorthand for results of this crate.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    pub(crate) fn new(message: impl Into<String>) -> Error {
        Error { message: message.into(), source: None }
    }

    pub(crate) fn io(doing: &str, path: &Path, error: io::Error) -> Error {
        Error { message: format!("{doing} {}: {error}", path.display()), source: Some(error) }
    }

    /// The operating system's error underneath, if there is one.
    pub fn io_error(&self) -> Option<&io::Error> {
        self.source.as_ref()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}
