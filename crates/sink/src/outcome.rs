//! The result of a complete file.

use std::fs::File;
use std::path::PathBuf;

/// A file that stands under its final name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// Where it is; absolute if the destination was.
    pub path: PathBuf,
    /// Its size on disk.
    pub bytes: u64,
    /// Its size before compression.
    pub raw_bytes: u64,
    /// What redaction did, if it was asked for.
    pub redacted: Option<stillheap_redact::Summary>,
}

/// An unlinked file, complete, positioned at its start by its reader.
#[derive(Debug)]
pub struct Spooled {
    pub file: File,
    /// Its size on disk.
    pub bytes: u64,
    /// Its size before compression.
    pub raw_bytes: u64,
}

pub(crate) enum FinishedFile {
    Named(Written),
    Spooled(Spooled),
}
