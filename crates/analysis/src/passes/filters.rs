//! The filters of DevTools' class view.
//!
//! Most of them keep what is *not* reached by a breadth-first walk from the root that refuses something
//! (contexts, detached nodes, …): that is what the refused things retain. Unreachable nodes are never kept.
//! Time: one walk. Memory: two bits per node, 4 bytes per node for the queue while running.

use super::distances::{UNREACHABLE, walk};
use super::duplicates::{self, Sameness};
use super::native_contexts::{NONE, NativeContexts, SHARED};
use super::ropes::Ropes;
use crate::bits::Bits;
use stillheap_graph::Graph;
use stillheap_graph::strings::kind;
use stillheap_graph::types::node;

/// A filter of DevTools' class view.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Filter {
    /// Objects that only closure contexts keep alive.
    RetainedByContexts,
    /// Objects that only detached DOM nodes keep alive.
    RetainedByDetachedDomNodes,
    /// Objects that only the DevTools console keeps alive.
    RetainedByConsole,
    /// Objects that only event handlers keep alive.
    RetainedByEventHandlers,
    /// Strings that occur more than once.
    DuplicatedStrings,
    /// Objects of several native contexts.
    SharedNativeContext,
    /// Objects of no native context.
    NoNativeContext,
}

impl Filter {
    /// All filters, in DevTools' order.
    pub const ALL: [Filter; 7] = [
        Filter::RetainedByContexts,
        Filter::RetainedByDetachedDomNodes,
        Filter::RetainedByConsole,
        Filter::DuplicatedStrings,
        Filter::RetainedByEventHandlers,
        Filter::SharedNativeContext,
        Filter::NoNativeContext,
    ];

    /// DevTools' name of the filter.
    pub fn name(self) -> &'static str {
        match self {
            Filter::RetainedByContexts => "objectsRetainedByContexts",
            Filter::RetainedByDetachedDomNodes => "objectsRetainedByDetachedDomNodes",
            Filter::RetainedByConsole => "objectsRetainedByConsole",
            Filter::RetainedByEventHandlers => "objectsRetainedByEventHandlers",
            Filter::DuplicatedStrings => "duplicatedStrings",
            Filter::SharedNativeContext => "sharedNativeContext",
            Filter::NoNativeContext => "noNativeContext",
        }
    }

    /// The filter with DevTools' name.
    pub fn from_name(name: &str) -> Option<Filter> {
        Filter::ALL.into_iter().find(|f| f.name() == name)
    }
}

/// The nodes that a filter keeps.
pub(crate) fn compute<'g>(
    graph: &'g Graph,
    ropes: impl FnOnce() -> &'g Ropes,
    filter: Filter,
    distance: &[i32],
    contexts: impl FnOnce() -> NativeContexts,
    size: impl Fn(u32) -> u64,
) -> Bits {
    let nodes = graph.node_type.len();
    let reached = match filter {
        Filter::RetainedByContexts => {
            refuse(graph, |_, e| graph.name_kind(graph.edge_to[e]) != kind::CONTEXT)
        }
        Filter::RetainedByDetachedDomNodes => refuse(graph, |_, e| graph.detachedness(graph.edge_to[e]) != 2),
        Filter::RetainedByConsole => refuse(graph, |from, e| {
            !(graph.node_type[from as usize] == node::SYNTHETIC
                && super::names::edge_has_text(graph, e)
                && super::names::edge(graph, e).ends_with(" / DevTools console"))
        }),
        Filter::RetainedByEventHandlers => {
            let handlers = event_handlers(graph);
            refuse(graph, |_, e| !handlers.get(graph.edge_to[e]))
        }
        Filter::DuplicatedStrings => {
            let mut kept = Bits::new(nodes);
            for ordinal in
                duplicates::compute(graph, ropes(), Sameness::Shown, size).iter().flat_map(|g| &g.nodes)
            {
                kept.set(*ordinal);
            }
            return kept;
        }
        Filter::SharedNativeContext => {
            let owner = contexts().owner;
            return Bits::from_fn(nodes, |i| owner[i as usize] == SHARED);
        }
        Filter::NoNativeContext => {
            let owner = contexts().owner;
            return Bits::from_fn(nodes, |i| owner[i as usize] == NONE);
        }
    };
    Bits::from_fn(nodes, |i| !reached.get(i) && distance[i as usize] != UNREACHABLE)
}

/// Nodes reached from the root over edges that `admit` lets through.
fn refuse(graph: &Graph, admit: impl FnMut(u32, usize) -> bool) -> Bits {
    let mut seen = Bits::new(graph.node_type.len());
    seen.set(graph.root);
    walk(graph, &mut vec![graph.root], &mut seen, |_, _| {}, admit);
    seen
}

/// Functions (or their wrappers) that event listeners call.
fn event_handlers(graph: &Graph) -> Bits {
    let mut handlers = Bits::new(graph.node_type.len());
    let has_code = |ordinal| target(graph, ordinal, "code").is_some();
    for ordinal in 0..graph.node_count() {
        if graph.name_kind(ordinal) != kind::EVENT_LISTENER {
            continue;
        }
        let Some(callback) = target(graph, ordinal, "1") else { continue };
        // The callback is a function, or a framework's wrapper around one, or neither.
        let inner = graph.edges(callback).map(|e| graph.edge_to[e]).find(|&child| has_code(child));
        handlers.set(if has_code(callback) { callback } else { inner.unwrap_or(callback) });
    }
    handlers
}

/// First edge with a name, of any type.
fn target(graph: &Graph, ordinal: u32, name: &str) -> Option<u32> {
    let mut edges = graph.edges(ordinal);
    edges.find(|&e| super::names::edge(graph, e) == name).map(|e| graph.edge_to[e])
}
