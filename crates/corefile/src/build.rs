//! A heap as a graph.

use std::convert::Infallible;
use std::path::Path;

use serde_json::{Value, json};
use stillheap_graph::{Error, GraphBuilder, NodeRows, Result, SnapshotData};
use stillheap_heap::{Snapshot, unwatched};
use stillheap_heapfile::{location, new_node};

use crate::error::refused;
use crate::open::{CheckedHeap, CoreOptions, with_heap};

/// Rows that are handed to the builder at a time.
const BATCH: usize = 1 << 14;

/// Reads a core file as a snapshot.
///
/// # Errors
/// The file can't be read or is no core, the process was no Node that is known, or the heap doesn't stand the probes.
pub fn read(path: &Path, options: &CoreOptions) -> Result<SnapshotData> {
    with_heap(path, options, |found| build(path, &found))
}

/// What the header says about where the snapshot comes from.
pub(crate) fn header_entry(found: &CheckedHeap<'_>) -> Value {
    json!({
        "mode": "core",
        "pid": found.memory.core.process(),
        "isolate": found.isolate,
        "nodeVersion": found.live.process.node,
        // `performance.timeOrigin`: two processes may have one id.
        "timeOrigin": found.heap.started_ms(&found.live),
        // Ids of objects of the old generation are their addresses; those of the young one are in no other file.
        "objectIds": "addresses",
    })
}

fn build(path: &Path, found: &CheckedHeap<'_>) -> Result<SnapshotData> {
    let mut snapshot =
        Snapshot::new(&found.heap, &found.live, &mut unwatched).map_err(|refusal| refused(path, &refusal))?;
    let mut builder = GraphBuilder::new();
    builder.reserve(snapshot.node_count() as usize, snapshot.edge_count() as usize);
    nodes(&mut snapshot, &mut builder)?;
    edges(&mut snapshot, &mut builder)?;
    snapshot.strings(|text| builder.string(text).map(drop))?;
    let Ok(()) = snapshot.locations(|l| {
        builder.location(l.node, location(&l));
        Ok::<(), Infallible>(())
    });
    builder.header_entry("stillheap", header_entry(found));
    builder.finish()
}

fn nodes(snapshot: &mut Snapshot<'_, '_>, builder: &mut GraphBuilder) -> Result<()> {
    let mut rows = NodeRows::default();
    snapshot.nodes(|node| {
        rows.push(&new_node(&node), node.edge_count);
        if rows.ty.len() >= BATCH {
            builder.nodes(&rows)?;
            rows.clear();
        }
        Ok::<(), Error>(())
    })?;
    builder.nodes(&rows)
}

fn edges(snapshot: &mut Snapshot<'_, '_>, builder: &mut GraphBuilder) -> Result<()> {
    let (mut types, mut names, mut targets) = (Vec::new(), Vec::new(), Vec::new());
    snapshot.edges(|edge| {
        types.push(edge.kind as u8);
        names.push(edge.name);
        targets.push(edge.to);
        if types.len() >= BATCH {
            builder.edges(&types, &names, &targets)?;
            types.clear();
            names.clear();
            targets.clear();
        }
        Ok::<(), Error>(())
    })?;
    builder.edges(&types, &names, &targets)
}
