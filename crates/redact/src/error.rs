//! What can go wrong.

use std::fmt;
use std::io;

/// Why a snapshot could not be redacted. Only redacted parts of it have been written.
#[derive(Debug)]
pub enum Error {
    /// The output could not be written.
    Io(io::Error),
    /// The input is not a snapshot, or not one whose secrets could be told from the rest with certainty.
    Malformed {
        /// Byte position in the (decompressed) input.
        position: u64,
        /// What was found, and what was expected.
        message: String,
    },
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Io(error) => error.fmt(f),
            Error::Malformed { position, message } => write!(f, "{message} (at byte {position})"),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Error::Io(error) => Some(error),
            Error::Malformed { .. } => None,
        }
    }
}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        Error::Io(error)
    }
}
