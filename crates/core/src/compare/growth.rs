//! Objects that survive and grow: a Map that nobody empties is in both snapshots, so no comparison by
//! additions shows it. Only where ids mean the same objects.

use serde::Serialize;

use super::identity::{MatchedBy, Matching, decide};
use crate::query::{NodeInfo, Page, Paged};
use crate::types::node;
use crate::{Analysis, NodeOrdinal};

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
    /// Largest growth of the self size first: the container itself, not those that hold it.
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
    let sorted = |analysis: &Analysis<'_>| -> Vec<(u64, u32)> {
        let graph = analysis.graph();
        let mut ids: Vec<(u64, u32)> = (0..graph.node_count())
            .filter(|&n| !matches!(graph.node_type[n as usize], node::SYNTHETIC | node::HIDDEN))
            .map(|n| (graph.id(n), n))
            .collect();
        ids.sort_unstable();
        ids
    };
    let (before, after) = (sorted(old), sorted(new));
    let (old_size, new_size) = (old.size_fn(), new.size_fn());
    let mut grown: Vec<(i64, i64, u32, u32)> = Vec::new();
    let mut j = 0;
    for (id, a) in before {
        while after.get(j).is_some_and(|&(other, _)| other < id) {
            j += 1;
        }
        let Some(&(_, b)) = after.get(j).filter(|&&(other, _)| other == id) else { continue };
        if old.graph().node_type[a as usize] != new.graph().node_type[b as usize] {
            continue;
        }
        let own = new_size(b) as i64 - old_size(a) as i64;
        let all = new.retained_size(NodeOrdinal(b)) as i64 - old.retained_size(NodeOrdinal(a)) as i64;
        if own > 0 || all > 0 {
            grown.push((own, all, a, b));
        }
    }
    grown.sort_by_key(|&(own, all, _, b)| match sort {
        GrowthSort::SelfSize => (std::cmp::Reverse(own), std::cmp::Reverse(all), b),
        GrowthSort::RetainedSize => (std::cmp::Reverse(all), std::cmp::Reverse(own), b),
    });
    Some(Paged::of(&grown, page, |&(own, all, a, b)| Growth {
        node: new.node(NodeOrdinal(b)),
        old_self_size: old_size(a),
        old_retained_size: old.retained_size(NodeOrdinal(a)),
        self_size_delta: own,
        retained_size_delta: all,
        old_elements: old.element_count(a),
        elements: new.element_count(b),
    }))
}
