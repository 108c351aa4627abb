//! The last step of making a graph, once all nodes, edges, locations and strings are in.

use crate::column::Column;
use crate::detached;
use crate::error::{Error, ErrorKind, Result};
use crate::graph::{Graph, Locations};
use crate::meta::Header;

impl Graph {
    /// Finishes the columns once all sections are in.
    pub fn settle(&mut self, header: &Header) -> Result<()> {
        let nodes = self.node_type.len();
        if self.promised_edges >= u32::MAX as u64 {
            return Err(Error::new(ErrorKind::TooLarge, None, "more than 2^32 edges"));
        }
        self.first_edge.edit().push(self.promised_edges as u32);
        if !self.node_trace.is_empty() {
            self.node_trace.edit().resize(nodes, 0);
        }
        if !self.detached.is_empty() {
            self.detached.edit().resize(nodes, 0);
        }
        self.node_types = Some(header.node_types.clone());
        self.edge_types = Some(header.edge_types.clone());
        self.settle_locations();
        detached::propagate(self, header.nodes.detached.is_some());
        Ok(())
    }

    /// Sorts the locations by node. The file may name a node twice; the later one counts, as in DevTools.
    fn settle_locations(&mut self) {
        let nodes = self.node_type.len();
        if self.location_nodes.windows(2).all(|w| w[0] < w[1])
            && self.location_nodes.last().is_none_or(|&last| (last as usize) < nodes)
        {
            return;
        }
        // Last row of each node; cheaper than sorting, and locations are many where they are at all.
        let mut row_of = vec![u32::MAX; nodes];
        for (row, &node) in self.location_nodes.iter().enumerate() {
            if let Some(slot) = row_of.get_mut(node as usize) {
                *slot = row as u32;
            }
        }
        let rows = row_of.iter().enumerate().filter(|&(_, &row)| row != u32::MAX);
        let (mut nodes, mut locations) = (Column::default(), Locations::default());
        for (node, &row) in rows {
            if let Some(location) = self.locations.get(row as usize) {
                nodes.edit().push(node as u32);
                locations.push(location);
            }
        }
        self.location_nodes = nodes;
        self.locations = locations;
    }
}
