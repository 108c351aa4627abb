//! Reverse edges, built only when somebody asks who holds a node.
//!
//! Compressed rows: 4 bytes per node and 8 per edge (the edge and its source). Within a node the edges stand in
//! file order; DevTools' own order is the reverse, which matters for ties.

use stillheap_graph::Graph;
use stillheap_graph::column::Column;

pub(crate) struct Retainers {
    pub(crate) first: Column<u32>,
    pub(crate) edges: Column<u32>,
    /// None in an index, which saves the room: the source is where the edge's number is, found by bisection.
    pub(crate) sources: Option<Vec<u32>>,
}

impl Retainers {
    pub(crate) fn new(graph: &Graph) -> Retainers {
        let nodes = graph.node_type.len();
        let mut first = vec![0u32; nodes + 1];
        for &to in &graph.edge_to {
            first[to as usize] += 1;
        }
        let mut sum = 0;
        for slot in &mut first {
            let count = *slot;
            *slot = sum;
            sum += count;
        }
        let mut edges = vec![0u32; graph.edge_to.len()];
        let mut sources = vec![0u32; graph.edge_to.len()];
        for from in 0..nodes as u32 {
            for e in graph.edges(from) {
                let slot = &mut first[graph.edge_to[e] as usize];
                edges[*slot as usize] = e as u32;
                sources[*slot as usize] = from;
                *slot += 1;
            }
        }
        // Every slot now holds the start of the next node; shift them back.
        first.copy_within(0..nodes, 1);
        first[0] = 0;
        Retainers { first: first.into(), edges: edges.into(), sources: Some(sources) }
    }

    /// (edge, source) pairs in file order.
    pub(crate) fn of<'r>(
        &'r self,
        graph: &'r Graph,
        node: u32,
    ) -> impl DoubleEndedIterator<Item = (u32, u32)> + ExactSizeIterator + 'r {
        let range = self.first[node as usize] as usize..self.first[node as usize + 1] as usize;
        range.map(move |at| {
            let edge = self.edges[at];
            (edge, self.sources.as_ref().map_or_else(|| graph.source(edge), |sources| sources[at]))
        })
    }

    pub(crate) fn count(&self, node: u32) -> u32 {
        self.first[node as usize + 1].saturating_sub(self.first[node as usize])
    }
}
