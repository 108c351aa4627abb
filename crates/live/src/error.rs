//! Why there is nothing.

use std::fmt;
use std::io;

use stillheap_attach::Kind;

/// Why a process could not be read. It goes on as before.
#[derive(Debug)]
pub enum Error {
    /// It was left alone, or let go.
    Attach(stillheap_attach::Refusal),
    /// Its heap can't be read.
    Heap(String),
    /// The output failed.
    Io(io::Error),
    /// The watcher stopped it.
    Stopped,
}

/// Shorthand for results of this crate.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// Whether the system doesn't allow it, so that another way may.
    pub fn is_not_allowed(&self) -> bool {
        matches!(self, Error::Attach(refusal) if refusal.kind == Kind::NotAllowed)
    }

    #[cfg(all(target_os = "linux", target_arch = "x86_64"))]
    pub(crate) fn refused(kind: Kind, message: impl Into<String>) -> Error {
        Error::Attach(stillheap_attach::Refusal::new(kind, message))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Attach(refusal) => refusal.fmt(f),
            Error::Heap(message) => f.write_str(message),
            Error::Io(error) => error.fmt(f),
            Error::Stopped => f.write_str("it was stopped"),
        }
    }
}

impl std::error::Error for Error {}

impl From<stillheap_attach::Refusal> for Error {
    fn from(refusal: stillheap_attach::Refusal) -> Error {
        Error::Attach(refusal)
    }
}

impl From<stillheap_heap::Refusal> for Error {
    fn from(refusal: stillheap_heap::Refusal) -> Error {
        if refusal.is_stopped() { Error::Stopped } else { Error::Heap(refusal.to_string()) }
    }
}

impl From<stillheap_heapfile::Error> for Error {
    fn from(error: stillheap_heapfile::Error) -> Error {
        match error {
            stillheap_heapfile::Error::Refused(refusal) => refusal.into(),
            stillheap_heapfile::Error::Io(error) => Error::Io(error),
            stillheap_heapfile::Error::Stopped => Error::Stopped,
        }
    }
}

impl From<stillheap_process::Error> for Error {
    fn from(error: stillheap_process::Error) -> Error {
        Error::Heap(error.to_string())
    }
}
