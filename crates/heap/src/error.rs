//! Why a heap is not read: what was found, and what to do.

use std::fmt;

/// A refusal. Nothing was guessed: no output exists beside it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    found: String,
    advice: String,
    stopped: bool,
}

/// Shorthand for results of this crate.
pub type Result<T> = std::result::Result<T, Refusal>;

impl Refusal {
    /// What was found, without a full stop, and what to do, as a sentence.
    pub fn new(found: impl Into<String>, advice: impl Into<String>) -> Refusal {
        Refusal { found: found.into(), advice: advice.into(), stopped: false }
    }

    /// What was found, without a full stop.
    pub fn message(&self) -> &str {
        &self.found
    }

    /// The same refusal with what else is wrong and explains it.
    pub fn because(self, why: impl fmt::Display) -> Refusal {
        Refusal { found: format!("{} ({why})", self.found), ..self }
    }

    /// The watcher said so.
    pub(crate) fn stopped() -> Refusal {
        Refusal { stopped: true, ..Refusal::new("reading the heap was stopped", "Nothing was written.") }
    }

    /// Whether it is no refusal, but the caller's own wish to stop.
    pub fn is_stopped(&self) -> bool {
        self.stopped
    }

    /// A check of the heap failed: the layout isn't that of the memory, or the memory is damaged.
    pub(crate) fn probe(what: impl fmt::Display) -> Refusal {
        Refusal::new(
            format!("the heap could not be verified: {what}"),
            "Nothing is shown, since it might be wrong. Check that --node is the binary that the process ran, and that the core is complete.",
        )
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}. {}", self.found, self.advice)
    }
}

impl std::error::Error for Refusal {}
