//! Which native context (realm, page, `vm` context) each node belongs to.
//!
//! An object's context is known through its map's map; from there ownership spreads over edges that are
//! neither weak nor shortcuts, and nodes that several contexts reach are shared. Time: each edge at most
//! twice. Memory: 4 bytes per node after, 8 more while running.

use crate::bits::Bits;
use stillheap_graph::Graph;
use stillheap_graph::strings::kind;
use stillheap_graph::types::edge;

/// No native context reaches the node.
pub(crate) const NONE: u32 = u32::MAX;
/// Several do.
pub(crate) const SHARED: u32 = u32::MAX - 1;

pub(crate) struct NativeContexts {
    /// Ordinal of the owning context, [`NONE`] or [`SHARED`].
    pub(crate) owner: Vec<u32>,
    /// The contexts, in file order.
    pub(crate) list: Vec<u32>,
}

fn is_native_context(graph: &Graph, ordinal: u32) -> bool {
    matches!(
        graph.name_kind(ordinal),
        kind::NATIVE_CONTEXT | kind::NATIVE_CONTEXT_LIKE | kind::DETACHED_NATIVE_CONTEXT
    )
}

pub(crate) fn compute(graph: &Graph) -> NativeContexts {
    let nodes = graph.node_count();
    let mut owner = vec![NONE; nodes as usize];
    let mut list = Vec::new();
    // DevTools looks for the first string with each of these two texts; a second one with the same text is
    // another name to it.
    let first_with = |wanted: u8| memchr::memchr(wanted, &graph.strings.kinds).map(|i| i as u32);
    let (map_name, context_name) = (first_with(kind::MAP), first_with(kind::NATIVE_CONTEXT_EDGE));
    let mut map = vec![NONE; nodes as usize];
    let mut context = vec![NONE; nodes as usize];
    for ordinal in 0..nodes {
        for e in graph.edges(ordinal) {
            if graph.edge_type[e] != edge::INTERNAL {
                continue;
            }
            let (name, to) = (Some(graph.edge_name[e]), graph.edge_to[e]);
            let i = ordinal as usize;
            if name == context_name && context[i] == NONE && is_native_context(graph, to) {
                context[i] = to;
            } else if name == map_name && map[i] == NONE {
                map[i] = to;
            }
        }
    }
    let mut fixed = Bits::new(nodes as usize);
    let mut queue: Vec<u32> = Vec::new();
    for ordinal in 0..nodes {
        let found = if is_native_context(graph, ordinal) {
            list.push(ordinal);
            ordinal
        } else {
            let follow = |from: u32| if from == NONE { NONE } else { map[from as usize] };
            match follow(follow(ordinal)) {
                NONE => NONE,
                meta_map => context[meta_map as usize],
            }
        };
        if found != NONE {
            owner[ordinal as usize] = found;
            fixed.set(ordinal);
            queue.push(ordinal);
        }
    }
    // What a node ends up with does not depend on the order, so the newest entry may go first.
    while let Some(from) = queue.pop() {
        let by = owner[from as usize];
        for e in graph.edges(from) {
            let to = graph.edge_to[e];
            if matches!(graph.edge_type[e], edge::SHORTCUT | edge::WEAK) || fixed.get(to) {
                continue;
            }
            let current = owner[to as usize];
            let merged = match current {
                NONE => by,
                SHARED => SHARED,
                _ if current == by => by,
                _ => SHARED,
            };
            if merged != current {
                owner[to as usize] = merged;
                queue.push(to);
            }
        }
    }
    NativeContexts { owner, list }
}
