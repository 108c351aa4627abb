//! The one way from a root that is shown.
//!
//! A search upward from an object, cheapest references first: what a programmer wrote (properties, variables,
//! elements) costs least, V8's own links more, and links that every object has (its prototype, its hidden class,
//! feedback of the optimiser) so much that they are taken only where nothing else leads to a root. Work is
//! bounded by [`EFFORT`] objects; where it ends without a root, the core's shortest path stands in.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use foldhash::{HashMap, HashMapExt};
use stillheap_analysis::types::{edge, node};
use stillheap_analysis::{EdgeOrdinal, NodeOrdinal};

use crate::tree::INTERNALIZED;
use crate::view::{HeapView, is_index, weak_table};

/// Objects that one search looks at, at most.
const EFFORT: usize = 400_000;

/// An object on a path and the edge that holds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Step {
    pub(crate) edge: Option<EdgeOrdinal>,
    pub(crate) node: NodeOrdinal,
}

/// The cheapest way from a root to `to`, the root first.
pub(crate) fn to_root(view: HeapView<'_>, to: NodeOrdinal) -> Vec<Step> {
    search(view, to, None, true).unwrap_or_else(|| shortest(view, to))
}

/// The cheapest way from a root to `to` that does not lead through `avoided`, if there is one.
pub(crate) fn to_root_without(
    view: HeapView<'_>,
    to: NodeOrdinal,
    avoided: NodeOrdinal,
) -> Option<Vec<Step>> {
    search(view, to, Some(avoided), true)
}

/// The cheapest way from a root to `to` on which no WeakMap holds anything: what keeps a key alive.
pub(crate) fn to_root_past_weak_maps(view: HeapView<'_>, to: NodeOrdinal) -> Option<Vec<Step>> {
    search(view, to, None, false)
}

fn search(
    view: HeapView<'_>,
    to: NodeOrdinal,
    avoided: Option<NodeOrdinal>,
    weak_maps: bool,
) -> Option<Vec<Step>> {
    // Cheapest known cost and where it comes from: the edge, and the object that it leads to.
    let mut known: HashMap<u32, (u32, u32, u32)> = HashMap::new();
    let id = |n: u32| view.analysis.id(NodeOrdinal(n));
    let mut heap = BinaryHeap::from([Reverse((0u32, id(to.0), to.0))]);
    known.insert(to.0, (0, u32::MAX, u32::MAX));
    let mut seen = 0;
    while let Some(Reverse((cost, _, at))) = heap.pop() {
        if known.get(&at).is_some_and(|&(best, _, _)| best < cost) {
            continue;
        }
        if is_root(view, NodeOrdinal(at)) {
            return Some(unwind(&known, at));
        }
        seen += 1;
        if seen > EFFORT {
            return None;
        }
        for (e, from) in view.analysis.holders(NodeOrdinal(at)) {
            if Some(from) == avoided || !weak_maps && weak_table(view.edge_bytes(e)).is_some() {
                continue;
            }
            let Some(price) = price(view, e, from) else { continue };
            let sum = cost + price;
            match known.get(&from.0) {
                Some(&(best, ..)) if sum > best => {}
                // Of two ways that cost the same, the one whose names come first: V8's order says nothing.
                Some(&(best, other, next)) if sum == best => {
                    if next != u32::MAX && earlier(view, (e, at), (EdgeOrdinal(other), next)) {
                        known.insert(from.0, (sum, e.0, at));
                    }
                }
                _ => {
                    known.insert(from.0, (sum, e.0, at));
                    heap.push(Reverse((sum, id(from.0), from.0)));
                }
            }
        }
    }
    None
}

/// Whether a step comes before another by names, else by ids.
fn earlier(view: HeapView<'_>, step: (EdgeOrdinal, u32), other: (EdgeOrdinal, u32)) -> bool {
    let key = |(e, to): (EdgeOrdinal, u32)| {
        let to = NodeOrdinal(to);
        (view.edge_bytes(e), view.raw_name(to), view.analysis.edge_name(e), view.analysis.id(to))
    };
    key(step) < key(other)
}

fn unwind(known: &HashMap<u32, (u32, u32, u32)>, top: u32) -> Vec<Step> {
    let mut steps = vec![Step { edge: None, node: NodeOrdinal(top) }];
    let mut at = top;
    while let Some(&(_, e, next)) = known.get(&at) {
        if next == u32::MAX {
            break;
        }
        steps.push(Step { edge: Some(EdgeOrdinal(e)), node: NodeOrdinal(next) });
        at = next;
    }
    steps
}

/// A group of roots, or an object that the file's root holds without any group: the global object.
fn is_root(view: HeapView<'_>, n: NodeOrdinal) -> bool {
    // What Node holds natively is no root, though V8 files it as one.
    let native = view.raw_name(n).starts_with(b"Node / ");
    view.ty(n) == node::SYNTHETIC && !native
        || view.analysis.distance(n) <= 1 && (!native || n == view.analysis.snapshot().root())
}

/// What it costs to go through a reference; None for those that hold nothing.
fn price(view: HeapView<'_>, e: EdgeOrdinal, from: NodeOrdinal) -> Option<u32> {
    let name = view.edge_bytes(e);
    let of_edge = match view.edge_code(e) {
        edge::WEAK | edge::INVISIBLE | edge::SHORTCUT => return None,
        edge::PROPERTY | edge::CONTEXT => match name {
            b"__proto__" | b"constructor" | b"prototype" => 60,
            _ => 2,
        },
        edge::ELEMENT => 2,
        edge::INTERNAL => match name {
            b"map" | b"feedback_cell" | b"native_context" | b"code" | b"shared" | b"initial_map" => 80,
            b"context" | b"table" | b"elements" | b"properties" => 2,
            b"previous" => 6,
            b"extension" | b"scope_info" => 20,
            name if is_index(name) => 3,
            name if weak_table(name).is_some() => {
                // A value needs its key and its table; the table is what has a name in the source.
                if weak_table(name) == Some(view.analysis.id(from)) { 1 } else { 9 }
            }
            _ => 4,
        },
        _ => 4,
    };
    let of_holder = match view.ty(from) {
        node::CODE if !view.raw_name(from).ends_with(b"TemplateInfo") => 50,
        node::OBJECT_SHAPE => 60,
        node::SYNTHETIC => match view.raw_name(from) {
            // The string table keeps nothing alive.
            INTERNALIZED => return None,
            b"(Stack roots)" | b"(Handle scope)" => 12,
            b"(Global handles)" | b"(Eternal handles)" => 6,
            b"(Traced handles)" => 6,
            _ => 10,
        },
        node::HIDDEN if view.raw_name(from).starts_with(b"system / Weak") => 40,
        // What native code makes functions and objects from leads to every realm that has some.
        node::HIDDEN | node::CODE if view.raw_name(from).ends_with(b"TemplateInfo") => 60,
        _ => 0,
    };
    Some(of_edge + of_holder)
}

/// The core's shortest path, turned around.
fn shortest(view: HeapView<'_>, to: NodeOrdinal) -> Vec<Step> {
    let Some(path) = view.analysis.paths(to, 1, EFFORT).into_iter().next() else {
        return vec![Step { edge: None, node: to }];
    };
    let mut steps = Vec::with_capacity(path.steps.len() + 1);
    let mut held = to;
    for step in &path.steps {
        steps.push(Step { edge: Some(step.edge), node: held });
        held = step.node.ordinal;
    }
    steps.push(Step { edge: None, node: held });
    steps.reverse();
    steps
}
