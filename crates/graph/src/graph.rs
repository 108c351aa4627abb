//! The graph in flat columns, exactly as the file has it.
//!
//! 17 bytes per node (type, name, id, self size, first edge), 9 bytes per edge (type, name, target), plus the
//! strings. Nothing here is computed except the running sum of edge counts; everything else is a pass. Columns
//! are plain vectors so that they can be written out and read back as they are.

use std::collections::HashMap;

use crate::column::Column;
use crate::meta::Fields;
use crate::rows::NodeRows;
use crate::strings::StringTable;
use crate::trace::TraceTree;
use crate::types::{LARGE, LOST_STRING, TypeTable, has_string_name};

/// A source position as V8 writes it: zero-based line and column.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Location {
    /// V8's script id; the path is not in the file unless allocation tracking was on.
    pub script_id: i64,
    /// Zero-based line.
    pub line: i64,
    /// Zero-based column.
    pub column: i64,
}

/// Source positions in columns.
#[derive(Clone, Default)]
pub struct Locations {
    pub scripts: Column<i64>,
    pub lines: Column<i64>,
    pub columns: Column<i64>,
}

impl Locations {
    pub fn get(&self, row: usize) -> Option<Location> {
        let (script_id, line) = (*self.scripts.get(row)?, *self.lines.get(row)?);
        Some(Location { script_id, line, column: *self.columns.get(row)? })
    }

    pub fn push(&mut self, location: Location) {
        self.scripts.edit().push(location.script_id);
        self.lines.edit().push(location.line);
        self.columns.edit().push(location.column);
    }
}

/// Ordinals and node numbers beyond are kept free.
pub(crate) const MOST_NODES: usize = (u32::MAX - 17) as usize;

/// The columns.
#[derive(Clone, Default)]
pub struct Graph {
    pub node_type: Column<u8>,
    pub node_name: Column<u32>,
    pub node_id: Column<u32>,
    pub node_size: Column<u32>,
    /// First edge of each node, and one past the end.
    pub first_edge: Column<u32>,
    /// Empty if no node has one.
    pub node_trace: Column<u32>,
    /// DOM link state (0 unknown, 1 attached, 2 detached), empty if nothing is known.
    pub detached: Column<u8>,
    pub large_ids: HashMap<u32, u64>,
    pub large_sizes: HashMap<u32, u64>,
    pub edge_type: Column<u8>,
    pub edge_name: Column<u32>,
    pub edge_to: Column<u32>,
    pub strings: StringTable,
    pub root: u32,
    /// Node ordinal (sorted) and position, from the `locations` section.
    pub location_nodes: Column<u32>,
    pub locations: Locations,
    pub raw_samples: Column<i64>,
    pub raw_functions: Column<i64>,
    pub trace_tree: TraceTree,
    /// Sections kept but not understood (`scopes` and its companions in very new V8): name and length.
    pub extra_names: Vec<(String, usize)>,
    /// Their numbers, one section behind the other.
    pub extra: Column<i64>,
    pub promised_edges: u64,
    pub node_types: Option<TypeTable>,
    pub edge_types: Option<TypeTable>,
}

impl Graph {
    #[inline]
    pub fn node_count(&self) -> u32 {
        self.node_type.len() as u32
    }

    #[inline]
    pub fn edge_count(&self) -> u32 {
        self.edge_to.len() as u32
    }

    /// Bytes of memory that the columns take, those in a file aside.
    pub fn memory(&self) -> usize {
        let nodes = self.node_type.memory()
            + self.node_name.memory()
            + self.node_id.memory()
            + self.node_size.memory();
        let more = self.first_edge.memory() + self.node_trace.memory() + self.detached.memory();
        let edges = self.edge_type.memory() + self.edge_name.memory() + self.edge_to.memory();
        let strings = self.strings.bytes.memory() + self.strings.ends.memory() + self.strings.kinds.memory();
        let places = &self.locations;
        let locations = self.location_nodes.memory() + places.scripts.memory() + places.lines.memory();
        let tree = &self.trace_tree;
        let tree = tree.id.memory()
            + tree.function.memory()
            + tree.count.memory()
            + tree.size.memory()
            + tree.parent.memory();
        let rest = self.raw_samples.memory() + self.raw_functions.memory() + self.extra.memory();
        nodes + more + edges + strings + locations + places.columns.memory() + tree + rest
    }

    /// Edge ordinals of a node.
    #[inline(always)]
    pub fn edges(&self, node: u32) -> std::ops::Range<usize> {
        self.first_edge[node as usize] as usize..self.first_edge[node as usize + 1] as usize
    }

    /// Whose edge it is.
    pub fn source(&self, edge: u32) -> u32 {
        let (mut low, mut high) = (0, self.node_count());
        while high - low > 1 {
            let middle = low + (high - low) / 2;
            if self.first_edge[middle as usize] <= edge { low = middle } else { high = middle }
        }
        low
    }

    #[inline]
    pub fn id(&self, node: u32) -> u64 {
        match self.node_id[node as usize] {
            LARGE => self.large_ids.get(&node).copied().unwrap_or(LARGE as u64),
            id => id as u64,
        }
    }

    #[inline]
    pub fn size(&self, node: u32) -> u64 {
        match self.node_size[node as usize] {
            LARGE => self.large_sizes.get(&node).copied().unwrap_or(LARGE as u64),
            size => size as u64,
        }
    }

    #[inline]
    pub fn name_kind(&self, node: u32) -> u8 {
        self.strings.kind(self.node_name[node as usize])
    }

    #[inline]
    pub fn name_bytes(&self, node: u32) -> &[u8] {
        self.strings.bytes(self.node_name[node as usize])
    }

    /// The kind of an edge's name; numbers have none.
    #[inline]
    pub fn edge_name_kind(&self, edge: usize) -> u8 {
        if has_string_name(self.edge_type[edge]) { self.strings.kind(self.edge_name[edge]) } else { 0 }
    }

    pub fn node_type_name(&self, code: u8) -> &str {
        self.node_types.as_ref().map_or("undefined", |t| t.name(code))
    }

    pub fn edge_type_name(&self, code: u8) -> &str {
        self.edge_types.as_ref().map_or("undefined", |t| t.name(code))
    }

    pub fn location(&self, node: u32) -> Option<Location> {
        // By hand, so that a column in a file is read around the steps only.
        let (mut low, mut high) = (0, self.location_nodes.len());
        while low < high {
            let middle = low + (high - low) / 2;
            if self.location_nodes[middle] < node { low = middle + 1 } else { high = middle }
        }
        self.locations.get(low).filter(|_| self.location_nodes[low] == node)
    }

    #[inline]
    pub fn detachedness(&self, node: u32) -> u8 {
        self.detached.get(node as usize).copied().unwrap_or(0)
    }

    pub fn reserve_nodes(&mut self, expected: usize) {
        self.node_type.edit().reserve_exact(expected);
        self.node_name.edit().reserve_exact(expected);
        self.node_id.edit().reserve_exact(expected);
        self.node_size.edit().reserve_exact(expected);
        self.first_edge.edit().reserve_exact(expected + 1);
    }

    pub fn append_nodes(&mut self, rows: &NodeRows, edge_sum: &mut u64) -> std::result::Result<(), String> {
        let before = self.node_type.len();
        self.node_type.edit().extend_from_slice(&rows.ty);
        self.node_name.edit().extend_from_slice(&rows.name);
        self.node_id.edit().extend_from_slice(&rows.id);
        self.node_size.edit().extend_from_slice(&rows.size);
        let first_edge = self.first_edge.edit();
        for &count in &rows.edges {
            first_edge.push((*edge_sum).min(u32::MAX as u64) as u32);
            *edge_sum += count as u64;
        }
        for &(row, id) in &rows.large_ids {
            self.large_ids.insert(before as u32 + row, id);
        }
        for &(row, size) in &rows.large_sizes {
            self.large_sizes.insert(before as u32 + row, size);
        }
        // Columns that are all zero are never stored.
        if rows.any_trace || !self.node_trace.is_empty() {
            self.node_trace.edit().resize(before, 0);
            self.node_trace.edit().extend_from_slice(&rows.trace);
        }
        if rows.any_detached || !self.detached.is_empty() {
            self.detached.edit().resize(before, 0);
            self.detached.edit().extend_from_slice(&rows.detached);
        }
        if self.node_type.len() > MOST_NODES {
            return Err("more than 2^32 nodes".to_owned());
        }
        Ok(())
    }

    /// Limits the edge ranges to the edges that exist.
    pub fn clamp_edges(&mut self) {
        let edges = self.edge_to.len() as u32;
        for first in self.first_edge.edit() {
            *first = (*first).min(edges);
        }
        self.promised_edges = edges as u64;
    }

    /// Points names whose string was cut off to a placeholder.
    pub fn replace_lost_names(&mut self) {
        let known = self.strings.len();
        let lost = self.strings.push(LOST_STRING.as_bytes());
        for name in self.node_name.edit() {
            if *name >= known {
                *name = lost;
            }
        }
        for (name, ty) in self.edge_name.edit().iter_mut().zip(&self.edge_type) {
            if *name >= known && has_string_name(*ty) {
                *name = lost;
            }
        }
    }

    /// Takes rows of the `locations` section; rows that name no node are left out.
    pub fn append_locations(&mut self, rows: &[i64], fields: &Fields, node_width: usize) {
        let place = |name| fields.position(name);
        let (Some(object), Some(script), Some(line), Some(column)) =
            (place("object_index"), place("script_id"), place("line"), place("column"))
        else {
            return;
        };
        let width = node_width as i64;
        for row in rows.chunks_exact(fields.len()) {
            let index = row[object];
            if index < 0 || index % width != 0 || index / width >= u32::MAX as i64 {
                continue;
            }
            self.location_nodes.edit().push((index / width) as u32);
            self.locations.push(Location { script_id: row[script], line: row[line], column: row[column] });
        }
    }
}
