//! A heap as a graph.

use std::path::Path;

use serde_json::{Value, json};
use stillheap_graph::{GraphBuilder, Location, NewNode, NodeRows, Result, SnapshotData};
use stillheap_heap::{EdgeName, Snapshot};

use crate::open::{CheckedHeap, CoreOptions, with_heap};

/// Rows that are handed to the builder at a time.
const BATCH: usize = 1 << 14;

/// Reads a core file as a snapshot.
///
/// # Errors
/// The file can't be read or is no core, the process was no Node that is known, or the heap doesn't stand the probes.
pub fn read(path: &Path, options: &CoreOptions) -> Result<SnapshotData> {
    with_heap(path, options, |found| build(&found))
}

/// What the header says about where the snapshot comes from.
pub fn header_entry(pid: Option<u32>, thread: usize, node: &str) -> Value {
    json!({
        "mode": "core",
        "pid": pid,
        "isolate": thread,
        "nodeVersion": node,
        // Ids of objects of the old generation are their addresses; those of the young one are in no other file.
        "objectIds": "addresses",
    })
}

fn build(found: &CheckedHeap<'_>) -> Result<SnapshotData> {
    let mut snapshot = Snapshot::new(&found.heap, &found.live);
    let mut builder = GraphBuilder::new();
    builder.reserve(snapshot.node_count() as usize, snapshot.edge_count() as usize);
    nodes(&mut snapshot, &mut builder)?;
    edges(&mut snapshot, &mut builder)?;
    let mut outcome = Ok(());
    snapshot.strings(|text| {
        if outcome.is_ok() {
            outcome = builder.string(text.as_bytes()).map(drop);
        }
    });
    outcome?;
    snapshot.locations(|l| {
        let location = Location { script_id: l.script, line: l.line.into(), column: l.column.into() };
        builder.location(l.node, location);
    });
    let node = &found.live.process.node;
    builder.header_entry("stillheap", header_entry(found.memory.core.process(), found.isolate, node));
    builder.finish()
}

fn nodes(snapshot: &mut Snapshot<'_, '_>, builder: &mut GraphBuilder) -> Result<()> {
    let mut rows = NodeRows::default();
    let mut outcome = Ok(());
    snapshot.nodes(|node| {
        let new = NewNode {
            node_type: node.kind as u8,
            name: node.name,
            id: node.id,
            self_size: node.self_size,
            ..NewNode::default()
        };
        rows.push(&new, node.edge_count);
        if rows.ty.len() >= BATCH && outcome.is_ok() {
            outcome = builder.nodes(&rows);
            rows.clear();
        }
    });
    outcome?;
    builder.nodes(&rows)
}

fn edges(snapshot: &mut Snapshot<'_, '_>, builder: &mut GraphBuilder) -> Result<()> {
    let (mut types, mut names, mut targets) = (Vec::new(), Vec::new(), Vec::new());
    let mut outcome = Ok(());
    snapshot.edges(|edge| {
        types.push(edge.kind as u8);
        names.push(match edge.name {
            EdgeName::Index(n) | EdgeName::Text(n) => n,
        });
        targets.push(edge.to);
        if types.len() >= BATCH && outcome.is_ok() {
            outcome = builder.edges(&types, &names, &targets);
            types.clear();
            names.clear();
            targets.clear();
        }
    });
    outcome?;
    builder.edges(&types, &names, &targets)
}
