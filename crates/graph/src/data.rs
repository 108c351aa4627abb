//! What a snapshot holds, and what its reader found about the file.

use crate::graph::Graph;
use crate::meta::Header;

/// How the input was packed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Packing {
    /// Plain JSON.
    #[default]
    Plain,
    Gzip,
    /// Zstandard.
    Zstd,
}

/// What a truncated input has lost.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Salvage {
    /// Byte position where the (decompressed) input ends.
    pub position: u64,
    /// The section that the input ends in.
    pub section: String,
    /// Nodes that the header promised, if it did.
    pub nodes_expected: Option<u64>,
    pub nodes_read: u64,
    /// Edges that the nodes (or the header, if nodes are missing) promised.
    pub edges_expected: u64,
    pub edges_read: u64,
    /// Names whose text is lost; they show as [`crate::LOST_STRING`].
    pub strings_missing: u64,
}

/// Whether the file is whole.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Completeness {
    /// The outermost object is closed and nothing but white space follows.
    pub closed: bool,
    /// Bytes read after decompression.
    pub bytes: u64,
    /// Every node and edge that the header counts is there, no more and no fewer.
    pub counts_match: bool,
    /// `trace_function_count` of the header equals the function infos in the file. Files captured while
    /// tracking allocations often break this; nothing depends on it here.
    pub trace_function_count_matches: bool,
    /// All of nodes, edges and strings are there.
    pub sections_present: bool,
}

impl Completeness {
    /// Nothing is missing that an analysis needs.
    pub fn is_whole(&self) -> bool {
        self.closed && self.counts_match && self.sections_present
    }
}

/// A snapshot: what the file says, and what the reader found about the file.
pub struct SnapshotData {
    pub header: Header,
    pub graph: Graph,
    pub packing: Packing,
    /// There only if the input was truncated.
    pub salvage: Option<Salvage>,
    pub completeness: Completeness,
}
