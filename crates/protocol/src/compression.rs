//! How snapshots are compressed.

use serde::{Deserialize, Serialize};

/// How the file is compressed while it is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Compression {
    /// Plain JSON, ready for DevTools.
    #[default]
    None,
    /// gzip, level 1: snapshots shrink about sixfold, and V8 isn't kept waiting.
    Gzip,
    /// zstd, level 3.
    Zstd,
}

impl Compression {
    /// The extension of a snapshot written this way, with its dot.
    pub fn extension(self) -> &'static str {
        match self {
            Self::None => ".heapsnapshot",
            Self::Gzip => ".heapsnapshot.gz",
            Self::Zstd => ".heapsnapshot.zst",
        }
    }
}
