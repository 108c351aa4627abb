//! What is measured.

use serde::{Deserialize, Serialize};

/// The memory of an isolate, and of its process, at one moment. Bytes; times in milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Sample {
    /// Milliseconds since the watch began; never falls.
    pub at: f64,
    /// Taken directly after a full (mark-compact) collection, so that `used` is what lives.
    pub full: bool,
    /// Minor collections so far.
    pub minor: u64,
    /// V8's used heap.
    pub used: u64,
    /// What V8 has of the system for its heap.
    pub committed: u64,
    /// V8's limit.
    pub limit: u64,
    /// Memory outside the heap that objects of the heap keep alive, array buffers included.
    pub external: u64,
    /// The old generation's share of `used`: what minor collections don't look at.
    pub old: u64,
    /// Machine code's share of `used`.
    pub code: u64,
    /// Array buffers' share of `external`, if known.
    pub array_buffers: Option<u64>,
    /// The process's resident memory; only where this isolate is the process's main one.
    pub rss: Option<u64>,
    /// The tightest control group.
    pub group: Option<CgroupUsage>,
}

/// A control group's limit and use, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CgroupUsage {
    /// Above it, somebody is killed.
    pub limit: u64,
    /// What can't be dropped.
    pub used: u64,
}

impl CgroupUsage {
    /// Bytes that are left.
    pub fn headroom(&self) -> u64 {
        self.limit.saturating_sub(self.used)
    }
}

impl Sample {
    /// Resident memory that is neither V8's heap nor known to V8: of native code, of the allocator, of the
    /// binary. Pages that are reserved and were never touched make it smaller.
    pub fn native(&self) -> Option<u64> {
        Some(self.rss?.saturating_sub(self.committed).saturating_sub(self.external))
    }
}
