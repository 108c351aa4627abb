//! The graph as bare numbers, for callers that look at every node and edge of it.
//!
//! Types are the codes of [`stillheap_graph::types`], names are numbers in the string table; nothing is allocated, and
//! every call is a look-up or two.

use std::ops::Range;

use crate::passes::duplicates;
use crate::passes::ropes::TextIdentity;
use crate::snapshot::{Analysis, EdgeOrdinal, NodeOrdinal};
use stillheap_graph::Location;
use stillheap_graph::types::has_string_name;
use stillheap_graph::types::{edge, node};

impl<'s> Analysis<'s> {
    /// Type of a node, one of [`stillheap_graph::types::node`]'s codes or an unknown one.
    pub fn type_code(&self, node: NodeOrdinal) -> u8 {
        self.graph().node_type[node.0 as usize]
    }

    /// Type of an edge, one of [`stillheap_graph::types::edge`]'s codes or an unknown one.
    pub fn edge_code(&self, edge: EdgeOrdinal) -> u8 {
        self.graph().edge_type[edge.0 as usize]
    }

    /// A node's name as a number for [`Analysis::text`].
    pub fn name_index(&self, node: NodeOrdinal) -> u32 {
        self.graph().node_name[node.0 as usize]
    }

    /// An edge's name as a number for [`Analysis::text`]; None for elements and hidden edges, which only count.
    pub fn edge_name_index(&self, edge: EdgeOrdinal) -> Option<u32> {
        let graph = self.graph();
        has_string_name(graph.edge_type[edge.0 as usize]).then(|| graph.edge_name[edge.0 as usize])
    }

    /// A string of the string table, in WTF-8; empty if there is no such string.
    pub fn text(&self, index: u32) -> &'s [u8] {
        self.graph().strings.bytes(index)
    }

    /// Strings in the string table.
    pub fn text_count(&self) -> u32 {
        self.graph().strings.len()
    }

    /// Edges of a node, invisible ones included.
    pub fn edge_range(&self, node: NodeOrdinal) -> Range<u32> {
        let edges = self.graph().edges(node.0);
        edges.start as u32..edges.end as u32
    }

    /// Where an edge leads.
    pub fn target(&self, edge: EdgeOrdinal) -> NodeOrdinal {
        NodeOrdinal(self.graph().edge_to[edge.0 as usize])
    }

    /// Where an internal edge of that name leads, if the node has one.
    pub fn internal(&self, node: NodeOrdinal, name: &str) -> Option<NodeOrdinal> {
        duplicates::internal_target(self.graph(), node.0, name.as_bytes()).map(NodeOrdinal)
    }

    /// Whether it is a concatenated string that V8 has put together since: one of its parts is the whole text, the other
    /// is empty, and a coming collection replaces it by the former.
    pub fn is_flattened(&self, node: NodeOrdinal) -> bool {
        self.type_code(node) == node::CONS_STRING
            && duplicates::is_flat(self.graph(), self.snapshot.ropes(), node.0)
    }

    /// What the whole text of a string is, parts of concatenated ones joined; None for other nodes.
    pub fn text_identity(&self, node: NodeOrdinal) -> Option<TextIdentity> {
        let is_string =
            matches!(self.type_code(node), node::STRING | node::CONS_STRING | node::SLICED_STRING);
        is_string.then(|| self.snapshot.ropes().identity(self.graph(), node.0))
    }

    /// Where a property or context variable of that name leads, if the node has one.
    pub fn named(&self, node: NodeOrdinal, name: &str) -> Option<NodeOrdinal> {
        let graph = self.graph();
        let mut edges = graph.edges(node.0);
        let found = edges.find(|&e| {
            matches!(graph.edge_type[e], edge::PROPERTY | edge::CONTEXT)
                && graph.strings.bytes(graph.edge_name[e]) == name.as_bytes()
        });
        found.map(|e| NodeOrdinal(graph.edge_to[e]))
    }

    /// A function's position, or that of an object's constructor, if the file has it; lines count from 0.
    pub fn location(&self, node: NodeOrdinal) -> Option<Location> {
        self.graph().location(node.0)
    }

    /// Name or URL of a script, if the snapshot has it.
    pub fn script(&self, script_id: i64) -> Option<&'s str> {
        self.snapshot.scripts().get(&script_id).map(String::as_str)
    }

    /// All nodes in an order in which dominators come before what they dominate, each with the place of its
    /// immediate dominator in this same order (the first one's is itself).
    pub fn dominator_order(&self) -> impl ExactSizeIterator<Item = (NodeOrdinal, u32)> + 's {
        let dominators = self.dominators();
        dominators.order.iter().zip(&dominators.idom).map(|(&node, &up)| (NodeOrdinal(node), up))
    }

    /// Self sizes of this model as a function, without a look-up per call.
    pub fn self_sizes(&self) -> impl Fn(NodeOrdinal) -> u64 + Copy + 's {
        let size = self.size_fn();
        move |node| size(node.0)
    }
}
