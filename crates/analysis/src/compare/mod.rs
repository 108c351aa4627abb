//! Comparison of snapshots.
//!
//! Two snapshots of one process share object ids: what is in both survived, what is only in the newer one is
//! new. That is DevTools' comparison, reproduced exactly. Where ids mean nothing across two files, classes are
//! compared by their counts and sizes, and the result says so.

mod diff;
mod growth;
mod identity;
mod series;

pub use diff::{Comparison, ComparisonTotals, DiffRow, DiffSort, compare};
pub use growth::{Growth, GrowthSort, growth};
pub use identity::{MatchedBy, Matching, decide, newest_id, one_process, same_nodes};
pub use series::{Series, SeriesClass, SeriesSort, series};

use crate::passes::aggregates;
use crate::passes::classes::{self, Classes};
use crate::passes::shapes::Definition;
use crate::scratch::BufferPool;
use crate::snapshot::Analysis;

/// Objects of one class, sorted by id.
pub(crate) struct Members {
    pub(crate) key: String,
    pub(crate) name: String,
    pub(crate) nodes: Vec<u32>,
}

/// The classes of a snapshot under the shapes of another one, each with its members of non-zero size.
pub(crate) fn members(analysis: &Analysis<'_>, definitions: Option<&[Definition]>) -> Vec<Members> {
    let (graph, snapshot) = (analysis.graph(), analysis.snapshot);
    let size = analysis.size_fn();
    let own: &Classes = snapshot.classes();
    let other = definitions
        .filter(|d| *d != snapshot.definitions())
        .map(|d| classes::compute(graph, snapshot.plain_objects(), d, &BufferPool::default()));
    let classes = other.as_ref().unwrap_or(own);
    let mut slot_of = vec![u32::MAX; classes.list.len()];
    let mut found: Vec<(aggregates::Aggregate, Vec<u32>)> = Vec::new();
    for (ordinal, &class) in classes.of_node.iter().enumerate() {
        let slot = &mut slot_of[class as usize];
        if *slot == u32::MAX && size(ordinal as u32) != 0 {
            *slot = found.len() as u32;
            let row =
                aggregates::Aggregate { class, count: found.len() as u64, distance: 0, size: 0, retained: 0 };
            found.push((row, Vec::new()));
        }
    }
    // Sorted once for all classes and all comparisons.
    for &ordinal in snapshot.by_id().iter() {
        if size(ordinal) != 0 {
            found[slot_of[classes.of_node[ordinal as usize] as usize] as usize].1.push(ordinal);
        }
    }
    // The same rule about equal keys as in the class view. `count` carries the place of the members.
    let rows = found.iter().map(|(row, _)| row.clone()).collect();
    let mut out = Vec::new();
    for (key, row) in aggregates::by_key(rows, &classes.list) {
        let nodes = std::mem::take(&mut found[row.count as usize].1);
        // DevTools names the older side by what its last object is called under its own shapes.
        let class = match (&other, nodes.last()) {
            (Some(_), Some(&last)) => &own.list[own.of_node[last as usize] as usize],
            _ => &classes.list[row.class as usize],
        };
        out.push(Members { key, name: String::from_utf8_lossy(&class.name).into_owned(), nodes });
    }
    out
}
