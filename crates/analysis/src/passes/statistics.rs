//! The Statistics view: where the bytes are.
//!
//! Time: one step per node; an array's elements count with it if nobody else refers to them, for which the
//! references of those elements alone are counted. Memory: two bits per node while running.

use crate::bits::Bits;
use stillheap_graph::Graph;
use stillheap_graph::strings::kind;
use stillheap_graph::sums::{add, difference, sum};
use stillheap_graph::types::{edge, node};

/// Sizes in bytes, as DevTools' Statistics view has them.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Statistics {
    /// Everything: what the root retains plus what V8 reports outside its heap.
    pub total: u64,
    /// Outside the JavaScript heap.
    pub native: NativeStatistics,
    /// Inside it.
    pub v8heap: V8HeapStatistics,
}

/// Bytes outside the JavaScript heap.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NativeStatistics {
    /// All native nodes and the header's `extra_native_bytes`.
    pub total: u64,
    /// Backing stores of ArrayBuffers.
    pub typed_arrays: u64,
}

/// Bytes inside the JavaScript heap. What is not in one of the parts is other objects.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct V8HeapStatistics {
    /// The whole, native bytes taken away; can be negative in strange files.
    pub total: i64,
    /// Compiled code.
    pub code: u64,
    /// Arrays with their elements.
    pub js_arrays: u64,
    /// Strings of all kinds.
    pub strings: u64,
    /// Hidden nodes.
    pub system: u64,
}

pub(crate) fn compute(
    graph: &Graph,
    root_retained: u64,
    extra_native: u64,
    size: impl Fn(u32) -> u64,
) -> Statistics {
    let mut out = Statistics { total: root_retained.saturating_add(extra_native), ..Statistics::default() };
    out.native.total = extra_native;
    let mut elements: Vec<u32> = Vec::new();
    for (ordinal, &ty) in graph.node_type.iter().enumerate() {
        let ordinal = ordinal as u32;
        let bytes = size(ordinal);
        match ty {
            node::HIDDEN => add(&mut out.v8heap.system, bytes),
            node::NATIVE => {
                add(&mut out.native.total, bytes);
                if graph.name_kind(ordinal) == kind::ARRAY_BUFFER_DATA {
                    add(&mut out.native.typed_arrays, bytes);
                }
            }
            node::CODE => add(&mut out.v8heap.code, bytes),
            node::STRING | node::CONS_STRING | node::SLICED_STRING => add(&mut out.v8heap.strings, bytes),
            _ if graph.name_kind(ordinal) == kind::ARRAY => {
                add(&mut out.v8heap.js_arrays, bytes);
                elements.extend(elements_of(graph, ordinal));
            }
            _ => {}
        }
    }
    add(&mut out.v8heap.js_arrays, unshared(graph, &elements, size));
    out.v8heap.total = difference(out.total, out.native.total);
    out
}

fn elements_of(graph: &Graph, array: u32) -> Option<u32> {
    let mut edges = graph.edges(array);
    let found = edges.find(|&e| {
        graph.edge_type[e] == edge::INTERNAL && graph.strings.kind(graph.edge_name[e]) == kind::ELEMENTS
    });
    found.map(|e| graph.edge_to[e])
}

/// Sizes of those nodes to which exactly one edge of the whole graph leads.
fn unshared(graph: &Graph, nodes: &[u32], size: impl Fn(u32) -> u64) -> u64 {
    if nodes.is_empty() {
        return 0;
    }
    let mut asked = Bits::new(graph.node_type.len());
    for &n in nodes {
        asked.set(n);
    }
    let mut once = Bits::new(graph.node_type.len());
    let mut twice = Bits::new(graph.node_type.len());
    for &to in &graph.edge_to {
        if asked.get(to) && !once.insert(to) {
            twice.set(to);
        }
    }
    sum(nodes.iter().filter(|&&n| !twice.get(n)).map(|&n| size(n)))
}
