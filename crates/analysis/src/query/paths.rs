//! Paths from a node to a root, shortest first.

use foldhash::{HashSet, HashSetExt};
use serde::Serialize;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::{EdgeInfo, NodeInfo};
use crate::passes::distances::{SYSTEM, UNREACHABLE};
use crate::snapshot::{Analysis, NodeOrdinal};

/// A way from a node to a root.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RootPath {
    /// Where it starts: the node asked about.
    pub node: NodeInfo,
    /// Each edge that holds what stands before it, with its holder; the last holder is a root.
    pub steps: Vec<EdgeInfo>,
    /// The last holder is a user root (a global object); otherwise only the system holds the node.
    pub user_root: bool,
}

impl<'s> Analysis<'s> {
    /// Up to `count` different paths to a root, shortest first, no node twice in a path.
    ///
    /// Best-first search guided by the distances (they are exact, but for the few edges that DevTools' rules
    /// skip); work is bounded by `effort` steps
    /// (0 stands for a million), so on a heap with very many short paths the list may be shorter than asked.
    pub fn paths(&self, node: NodeOrdinal, count: usize, effort: usize) -> Vec<RootPath> {
        self.path_edges(node, count, effort).into_iter().map(|edges| self.root_path(node, &edges)).collect()
    }

    fn root_path(&self, node: NodeOrdinal, edges: &[(u32, u32)]) -> RootPath {
        let end = edges.last().map_or(node.0, |&(_, from)| from);
        RootPath {
            node: self.node(node),
            steps: edges.iter().map(|&(e, from)| self.edge_info(e, from)).collect(),
            user_root: self.snapshot.reach().distance[end as usize] < SYSTEM,
        }
    }

    /// Paths as (edge, holder) pairs.
    pub(crate) fn path_edges(&self, node: NodeOrdinal, count: usize, effort: usize) -> Vec<Vec<(u32, u32)>> {
        let distance = &self.snapshot.reach().distance;
        let mut effort = if effort == 0 { 1_000_000 } else { effort };
        let is_end = |n: u32| matches!(distance[n as usize], 0 | 1) || distance[n as usize] == SYSTEM + 1;
        // Steps still to go: user paths and system paths compare within their kind; user paths come first.
        let to_go = |n: u32| distance[n as usize] as i64;
        // Partial paths as a tree: (parent entry, edge, node, length).
        let mut entries: Vec<(u32, u32, u32, u32)> = vec![(u32::MAX, u32::MAX, node.0, 0)];
        let mut heap = BinaryHeap::from([Reverse((to_go(node.0), 0u32))]);
        let mut paths = Vec::new();
        let mut on_path: HashSet<u32> = HashSet::new();
        while let Some(Reverse((_, entry))) = heap.pop() {
            let (_, _, at, length) = entries[entry as usize];
            if is_end(at) || at == self.graph().root {
                paths.push(unwind(&entries, entry));
                if paths.len() >= count {
                    break;
                }
                continue;
            }
            on_path.clear();
            let mut up = entry;
            while up != u32::MAX {
                on_path.insert(entries[up as usize].2);
                up = entries[up as usize].0;
            }
            for (e, from) in self.retainer_edges(NodeOrdinal(at)) {
                if effort == 0 {
                    return paths;
                }
                if on_path.contains(&from) || distance[from as usize] == UNREACHABLE {
                    continue;
                }
                effort -= 1;
                let next = entries.len() as u32;
                entries.push((entry, e, from, length + 1));
                heap.push(Reverse((length as i64 + 1 + to_go(from), next)));
            }
        }
        paths
    }
}

fn unwind(entries: &[(u32, u32, u32, u32)], mut entry: u32) -> Vec<(u32, u32)> {
    let mut path = Vec::new();
    while entries[entry as usize].0 != u32::MAX {
        let (parent, edge, node, _) = entries[entry as usize];
        path.push((edge, node));
        entry = parent;
    }
    path.reverse();
    path
}
