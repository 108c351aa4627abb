//! Objects that survive and grow: a Map that nobody empties is in both snapshots, so no comparison by
//! additions shows it. Only where ids mean the same objects.

use serde::Serialize;
use stillheap_graph::sums::difference;

use super::identity::{MatchedBy, Matching, decide};
use crate::page::{Page, Paged};
use crate::query::NodeInfo;
use crate::snapshot::{Analysis, NodeOrdinal};
use stillheap_graph::types::node;

/// A survivor that has grown.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Growth {
    /// The object in the newer snapshot.
    pub node: NodeInfo,
    /// Self size before.
    pub old_self_size: u64,
    /// Retained size before.
    pub old_retained_size: u64,
    /// Self size now less self size before.
    pub self_size_delta: i64,
    /// The same for the retained size.
    pub retained_size_delta: i64,
    /// Elements before, for arrays and collections.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub old_elements: Option<u64>,
    /// Elements now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub elements: Option<u64>,
}

/// Order of survivors.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum GrowthSort {
    /// Largest growth of the self size first: the container itself, not those that hold it. Only objects whose self
    /// size has grown.
    #[default]
    SelfSize,
    /// Largest growth of the retained size first: also everything above the container.
    RetainedSize,
}

/// Survivors that have grown; None if ids do not match (see [`super::decide`]).
pub fn growth(
    old: &Analysis<'_>,
    new: &Analysis<'_>,
    matching: Matching,
    sort: GrowthSort,
    page: Page,
) -> Option<Paged<Growth>> {
    if decide(old.snapshot, new.snapshot, matching).0 != MatchedBy::Id {
        return None;
    }
    let (old_size, new_size) = (old.size_fn(), new.size_fn());
    let retained_delta =
        |a: u32, b: u32| difference(new.retained_size(NodeOrdinal(b)), old.retained_size(NodeOrdinal(a)));
    // By what grows most: bytes of its own, or of what it retains; the latter isn't asked for unless it decides.
    let mut grown: Vec<(i64, i64, u32, u32)> = Vec::new();
    let mut after = ids(new).peekable();
    for (id, a) in ids(old) {
        while after.next_if(|&(other, _)| other < id).is_some() {}
        let Some(&(_, b)) = after.peek().filter(|&&(other, _)| other == id) else { continue };
        if old.graph().node_type[a as usize] != new.graph().node_type[b as usize] {
            continue;
        }
        let own = difference(new_size(b), old_size(a));
        let (first, second) = match sort {
            GrowthSort::SelfSize => (own, 0),
            GrowthSort::RetainedSize => (retained_delta(a, b), own),
        };
        if first > 0 || second > 0 {
            grown.push((first, second, a, b));
        }
    }
    grown.sort_by_key(|&(first, second, _, b)| (std::cmp::Reverse(first), std::cmp::Reverse(second), b));
    Some(Paged::of(&grown, page, |&(_, _, a, b)| Growth {
        node: new.node(NodeOrdinal(b)),
        old_self_size: old_size(a),
        old_retained_size: old.retained_size(NodeOrdinal(a)),
        self_size_delta: difference(new_size(b), old_size(a)),
        retained_size_delta: retained_delta(a, b),
        old_elements: old.element_count(a),
        elements: new.element_count(b),
    }))
}

/// Ids in ascending order, with their objects; without V8's own and those that stand for none.
fn ids<'s>(analysis: &Analysis<'s>) -> impl Iterator<Item = (u64, u32)> + use<'s> {
    let (graph, by_id) = (analysis.graph(), analysis.snapshot.by_id());
    let of_the_program =
        move |n: &u32| !matches!(graph.node_type[*n as usize], node::SYNTHETIC | node::HIDDEN);
    by_id.iter().copied().filter(of_the_program).map(move |n| (graph.id(n), n))
}
