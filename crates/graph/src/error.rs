//! The one error type of the crate.
//!
//! Opaque on purpose: what callers need is the sentence, the byte position and whether the input or the
//! machine is the cause. Size: one pointer; nothing is allocated on the good path.

use std::fmt;
use std::io;

/// What went wrong while reading or analysing a snapshot.
pub struct Error(Box<Inner>);

struct Inner {
    kind: ErrorKind,
    position: Option<u64>,
    message: String,
    source: Option<io::Error>,
}

/// The broad families of failure, for exit codes and JavaScript's `code`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// The operating system refused: the file is missing, unreadable, the pipe broke.
    Io,
    /// The input is not a V8 heap snapshot at all, or is one of a shape nobody writes.
    NotASnapshot,
    /// A heap snapshot, but wrong at a byte position that [`Error::position`] gives.
    Malformed,
    /// The input ends too early to salvage anything, or salvaging was turned off.
    Truncated,
    /// More nodes, edges or strings than 32-bit ordinals can hold.
    TooLarge,
    /// More than the reader was allowed to read or to hold, see `ReadLimits` in `stillheap-snapshot`.
    OverLimit,
    /// Reading was stopped, see `stillheap_snapshot::ReadOptions::cancel`.
    Cancelled,
    /// A core file whose heap is not read, since that would be guessing; the message says what to do.
    Refused,
    /// A question about something that the snapshot does not have (an unknown id, class or filter).
    NotFound,
}

/// Shorthand for results of this crate.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    pub fn new(kind: ErrorKind, position: Option<u64>, message: impl Into<String>) -> Error {
        Error(Box::new(Inner { kind, position, message: message.into(), source: None }))
    }

    pub fn malformed(position: u64, message: impl Into<String>) -> Error {
        Error::new(ErrorKind::Malformed, Some(position), message)
    }

    pub fn not_found(message: impl Into<String>) -> Error {
        Error::new(ErrorKind::NotFound, None, message)
    }

    pub fn io(error: io::Error, doing: &str) -> Error {
        let message = format!("{doing}: {}", reason(&error));
        Error(Box::new(Inner { kind: ErrorKind::Io, position: None, message, source: Some(error) }))
    }

    /// The family of the failure.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// Byte position in the (decompressed) input where the trouble starts, if there is one.
    pub fn position(&self) -> Option<u64> {
        self.0.position
    }

    /// The operating system's error underneath, if there is one.
    pub fn io_error(&self) -> Option<&io::Error> {
        self.0.source.as_ref()
    }
}

/// What the system says, in words: without the number that Rust adds.
pub fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    match text.find(" (os error ") {
        Some(end) => text[..end].to_lowercase(),
        None => text,
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.position {
            Some(position) if position > 0 => write!(f, "{} (at byte {position})", self.0.message),
            _ => f.write_str(&self.0.message),
        }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {self}", self.0.kind)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source.as_ref().map(|e| e as _)
    }
}
