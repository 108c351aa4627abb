//! Builds a graph from something other than a file: a reader of a live heap, a test.

use serde_json::{Map, Value};

use crate::data::{Completeness, Packing, SnapshotData};
use crate::error::{Error, ErrorKind, Result};
use crate::graph::{Graph, Location, MOST_NODES};
use crate::meta::{Header, HeaderSpec};
use crate::rows::NodeRows;
use crate::types::{LARGE, edge, has_string_name, node};

/// A node to be added.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NewNode {
    /// One of the codes of [`crate::types::node`].
    pub node_type: u8,
    /// Index of a string, as [`GraphBuilder::string`] gives it. The string may be added later.
    pub name: u32,
    /// V8's id: the same for the same object in every snapshot of a process.
    pub id: u64,
    /// Bytes of the object itself.
    pub self_size: u64,
    /// V8's state of the link to the document: 0 unknown, 1 attached, 2 detached.
    pub detachedness: u8,
    /// The call site that allocated the object; 0 if unknown.
    pub trace_id: u32,
}

/// Builds [`SnapshotData`] node by node, or column by column.
///
/// The node added first is the root. Nodes come in the order of their ordinals, edges in the order of the nodes that
/// own them; targets and strings may be added after what refers to them. Everything goes straight into the
/// graph's columns: beside the 17 bytes per node, 9 per edge and the strings' text nothing is kept. Strings are not
/// looked up: a caller that wants each text once keeps its own map.
///
/// ```
/// use stillheap_graph::types::{edge, node};
/// use stillheap_graph::{GraphBuilder, NewNode};
///
/// let mut builder = GraphBuilder::new();
/// let (root, name, field) = (builder.string(b"")?, builder.string(b"Cache")?, builder.string(b"cache")?);
/// builder.node(NewNode { node_type: node::SYNTHETIC, name: root, id: 1, ..NewNode::default() })?;
/// builder.edge(edge::PROPERTY, field, 1)?;
/// builder.node(NewNode { node_type: node::OBJECT, name, id: 3, self_size: 56, ..NewNode::default() })?;
/// let data = builder.finish()?;
/// assert_eq!((data.graph.node_count(), data.graph.edge_count()), (2, 1));
/// # Ok::<(), stillheap_graph::Error>(())
/// ```
#[derive(Default)]
pub struct GraphBuilder {
    graph: Graph,
    /// Edges that the nodes added so far own.
    promised: u64,
    entries: Map<String, Value>,
}

impl GraphBuilder {
    /// A builder of an empty graph.
    pub fn new() -> GraphBuilder {
        GraphBuilder::default()
    }

    /// Reserves memory for this many nodes and edges in all.
    pub fn reserve(&mut self, nodes: usize, edges: usize) {
        self.graph.reserve_nodes(nodes);
        self.graph.edge_type.edit().reserve_exact(edges);
        self.graph.edge_name.edit().reserve_exact(edges);
        self.graph.edge_to.edit().reserve_exact(edges);
    }

    /// Adds a string, WTF-8 (UTF-8 that may hold lone surrogates); its index.
    ///
    /// # Errors
    /// There are 2^31 strings already.
    pub fn string(&mut self, wtf8: &[u8]) -> Result<u32> {
        if self.graph.strings.len() >= u32::MAX / 2 {
            return Err(too_large("more than 2^31 strings"));
        }
        Ok(self.graph.strings.push(wtf8))
    }

    /// Adds a node without edges; its ordinal.
    ///
    /// # Errors
    /// The type is none of [`crate::types::node`], or there are 2^32 nodes already.
    pub fn node(&mut self, new: NewNode) -> Result<u32> {
        if usize::from(new.node_type) >= node::NAMES.len() {
            return Err(Error::malformed(0, format!("{} is no type of nodes", new.node_type)));
        }
        let graph = &mut self.graph;
        let ordinal = graph.node_type.len();
        if ordinal >= MOST_NODES {
            return Err(too_large("more than 2^32 nodes"));
        }
        graph.node_type.edit().push(new.node_type);
        graph.node_name.edit().push(new.name);
        let id = narrow(new.id);
        let size = narrow(new.self_size);
        if id == LARGE {
            graph.large_ids.insert(ordinal as u32, new.id);
        }
        if size == LARGE {
            graph.large_sizes.insert(ordinal as u32, new.self_size);
        }
        graph.node_id.edit().push(id);
        graph.node_size.edit().push(size);
        graph.first_edge.edit().push(self.promised.min(u32::MAX as u64) as u32);
        // Columns that are all zero are never stored.
        if new.trace_id != 0 || !graph.node_trace.is_empty() {
            graph.node_trace.edit().resize(ordinal, 0);
            graph.node_trace.edit().push(new.trace_id);
        }
        if new.detachedness != 0 || !graph.detached.is_empty() {
            graph.detached.edit().resize(ordinal, 0);
            graph.detached.edit().push(new.detachedness);
        }
        Ok(ordinal as u32)
    }

    /// Adds an edge of the node added last. `name` is the index of a string, or, of `element` and `hidden` edges, a
    /// number; `to` is an ordinal.
    ///
    /// # Errors
    /// The type is none of [`crate::types::edge`], there is no node yet, edges that [`GraphBuilder::nodes`] counted
    /// are missing, or there are 2^32 edges already.
    pub fn edge(&mut self, edge_type: u8, name: u32, to: u32) -> Result<()> {
        if self.graph.node_count() == 0 {
            return Err(Error::malformed(0, "an edge before the first node"));
        }
        if self.promised != self.graph.edge_count() as u64 {
            return Err(Error::malformed(0, "edges of the nodes before are missing"));
        }
        self.edges(&[edge_type], &[name], &[to])?;
        self.promised += 1;
        Ok(())
    }

    /// Adds a batch of nodes, each with the number of its edges, which [`GraphBuilder::edges`] adds.
    ///
    /// # Errors
    /// A type is none of [`crate::types::node`], or there are more than 2^32 nodes.
    pub fn nodes(&mut self, rows: &NodeRows) -> Result<()> {
        if let Some(ty) = rows.ty.iter().find(|&&ty| usize::from(ty) >= node::NAMES.len()) {
            return Err(Error::malformed(0, format!("{ty} is no type of nodes")));
        }
        self.graph.append_nodes(rows, &mut self.promised).map_err(too_large)
    }

    /// Adds a batch of edges, in the order of the nodes that own them.
    ///
    /// # Errors
    /// A type is none of [`crate::types::edge`], the columns differ in length, or there are more than 2^32 edges.
    pub fn edges(&mut self, types: &[u8], names: &[u32], to: &[u32]) -> Result<()> {
        if types.len() != names.len() || types.len() != to.len() {
            return Err(Error::malformed(0, "columns of edges that differ in length"));
        }
        if let Some(ty) = types.iter().find(|&&ty| ty >= edge::INVISIBLE) {
            return Err(Error::malformed(0, format!("{ty} is no type of edges")));
        }
        if self.graph.edge_to.len() + to.len() >= u32::MAX as usize {
            return Err(too_large("more than 2^32 edges"));
        }
        self.graph.edge_type.edit().extend_from_slice(types);
        self.graph.edge_name.edit().extend_from_slice(names);
        self.graph.edge_to.edit().extend_from_slice(to);
        Ok(())
    }

    /// Says where the code of a node is. Of two for one node the later one counts.
    pub fn location(&mut self, node: u32, location: Location) {
        self.graph.location_nodes.edit().push(node);
        self.graph.locations.push(location);
    }

    /// Adds an entry to the header, such as `stillheap` or `extra_native_bytes`.
    pub fn header_entry(&mut self, key: impl Into<String>, value: Value) {
        self.entries.insert(key.into(), value);
    }

    /// Checks that all references lead somewhere, and completes the graph.
    ///
    /// # Errors
    /// There are no nodes; an edge or a string that something refers to was never added; or a node's edges are
    /// missing.
    pub fn finish(mut self) -> Result<SnapshotData> {
        let (nodes, edges) = (self.graph.node_count(), self.graph.edge_count());
        if nodes == 0 {
            return Err(Error::malformed(0, "a graph without nodes"));
        }
        if self.promised != edges as u64 {
            let message = format!("the nodes own {} edges, but {edges} were added", self.promised);
            return Err(Error::malformed(0, message));
        }
        if let Some(to) = self.graph.edge_to.iter().find(|&&to| to >= nodes) {
            return Err(Error::malformed(0, format!("an edge leads to node {to} of {nodes}")));
        }
        let strings = self.graph.strings.len();
        let named = self.graph.edge_name.iter().zip(&self.graph.edge_type);
        let named = named.filter(|&(_, &ty)| has_string_name(ty)).map(|(&name, _)| name);
        if let Some(name) = self.graph.node_name.iter().copied().chain(named).find(|&name| name >= strings) {
            return Err(Error::malformed(0, format!("a name is string {name} of {strings}")));
        }
        let spec = HeaderSpec {
            nodes: nodes as u64,
            edges: edges as u64,
            trace_ids: !self.graph.node_trace.is_empty(),
            entries: self.entries,
        };
        let header = Header::parse(spec.json().as_bytes(), 0)?;
        self.graph.promised_edges = self.promised;
        self.graph.settle(&header)?;
        let completeness = Completeness {
            closed: true,
            bytes: 0,
            counts_match: true,
            trace_function_count_matches: true,
            sections_present: true,
        };
        Ok(SnapshotData { header, graph: self.graph, packing: Packing::Plain, salvage: None, completeness })
    }
}

impl NodeRows {
    /// Adds a node that owns this many edges.
    pub fn push(&mut self, new: &NewNode, edges: u32) {
        let row = self.ty.len() as u32;
        self.ty.push(new.node_type);
        self.name.push(new.name);
        self.id.push(narrow(new.id));
        self.size.push(narrow(new.self_size));
        if narrow(new.id) == LARGE {
            self.large_ids.push((row, new.id));
        }
        if narrow(new.self_size) == LARGE {
            self.large_sizes.push((row, new.self_size));
        }
        self.edges.push(edges);
        self.trace.push(new.trace_id);
        self.detached.push(new.detachedness);
        self.any_trace |= new.trace_id != 0;
        self.any_detached |= new.detachedness != 0;
    }
}

/// The value in a 32-bit column; [`LARGE`] if it does not fit.
fn narrow(value: u64) -> u32 {
    u32::try_from(value).unwrap_or(LARGE)
}

fn too_large(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::TooLarge, None, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(name: u32, id: u64, self_size: u64) -> NewNode {
        NewNode { node_type: node::OBJECT, name, id, self_size, ..NewNode::default() }
    }

    #[test]
    fn row_by_row_and_column_by_column_give_the_same_graph() {
        let large = u64::from(u32::MAX) + 7;
        let nodes = [
            (object(0, 1, 0), vec![(edge::PROPERTY, 1, 2), (edge::ELEMENT, 77, 1)]),
            (NewNode { trace_id: 5, ..object(1, large, 24) }, vec![]),
            (
                NewNode { detachedness: 1, node_type: node::NATIVE, ..object(1, 3, large) },
                vec![(edge::WEAK, 0, 0)],
            ),
        ];
        let at = Location { script_id: 4, line: 2, column: 9 };
        let mut rows = GraphBuilder::new();
        let mut columns = GraphBuilder::new();
        let mut batch = NodeRows::default();
        let (mut types, mut names, mut to) = (vec![], vec![], vec![]);
        for (new, edges) in &nodes {
            rows.node(*new).unwrap();
            batch.push(new, edges.len() as u32);
            for &(ty, name, target) in edges {
                rows.edge(ty, name, target).unwrap();
                types.push(ty);
                names.push(name);
                to.push(target);
            }
        }
        columns.nodes(&batch).unwrap();
        columns.edges(&types, &names, &to).unwrap();
        let finished = [rows, columns].map(|mut builder| {
            builder.string(b"").unwrap();
            builder.string(b"Cache").unwrap();
            builder.location(1, at);
            builder.header_entry("extra_native_bytes", 12.into());
            builder.finish().unwrap()
        });
        for SnapshotData { graph, header, .. } in &finished {
            assert_eq!(graph.node_type.to_vec(), [node::OBJECT, node::OBJECT, node::NATIVE]);
            assert_eq!((0..3).map(|n| graph.id(n)).collect::<Vec<_>>(), [1, large, 3]);
            assert_eq!((0..3).map(|n| graph.size(n)).collect::<Vec<_>>(), [0, 24, large]);
            assert_eq!(graph.first_edge.to_vec(), [0, 2, 2, 3]);
            assert_eq!(graph.edge_to.to_vec(), [2, 1, 0]);
            assert_eq!(graph.edge_name.to_vec(), [1, 77, 0]);
            assert_eq!(graph.node_trace.to_vec(), [0, 5, 0]);
            assert_eq!((0..3).map(|n| graph.detachedness(n)).collect::<Vec<_>>(), [0, 0, 1]);
            assert_eq!((graph.location(1), graph.location(2)), (Some(at), None));
            assert_eq!((header.node_count(), header.edge_count()), (Some(3), Some(3)));
            assert_eq!((header.nodes.width, header.extra_native_bytes()), (7, 12));
        }
    }

    #[test]
    fn what_leads_nowhere_is_an_error() {
        type Build = fn(&mut GraphBuilder) -> Result<()>;
        let wrong: [(&str, Build); 8] = [
            ("a graph without nodes", |_| Ok(())),
            ("an edge before the first node", |b| b.edge(edge::PROPERTY, 0, 0)),
            ("an edge leads to node 1 of 1", |b| {
                b.node(object(0, 1, 0)).and_then(|_| b.edge(edge::PROPERTY, 0, 1))
            }),
            ("a name is string 1 of 1", |b| b.node(object(1, 1, 0)).map(drop)),
            ("a name is string 9 of 1", |b| b.node(object(0, 1, 0)).and_then(|_| b.edge(edge::WEAK, 9, 0))),
            ("16 is no type of nodes", |b| b.node(NewNode { node_type: 16, ..object(0, 1, 0) }).map(drop)),
            ("7 is no type of edges", |b| {
                b.node(object(0, 1, 0)).and_then(|_| b.edge(edge::INVISIBLE, 0, 0))
            }),
            ("the nodes own 2 edges, but 1 were added", |b| {
                let mut rows = NodeRows::default();
                rows.push(&object(0, 1, 0), 2);
                b.nodes(&rows)?;
                b.edges(&[edge::ELEMENT], &[9], &[0])
            }),
        ];
        for (message, build) in wrong {
            let mut builder = GraphBuilder::new();
            builder.string(b"").unwrap();
            let error = build(&mut builder).and_then(|()| builder.finish()).err().unwrap();
            assert!(error.to_string().starts_with(message), "{error}");
        }
    }
}
