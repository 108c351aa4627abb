//! Which edges count for dominators: one bit per edge.
//!
//! DevTools leaves out weak edges, self edges, shortcuts (but for the root's), edges from outside the page into
//! the page (but for the root's), and a WeakMap table's edge to a value, so that the key owns it. The `gc`
//! model keeps the last two. Time: one step per edge, in file order.

use super::ephemerons::Ephemerons;
use crate::bits::Bits;
use stillheap_graph::Graph;
use stillheap_graph::strings::kind;
use stillheap_graph::types::edge;

/// `page` is None in the `gc` model.
pub(crate) fn compute(graph: &Graph, page: Option<&Bits>, ephemerons: &Ephemerons) -> Bits {
    let mut bits = Bits::new(graph.edge_to.len());
    for from in 0..graph.node_count() {
        let range = graph.edges(from);
        let is_root = from == graph.root;
        let outside = page.is_some_and(|page| !page.get(from)) && !is_root;
        for e in range {
            let (ty, to) = (graph.edge_type[e], graph.edge_to[e]);
            if ty == edge::WEAK || to == from || (ty == edge::SHORTCUT && !is_root) {
                continue;
            }
            if outside && page.is_some_and(|page| page.get(to)) {
                continue;
            }
            if ty == edge::INTERNAL
                && page.is_some()
                && graph.strings.kind(graph.edge_name[e]) == kind::EPHEMERON
            {
                let owner = ephemerons.get(graph.edge_name[e]).map(|pair| pair.table);
                if owner == Some(graph.id(from)) {
                    continue;
                }
            }
            bits.set(e as u32);
        }
    }
    bits
}
