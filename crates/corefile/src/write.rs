//! A core as a `.heapsnapshot` file, streamed: a tenth of the heap is needed beside the core.

use std::io::Write;
use std::path::Path;

use serde_json::Map;
use stillheap_graph::{Error, ErrorKind, Result};
use stillheap_heap::unwatched;

use crate::build::header_entry;
use crate::error::refused;
use crate::open::{CoreOptions, with_heap};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Converted {
    pub nodes: u64,
    pub edges: u64,
    /// process.version.
    pub node: String,
}

/// Writes a core as a snapshot.
///
/// # Errors
/// As of [`crate::read`], or `out` failed.
pub fn convert(path: &Path, options: &CoreOptions, out: impl Write) -> Result<Converted> {
    with_heap(path, options, |found| {
        let node = found.live.process.node.clone();
        let mut entries = Map::new();
        entries.insert("stillheap".to_owned(), header_entry(&found));
        match stillheap_heapfile::write_verified(&found.heap, &found.live, entries, out, &mut unwatched) {
            Ok((counts, _)) => Ok(Converted { nodes: counts.nodes, edges: counts.edges, node }),
            Err(stillheap_heapfile::Error::Io(error)) => Err(Error::io(error, "writing the snapshot")),
            Err(stillheap_heapfile::Error::Refused(refusal)) => Err(refused(path, &refusal)),
            Err(stillheap_heapfile::Error::Stopped) => {
                Err(Error::new(ErrorKind::Cancelled, None, "writing the snapshot was stopped"))
            }
        }
    })
}
