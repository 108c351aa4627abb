//! One node: what it is, what it holds.

use std::borrow::Cow;

use serde::Serialize;

use crate::page::{Page, Paged};
use crate::passes::ropes::SHOWN;
use crate::passes::{duplicates, names};
use crate::snapshot::{Analysis, EdgeOrdinal, NodeOrdinal};
use stillheap_graph::Location;
use stillheap_graph::strings::{kind, utf16_cmp};
use stillheap_graph::types::{edge, node};

/// A node as a line of a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NodeInfo {
    /// The id, as in `@123`.
    pub id: u64,
    /// Position in the file.
    pub ordinal: NodeOrdinal,
    /// Display name; for a string its text.
    pub name: String,
    /// V8's node type.
    pub node_type: String,
    pub class_name: String,
    /// DOM link state: 0 unknown, 1 attached, 2 detached.
    pub detachedness: u8,
    /// Bytes of its own.
    pub self_size: u64,
    /// Bytes that would be freed with it.
    pub retained_size: u64,
    /// Steps from a user root.
    pub distance: i32,
}

/// An edge and the node at its other end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct EdgeInfo {
    pub edge: EdgeOrdinal,
    /// Property, variable or field name; an index for elements.
    pub name: String,
    /// V8's edge type.
    pub edge_type: String,
    /// Name of the block-scoped variable that it is, for which V8 (and DevTools) has only a number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub variable: Option<String>,
    /// The node at the other end.
    pub node: NodeInfo,
}

/// Order of a node's edges.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EdgeSort {
    /// By name, `__proto__` last; equal names by retained size, largest first. As DevTools does.
    #[default]
    Name,
    /// Largest retained size of the target first.
    RetainedSize,
    File,
}

/// Everything about a node but its edges, which come in pages.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NodeDetail {
    /// The line of the list.
    #[serde(flatten)]
    pub info: NodeInfo,
    pub class_key: String,
    /// Its dominator's id.
    pub dominator: u64,
    pub edge_count: u32,
    /// Edges to it.
    pub retainer_count: u32,
    /// Where it (a function) or its constructor is in the source.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub location: Option<SourcePosition>,
    /// A string's text, parts joined.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub string: Option<StringValue>,
    /// A number's value, where the snapshot was taken with numeric values.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// A function's facts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub function: Option<FunctionInfo>,
    /// Entries of a Map or Set, elements of an array: how many the table under it has room for or holds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub elements: Option<u64>,
    /// Row in the allocation call tree, if allocations were tracked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trace_node: Option<u32>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SourcePosition {
    /// Script's name or URL, where the snapshot has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub script: Option<String>,
    /// V8's script id.
    pub script_id: i64,
    /// Line, counted from 1.
    pub line: i64,
    /// Column, counted from 1.
    pub column: i64,
}

/// A string's text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct StringValue {
    /// The text as far as the snapshot has it.
    pub text: String,
    /// V8 (or the limit given) cut it off.
    pub truncated: bool,
    /// The whole length, where the snapshot has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub length: Option<u64>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FunctionInfo {
    /// Its name, empty for an anonymous one.
    pub name: String,
    /// Where it is.
    pub position: Option<SourcePosition>,
    /// Node of its context: the variables it keeps alive.
    pub context: Option<NodeInfo>,
}

impl<'s> Analysis<'s> {
    /// The line of a node.
    pub fn node(&self, node: NodeOrdinal) -> NodeInfo {
        let (graph, n) = (self.graph(), node.0);
        NodeInfo {
            id: graph.id(n),
            ordinal: node,
            name: self.name(node).into_owned(),
            node_type: graph.node_type_name(graph.node_type[n as usize]).to_owned(),
            class_name: self.class_name(node),
            detachedness: graph.detachedness(n),
            self_size: self.self_size(node),
            retained_size: self.retained_size(node),
            distance: self.distance(node),
        }
    }

    /// Display name of a node, as in DevTools.
    pub fn name(&self, node: NodeOrdinal) -> Cow<'s, str> {
        match names::display(self.graph(), || self.snapshot.ropes(), node.0) {
            Cow::Borrowed(bytes) => String::from_utf8_lossy(bytes),
            Cow::Owned(bytes) => Cow::Owned(String::from_utf8_lossy(&bytes).into_owned()),
        }
    }

    pub fn id(&self, node: NodeOrdinal) -> u64 {
        self.graph().id(node.0)
    }

    /// V8's type of a node.
    pub fn node_type(&self, node: NodeOrdinal) -> &'s str {
        self.graph().node_type_name(self.graph().node_type[node.0 as usize])
    }

    pub fn edge_name(&self, edge: EdgeOrdinal) -> Cow<'s, str> {
        names::edge(self.graph(), edge.0 as usize)
    }

    pub(crate) fn edge_info(&self, e: u32, other: u32) -> EdgeInfo {
        let graph = self.graph();
        let variable = self.block_variable(EdgeOrdinal(e)).map(|name| graph.strings.text(name).into_owned());
        EdgeInfo {
            edge: EdgeOrdinal(e),
            name: names::edge(graph, e as usize).into_owned(),
            edge_type: graph.edge_type_name(graph.edge_type[e as usize]).to_owned(),
            variable,
            node: self.node(NodeOrdinal(other)),
        }
    }

    /// What a node holds, invisible edges left out: the Containment view.
    pub fn children(&self, node: NodeOrdinal, sort: EdgeSort, page: Page) -> Paged<EdgeInfo> {
        let graph = self.graph();
        let mut edges: Vec<u32> = graph.edges(node.0).map(|e| e as u32).collect();
        edges.retain(|&e| graph.edge_type[e as usize] != edge::INVISIBLE);
        let retained = |e: u32| self.retained_size(NodeOrdinal(graph.edge_to[e as usize]));
        match sort {
            EdgeSort::Name => edges
                .sort_by(|&a, &b| self.compare_edge_names(a, b).then_with(|| retained(b).cmp(&retained(a)))),
            EdgeSort::RetainedSize => {
                edges.sort_by(|&a, &b| {
                    retained(b).cmp(&retained(a)).then_with(|| self.compare_edge_names(a, b))
                });
            }
            EdgeSort::File => {}
        }
        Paged::of(&edges, page, |&e| self.edge_info(e, graph.edge_to[e as usize]))
    }

    /// DevTools' order of edge names: text before numbers, `__proto__` last; numbers compare as text.
    pub(crate) fn compare_edge_names(&self, a: u32, b: u32) -> std::cmp::Ordering {
        let graph = self.graph();
        let proto = |e: u32| graph.edge_name_kind(e as usize) == kind::PROTO;
        let text = |e: u32| names::edge_has_text(graph, e as usize);
        proto(a).cmp(&proto(b)).then(text(b).cmp(&text(a))).then_with(|| {
            let (a, b) = (names::edge(graph, a as usize), names::edge(graph, b as usize));
            utf16_cmp(a.as_bytes(), b.as_bytes())
        })
    }

    /// Everything about a node. `text_limit` bounds the joined text of a string, in UTF-16 units.
    pub fn inspect(&self, node: NodeOrdinal, text_limit: usize) -> NodeDetail {
        let (graph, n) = (self.graph(), node.0);
        let ty = graph.node_type[n as usize];
        NodeDetail {
            info: self.node(node),
            class_key: self.class_key(node),
            dominator: graph.id(self.dominators().idom_of(n)),
            edge_count: graph.edges(n).len() as u32,
            retainer_count: self.snapshot.retainers().count(n),
            location: graph.location(n).map(|l| self.position(l)),
            string: self.string_value(node, text_limit),
            value: self.number_value(n),
            function: (ty == node::CLOSURE).then(|| self.function_info(n)),
            elements: self.element_count(n),
            trace_node: graph.node_trace.get(n as usize).copied().filter(|&t| t != 0),
        }
    }

    /// The text of a string node, parts of concatenated strings joined.
    pub fn string_value(&self, node: NodeOrdinal, limit: usize) -> Option<StringValue> {
        let (graph, n) = (self.graph(), node.0);
        let text = match graph.node_type[n as usize] {
            node::STRING => graph.name_bytes(n).to_vec(),
            node::CONS_STRING if limit <= SHOWN => {
                names::cons(graph, self.snapshot.ropes().begin(n), limit.max(1))
            }
            node::CONS_STRING => names::cons(graph, n, limit),
            node::SLICED_STRING => {
                // V8 gives a slice no text, only its parent: the offset is not in the file, so show the parent's.
                let parent = duplicates::internal_target(graph, n, b"parent")
                    .filter(|_| matches!(graph.name_bytes(n), b"" | b"(sliced string)"));
                parent.map_or_else(|| graph.name_bytes(n).to_vec(), |p| graph.name_bytes(p).to_vec())
            }
            node::SYMBOL => graph.name_bytes(n).to_vec(),
            _ => return None,
        };
        let length = duplicates::string_length(graph, n);
        let mut text = String::from_utf8_lossy(&text).into_owned();
        let mut truncated = duplicates::is_truncated(graph, n);
        if let Some((cut, _)) = text.char_indices().nth(limit.max(1)) {
            text.truncate(cut);
            truncated = true;
        }
        Some(StringValue { text, truncated, length })
    }

    fn number_value(&self, n: u32) -> Option<String> {
        let graph = self.graph();
        if graph.node_type[n as usize] != node::NUMBER && graph.node_type[n as usize] != node::BIGINT {
            return None;
        }
        let value = duplicates::internal_target(graph, n, b"value")?;
        Some(String::from_utf8_lossy(graph.name_bytes(value)).into_owned())
    }

    pub(crate) fn position(&self, location: Location) -> SourcePosition {
        SourcePosition {
            script: self.script_name(location.script_id),
            script_id: location.script_id,
            line: location.line.saturating_add(1),
            column: location.column.saturating_add(1),
        }
    }

    /// A function's name, position and context.
    pub(crate) fn function_info(&self, closure: u32) -> FunctionInfo {
        let graph = self.graph();
        let context = duplicates::internal_target(graph, closure, b"context");
        FunctionInfo {
            name: String::from_utf8_lossy(graph.name_bytes(closure)).into_owned(),
            position: graph.location(closure).map(|l| self.position(l)),
            context: context.map(|c| self.node(NodeOrdinal(c))),
        }
    }

    /// Elements that a collection holds: edges of its backing table, or its own elements.
    pub(crate) fn element_count(&self, n: u32) -> Option<u64> {
        let graph = self.graph();
        let ty = graph.node_type[n as usize];
        let elements = |n: u32| {
            let counts = |e: &usize| matches!(graph.edge_type[*e], edge::ELEMENT | edge::HIDDEN);
            graph.edges(n).filter(counts).count() as u64
        };
        if ty == node::ARRAY {
            return Some(elements(n) + internal_indices(graph, n));
        }
        if ty != node::OBJECT {
            return None;
        }
        match graph.name_bytes(n) {
            b"Map" | b"Set" | b"WeakMap" | b"WeakSet" => {
                let table = duplicates::internal_target(graph, n, b"table")?;
                Some(elements(table) + internal_indices(graph, table))
            }
            _ => Some(elements(n)).filter(|&count| count > 0),
        }
    }
}

/// Internal edges whose name is a number: entries of V8's own tables.
fn internal_indices(graph: &stillheap_graph::Graph, n: u32) -> u64 {
    let is_index = |e: &usize| {
        graph.edge_type[*e] == edge::INTERNAL
            && graph.strings.bytes(graph.edge_name[*e]).first().is_some_and(u8::is_ascii_digit)
    };
    graph.edges(n).filter(is_index).count() as u64
}
