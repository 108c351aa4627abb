//! A core as a `.heapsnapshot` file, streamed: a tenth of the heap is needed beside the core.

use std::io::{self, Write};
use std::path::Path;

use serde_json::Map;
use stillheap_graph::{Error, HeaderSpec, Location, NewNode, Result};
use stillheap_heap::{EdgeName, Snapshot};
use stillheap_snapshot::NodeWriter;

use crate::build::header_entry;
use crate::open::{CheckedHeap, CoreOptions, with_heap};

/// What was written.
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
        stream(&found, out).map_err(|error| Error::io(error, "writing the snapshot"))
    })
}

/// The first error ends the writing; the walk goes on to its end, since it can't be stopped in between.
struct FirstError(io::Result<()>);

impl FirstError {
    fn and(&mut self, step: impl FnOnce() -> io::Result<()>) {
        if self.0.is_ok() {
            self.0 = step();
        }
    }
}

fn stream(found: &CheckedHeap<'_>, out: impl Write) -> io::Result<Converted> {
    let mut snapshot = Snapshot::new(&found.heap, &found.live);
    let node = &found.live.process.node;
    let mut entries = Map::new();
    entries.insert("stillheap".to_owned(), header_entry(found.memory.core.process(), found.isolate, node));
    let (nodes, edges) = (snapshot.node_count(), snapshot.edge_count());
    let mut writer = NodeWriter::new(out, HeaderSpec { nodes, edges, trace_ids: false, entries })?;
    let mut first = FirstError(Ok(()));
    snapshot.nodes(|node| {
        let new = NewNode {
            node_type: node.kind as u8,
            name: node.name,
            id: node.id,
            self_size: node.self_size,
            ..NewNode::default()
        };
        first.and(|| writer.write(&new, node.edge_count));
    });
    first.0?;
    let mut writer = writer.edges()?;
    let mut first = FirstError(Ok(()));
    snapshot.edges(|edge| {
        let (EdgeName::Index(name) | EdgeName::Text(name)) = edge.name;
        first.and(|| writer.write(edge.kind as u8, name, edge.to));
    });
    first.0?;
    let mut writer = writer.locations()?;
    let mut first = FirstError(Ok(()));
    snapshot.locations(|l| {
        let location = Location { script_id: l.script, line: l.line.into(), column: l.column.into() };
        first.and(|| writer.write(l.node, location));
    });
    first.0?;
    let mut writer = writer.strings()?;
    let mut first = FirstError(Ok(()));
    snapshot.strings(|text| first.and(|| writer.write(text.as_bytes())));
    first.0?;
    writer.finish()?.flush()?;
    Ok(Converted { nodes, edges, node: node.clone() })
}
