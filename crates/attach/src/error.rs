//! Why a process is left alone, and what to do.

use std::fmt;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// There is no such process, or it has ended.
    Gone,
    /// The system doesn't allow this user to look into the process.
    NotAllowed,
    /// The process is in a state, or of a kind, in which it is not touched.
    Unfit,
    /// A filter of system calls might kill the process; `force` overrides.
    Seccomp,
    /// It did not work out in time, and everything was let go. Later it may.
    Busy,
    /// The process, its machine or its control group is short of something.
    NoRoom,
}

/// A refusal. The process goes on as before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    pub kind: Kind,
    message: String,
}

/// Shorthand for results of this crate.
pub type Result<T> = std::result::Result<T, Refusal>;

impl Refusal {
    /// A refusal with a sentence that says what was found and what to do.
    pub fn new(kind: Kind, message: impl Into<String>) -> Refusal {
        Refusal { kind, message: message.into() }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Refusal {}
