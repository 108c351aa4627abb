//! Distances from the user roots, and the nodes that belong to the page.
//!
//! Breadth first from all user roots at 1, then from the root at 100000000 for what is left. The first walk is
//! at the same time nearly all of the page-ownership walk (both start at the global objects and follow every
//! edge that is not weak), so it is reused for that and only the edges it refused are looked at again.
//! Time: every edge twice at most, one bit per edge target. Memory: 8 bytes per node while running, 4 after.

use foldhash::{HashSet, HashSetExt};

use super::ephemerons::Ephemerons;
use crate::bits::Bits;
use crate::scratch::BufferPool;
use stillheap_graph::Graph;
use stillheap_graph::column::Column;
use stillheap_graph::strings::{js_parse_int, kind};
use stillheap_graph::types::{edge, node};

/// Distance of a node that nothing reaches.
pub const UNREACHABLE: i32 = -5;
/// Distance of the root; what only it reaches counts up from here.
pub const SYSTEM: i32 = 100_000_000;

pub(crate) struct Reach {
    /// DevTools' distance of every node.
    pub(crate) distance: Column<i32>,
    /// Nodes that belong to the page.
    pub(crate) page: Bits,
}

pub(crate) fn is_dom_trees_root(graph: &Graph, ordinal: u32) -> bool {
    graph.node_type[ordinal as usize] == node::SYNTHETIC && graph.name_kind(ordinal) == kind::DOM_TREES
}

pub(crate) fn is_user_root(graph: &Graph, ordinal: u32) -> bool {
    graph.node_type[ordinal as usize] != node::SYNTHETIC || is_dom_trees_root(graph, ordinal)
}

/// Breadth-first walk over non-weak edges. `admit` may refuse an edge to a node not seen yet.
pub(crate) fn walk(
    graph: &Graph,
    queue: &mut Vec<u32>,
    seen: &mut Bits,
    mut reached: impl FnMut(u32, u32),
    mut admit: impl FnMut(u32, usize) -> bool,
) {
    let mut next = 0;
    while next < queue.len() {
        let from = queue[next];
        next += 1;
        for e in graph.edges(from) {
            let to = graph.edge_to[e];
            if seen.get(to) || graph.edge_type[e] == edge::WEAK || !admit(from, e) {
                continue;
            }
            seen.set(to);
            reached(from, to);
            queue.push(to);
        }
    }
}

pub(crate) fn compute(graph: &Graph, ephemerons: &Ephemerons, scratch: &BufferPool) -> Reach {
    let nodes = graph.node_type.len();
    let mut distance = vec![UNREACHABLE; nodes];
    let mut seen = Bits::new(nodes);
    let mut queue = scratch.numbers(nodes);
    let mut skips = Skips::new(graph, ephemerons);

    // A root that is listed twice is walked twice, as in DevTools: it matters for WeakMap pairs.
    for e in graph.edges(graph.root) {
        let to = graph.edge_to[e];
        if is_user_root(graph, to) {
            distance[to as usize] = 1;
            seen.set(to);
            queue.push(to);
        }
    }
    let has_user_roots = !queue.is_empty();
    breadth_first(graph, &mut queue, &mut seen, &mut distance, &mut skips);

    let page = page_owned(graph, &seen, &skips.refused, &mut queue);

    distance[graph.root as usize] = if has_user_roots { SYSTEM } else { 0 };
    seen.set(graph.root);
    queue.clear();
    queue.push(graph.root);
    breadth_first(graph, &mut queue, &mut seen, &mut distance, &mut skips);
    scratch.give([queue]);
    Reach { distance: distance.into(), page }
}

/// How many queue entries are looked up together: their memory accesses overlap.
const BATCH: usize = 16;

fn breadth_first(
    graph: &Graph,
    queue: &mut Vec<u32>,
    seen: &mut Bits,
    distance: &mut [i32],
    skips: &mut Skips<'_>,
) {
    let mut next = 0;
    let mut ranges = [(0u32, 0usize, 0usize, 0i32); BATCH];
    while next < queue.len() {
        let count = BATCH.min(queue.len() - next);
        for (slot, &from) in ranges.iter_mut().zip(&queue[next..next + count]) {
            let edges = graph.edges(from);
            *slot = (from, edges.start, edges.end, distance[from as usize] + 1);
        }
        next += count;
        for &(from, start, end, depth) in &ranges[..count] {
            let special = skips.special.get(from);
            for (i, (&to, &ty)) in
                graph.edge_to[start..end].iter().zip(&graph.edge_type[start..end]).enumerate()
            {
                if seen.get(to) || ty == edge::WEAK {
                    continue;
                }
                if (special || ty == edge::INTERNAL) && !skips.admit(from, start + i) {
                    skips.refused.push(to);
                    continue;
                }
                seen.set(to);
                distance[to as usize] = depth;
                queue.push(to);
            }
        }
    }
}

/// The edges that distances do not follow.
struct Skips<'g> {
    graph: &'g Graph,
    ephemerons: &'g Ephemerons,
    /// Hidden native contexts and descriptor arrays.
    special: Bits,
    /// Pairs of which one edge has been seen and refused.
    pending: HashSet<u32>,
    refused: Vec<u32>,
}

impl<'g> Skips<'g> {
    fn new(graph: &'g Graph, ephemerons: &'g Ephemerons) -> Skips<'g> {
        let special = Bits::from_fn(graph.node_type.len(), |i| match graph.node_type[i as usize] {
            node::HIDDEN => graph.name_kind(i) == kind::NATIVE_CONTEXT,
            node::ARRAY => graph.name_kind(i) == kind::MAP_DESCRIPTORS,
            _ => false,
        });
        Skips { graph, ephemerons, special, pending: HashSet::new(), refused: Vec::new() }
    }

    fn admit(&mut self, from: u32, e: usize) -> bool {
        let graph = self.graph;
        let (ty, name) = (graph.edge_type[e], graph.edge_name[e]);
        if self.special.get(from) {
            if graph.node_type[from as usize] == node::ARRAY {
                // Maps share descriptor arrays, so links to descriptors say little about distance.
                let index = if stillheap_graph::types::has_string_name(ty) {
                    js_parse_int(graph.strings.bytes(name)).unwrap_or(f64::NAN)
                } else {
                    name as f64
                };
                return index < 2.0 || index % 3.0 != 1.0;
            }
            if graph.edge_name_kind(e) == kind::SLOPPY_MAP {
                return false;
            }
        }
        // Of the two edges to a WeakMap's value the one seen first is refused, so that the value ends up behind
        // the farther of key and table.
        if ty == edge::INTERNAL
            && graph.strings.kind(name) == kind::EPHEMERON
            && let Some(pair) = self.ephemerons.get(name)
            && !self.pending.remove(&pair.shared)
        {
            self.pending.insert(pair.shared);
            return false;
        }
        true
    }
}

/// Nodes reached over non-weak edges from the root's shortcuts and document trees. `seen` is what the walk from
/// the user roots has reached, `refused` the targets of edges it did not follow.
fn page_owned(graph: &Graph, seen: &Bits, refused: &[u32], stack: &mut Vec<u32>) -> Bits {
    let starts = || {
        graph.edges(graph.root).filter_map(|e| {
            let to = graph.edge_to[e];
            let ty = graph.edge_type[e];
            (ty == edge::SHORTCUT || (ty == edge::ELEMENT && is_dom_trees_root(graph, to))).then_some(to)
        })
    };
    let start_set: HashSet<u32> = starts().collect();
    let reusable = graph
        .edges(graph.root)
        .all(|e| !is_user_root(graph, graph.edge_to[e]) || start_set.contains(&graph.edge_to[e]));
    let mut page = if reusable { seen.clone() } else { Bits::new(graph.node_type.len()) };
    stack.clear();
    let more = if reusable { refused } else { &[] };
    stack.extend(starts().chain(more.iter().copied()).filter(|&to| page.insert(to)));
    while let Some(from) = stack.pop() {
        for e in graph.edges(from) {
            if graph.edge_type[e] != edge::WEAK && page.insert(graph.edge_to[e]) {
                stack.push(graph.edge_to[e]);
            }
        }
    }
    page
}
