//! The bare graph: edges and holders as numbers, for callers that walk millions of them.
//!
//! Nothing is allocated per edge; names and types are looked up only where they are asked for.

use crate::snapshot::{Analysis, EdgeOrdinal, NodeOrdinal};
use stillheap_graph::types::edge;

impl<'s> Analysis<'s> {
    /// The edges of a node and where they lead, in file order, invisible ones left out.
    pub fn edges(&self, node: NodeOrdinal) -> impl Iterator<Item = (EdgeOrdinal, NodeOrdinal)> + 's {
        let graph = self.graph();
        graph
            .edges(node.0)
            .filter(|&e| graph.edge_type[e] != edge::INVISIBLE)
            .map(|e| (EdgeOrdinal(e as u32), NodeOrdinal(graph.edge_to[e])))
    }

    /// The edges that hold a node and whose they are, without root, weak and invisible ones; in file order.
    pub fn holders(&self, node: NodeOrdinal) -> impl Iterator<Item = (EdgeOrdinal, NodeOrdinal)> + 's {
        let analysis = *self;
        let all = self.snapshot.retainers().of(self.graph(), node.0);
        all.filter(move |&(e, from)| analysis.retains(e, from))
            .map(|(e, from)| (EdgeOrdinal(e), NodeOrdinal(from)))
    }

    /// V8's type of an edge.
    pub fn edge_type(&self, edge: EdgeOrdinal) -> &'s str {
        self.graph().edge_type_name(self.graph().edge_type[edge.0 as usize])
    }

    /// DOM link state: 0 unknown, 1 attached, 2 detached.
    pub fn detachedness(&self, node: NodeOrdinal) -> u8 {
        self.graph().detachedness(node.0)
    }

    /// A number below [`Analysis::class_count`] that stands for the node's class in this snapshot.
    pub fn class_number(&self, node: NodeOrdinal) -> u32 {
        self.snapshot.classes().of_node[node.0 as usize]
    }

    /// How many numbers [`Analysis::class_number`] gives out.
    pub fn class_count(&self) -> usize {
        self.snapshot.classes().list.len()
    }
}
