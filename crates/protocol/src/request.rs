//! What JavaScript asks for.

use serde::{Deserialize, Serialize};

use crate::{Compression, Failure, GivenPath};

/// One capture's options; checked on the JavaScript side, which knows how to name what is wrong.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct CaptureRequest {
    /// The file to write; else one is named after `name` in `dir`.
    pub file: Option<GivenPath>,
    pub dir: Option<GivenPath>,
    pub fallback_dir: Option<GivenPath>,
    pub name: Option<String>,
    pub compress: Compression,
    pub numeric_values: bool,
    pub internals: bool,
    pub keep_object_ids: bool,
    pub overwrite: bool,
    /// Write to an unlinked file whose descriptor is given back, instead of to a named one.
    pub spool: bool,
    pub trigger: Trigger,
    /// Take the secrets out before anything is written.
    pub redact: Option<Redaction>,
    /// Said of signals only: no lines on stderr.
    pub quiet: bool,
    pub mode: Mode,
    /// Why an inline capture isn't a forked one.
    pub mode_reason: Option<String>,
    pub fallback: Fallback,
    /// Who reads the heap in a forked child.
    pub engine: EngineChoice,
    /// Fork even if memory may not suffice.
    pub force: bool,
    /// Where a forked child's working memory goes.
    pub scratch: Scratch,
    /// Milliseconds after which a forked child is ended.
    pub time_limit: Option<u64>,
    /// The child finishes even if the service ends.
    pub outlive: bool,
    /// Nothing may be written, for this reason: Node's permission model, which only JavaScript can ask, says so.
    pub refused: Option<Failure>,
}

impl CaptureRequest {
    /// Where a forked child's working memory may go. What is to be taken out of the snapshot is in that memory, so
    /// with redaction it never goes to the disk.
    pub fn scratch(&self) -> Scratch {
        if self.redact.is_some() { Scratch::Memory } else { self.scratch }
    }
}

/// What is taken out besides what is always taken out.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct Redaction {
    pub source: bool,
}

/// Where the heap is frozen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    #[default]
    Inline,
    Auto,
    Fork,
}

/// Who reads the heap in a forked child.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EngineChoice {
    /// V8's own generator.
    #[default]
    V8,
    /// Our own reader, or nobody.
    Own,
    /// Our own reader where it can, else V8's generator.
    Auto,
}

/// Where V8's working memory goes in a forked child.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scratch {
    #[default]
    Memory,
    /// Into a file beside the snapshot.
    Disk,
    /// There if memory doesn't suffice.
    Auto,
}

/// What to do when a forked capture has failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Fallback {
    #[default]
    None,
    Inline,
}

/// Who wanted the capture.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Trigger {
    #[default]
    Call,
    Signal,
    NearHeapLimit,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_redacted_is_not_on_the_disk_before() {
        for (json, expected) in [
            (r#"{"scratch":"disk"}"#, Scratch::Disk),
            (r#"{"scratch":"auto"}"#, Scratch::Auto),
            (r#"{"scratch":"disk","redact":{"source":true}}"#, Scratch::Memory),
            (r#"{"scratch":"auto","redact":{"source":false}}"#, Scratch::Memory),
        ] {
            let request: CaptureRequest = serde_json::from_str(json).unwrap();
            assert_eq!(request.scratch(), expected, "{json}");
        }
    }

    #[test]
    fn an_option_that_is_not_known_here_is_an_error() {
        let error = serde_json::from_str::<CaptureRequest>(r#"{"outlives":true}"#).unwrap_err();
        assert!(error.to_string().contains("unknown field `outlives`"), "{error}");
    }
}
