//! Folded shallow sizes: internal arrays and hidden objects count to the object that owns them.
//!
//! Hidden nodes, arrays and external string data start unowned, everything else owns itself. Ownership spreads
//! over non-weak edges; a node with exactly one owner gives its size away, unless the owner is synthetic or the
//! root. The result does not depend on the order, so self-owned nodes are handled in one scan in file order and
//! only the foldable ones go through a work list. Without user roots (internals exposed) nothing is folded.
//! Time: one bit per edge target. Memory: 4 bytes per node after, 4 more while running.

use std::collections::HashMap;

use super::distances::is_user_root;
use crate::bits::Bits;
use crate::scratch::BufferPool;
use stillheap_graph::Graph;
use stillheap_graph::column::Column;
use stillheap_graph::strings::kind;
use stillheap_graph::types::LARGE;
use stillheap_graph::types::{edge, node};

const UNOWNED: u32 = u32::MAX;
const MANY: u32 = u32::MAX - 1;

/// Self sizes of a model, 4 bytes per node; the few that need more stand aside.
pub(crate) struct Sizes {
    pub(crate) small: Column<u32>,
    pub(crate) large: HashMap<u32, u64>,
}

impl Sizes {
    #[inline(always)]
    pub(crate) fn get(&self, ordinal: u32) -> u64 {
        match self.small[ordinal as usize] {
            LARGE => self.large.get(&ordinal).copied().unwrap_or(LARGE as u64),
            size => size as u64,
        }
    }

    fn set(&mut self, ordinal: u32, size: u64) {
        if size >= LARGE as u64 {
            self.small.edit()[ordinal as usize] = LARGE;
            self.large.insert(ordinal, size);
        } else {
            self.small.edit()[ordinal as usize] = size as u32;
        }
    }
}

/// Sizes after folding; None means as they are in the file.
pub(crate) fn compute(graph: &Graph, scratch: &BufferPool) -> Option<Sizes> {
    let moves = owners(graph, scratch)?;
    let mut sizes = Sizes { small: graph.node_size.clone(), large: graph.large_sizes.clone() };
    for (from, to) in moves {
        let size = sizes.get(from);
        sizes.set(from, 0);
        let sum = sizes.get(to).saturating_add(size);
        sizes.set(to, sum);
    }
    Some(sizes)
}

/// Node and owner of each node that gives its size away.
fn owners(graph: &Graph, scratch: &BufferPool) -> Option<Vec<(u32, u32)>> {
    if !graph.edges(graph.root).any(|e| is_user_root(graph, graph.edge_to[e])) {
        return None;
    }
    let nodes = graph.node_type.len();
    let foldable = Bits::from_fn(nodes, |i| match graph.node_type[i as usize] {
        node::HIDDEN | node::ARRAY => true,
        node::NATIVE => graph.name_kind(i) == kind::EXTERNAL_STRING_DATA,
        _ => false,
    });
    let mut owner = scratch.filled(nodes, UNOWNED);
    let mut work: Vec<u32> = Vec::new();
    let spread = |owner: &mut Vec<u32>, work: &mut Vec<u32>, from: u32, by: u32| {
        for e in graph.edges(from) {
            let to = graph.edge_to[e];
            if !foldable.get(to) || graph.edge_type[e] == edge::WEAK {
                continue;
            }
            let current = owner[to as usize];
            if current == by || current == MANY {
                continue;
            }
            owner[to as usize] = if current == UNOWNED { by } else { MANY };
            work.push(to);
        }
    };
    for from in 0..nodes as u32 {
        if !foldable.get(from) {
            spread(&mut owner, &mut work, from, from);
        }
    }
    while let Some(from) = work.pop() {
        let by = owner[from as usize];
        spread(&mut owner, &mut work, from, by);
    }
    let mut moves = Vec::new();
    for (ordinal, &by) in owner.iter().enumerate() {
        if by < MANY && graph.node_type[by as usize] != node::SYNTHETIC && by != graph.root {
            moves.push((ordinal as u32, by));
        }
    }
    scratch.give([owner]);
    Some(moves)
}
