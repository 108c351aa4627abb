//! A snapshot built node by node in memory, for graphs small enough to think about.
//!
//! About 60 bytes a node and 24 an edge, plus the strings. Edges may be declared in any order; they are written
//! grouped by source, which is what the format demands.

use std::collections::HashMap;
use std::io::{self, Write};

use crate::json::{HeaderCounts, TextLayout, TextWriter, escape};
use crate::meta::{Meta, Variant};
use crate::rng::Rng;

/// A node of a [`Snapshot`]: its ordinal, in the order of declaration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeId(pub usize);

/// What a node row holds, apart from its edges.
#[derive(Clone, Debug)]
pub struct Node {
    /// A name out of `node_types`; one that the variant lacks is written as its first type.
    pub kind: String,
    pub name: String,
    /// V8 gives odd ids to heap objects and even ones to native ones.
    pub id: u64,
    /// In bytes.
    pub self_size: u64,
    /// 0 unknown, 1 attached, 2 detached.
    pub detachedness: u64,
    /// Id of the trace node that allocated it, 0 for none.
    pub trace_node: u64,
}

/// How an edge is called: V8 numbers element and hidden edges and names all others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EdgeName {
    Index(u64),
    /// A string of the table.
    Name(String),
}

impl From<u64> for EdgeName {
    fn from(index: u64) -> Self {
        EdgeName::Index(index)
    }
}

impl From<&str> for EdgeName {
    fn from(name: &str) -> Self {
        EdgeName::Name(name.to_owned())
    }
}

#[derive(Clone, Debug)]
struct Edge {
    kind: &'static str,
    name: u64,
    to: usize,
}

/// A row of `trace_function_infos`.
#[derive(Clone, Debug)]
pub struct TraceFunction {
    /// Any number; V8 uses the function's id in the profile.
    pub function_id: u64,
    /// The function's name.
    pub name: String,
    /// The script's URL.
    pub script_name: String,
    /// V8's number of the script.
    pub script_id: u64,
    /// From 1.
    pub line: u64,
    /// From 1.
    pub column: u64,
}

/// A node of the allocation trace's tree.
#[derive(Clone, Debug)]
pub struct TraceNode {
    /// What [`Node::trace_node`] refers to.
    pub id: u64,
    /// Index into the functions.
    pub function: u64,
    /// Allocations there.
    pub count: u64,
    /// Bytes allocated there.
    pub size: u64,
    /// Callees.
    pub children: Vec<TraceNode>,
}

/// A snapshot under construction.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// The header's lists; change them for producers that do not exist.
    pub meta: Meta,
    /// Where the white space goes.
    pub layout: TextLayout,
    /// Bytes outside the heap, in the header of newer versions.
    pub extra_native_bytes: u64,
    /// Written into the header if given; the format has no such field, DevTools reads it all the same.
    pub root_index: Option<u64>,
    /// `trace_function_count`, if it should say something other than the number of functions.
    pub claimed_trace_functions: Option<u64>,
    /// Fills columns of node and edge rows that no reader knows.
    pub unknown_column: u64,
    nodes: Vec<Node>,
    edges: Vec<Vec<Edge>>,
    locations: Vec<[u64; 4]>,
    trace_functions: Vec<TraceFunction>,
    trace_tree: Vec<TraceNode>,
    samples: Vec<[u64; 2]>,
    scopes: Vec<[u64; 5]>,
    scope_vars: Vec<String>,
    scope_uses: Vec<[u64; 2]>,
    raw_strings: Vec<String>,
    strings: Vec<String>,
    string_index: HashMap<String, usize>,
}

impl Snapshot {
    /// An empty graph. The first node declared is the root.
    pub fn new(variant: Variant) -> Self {
        let layout = match variant {
            Variant::Node24 | Variant::Node26 | Variant::Chrome | Variant::Scopes => TextLayout::Packed,
            _ => TextLayout::Rows,
        };
        let mut snapshot = Snapshot {
            meta: variant.meta(),
            layout,
            extra_native_bytes: 0,
            root_index: None,
            claimed_trace_functions: None,
            unknown_column: 4_294_967_295,
            nodes: Vec::new(),
            edges: Vec::new(),
            locations: Vec::new(),
            trace_functions: Vec::new(),
            trace_tree: Vec::new(),
            samples: Vec::new(),
            scopes: Vec::new(),
            scope_vars: Vec::new(),
            scope_uses: Vec::new(),
            raw_strings: Vec::new(),
            strings: Vec::new(),
            string_index: HashMap::new(),
        };
        // V8 never refers to the first string.
        snapshot.intern("<dummy>");
        snapshot
    }

    /// The root, `(GC roots)` under it, and a global object as the one user root: what most tests start from.
    /// Returns (root, gc roots, global).
    pub fn with_roots(variant: Variant) -> (Self, NodeId, NodeId, NodeId) {
        let mut snapshot = Snapshot::new(variant);
        let root = snapshot.node("synthetic", "", 0);
        let gc_roots = snapshot.node("synthetic", "(GC roots)", 0);
        let global = snapshot.node("object", "global", 40);
        snapshot.edge(root, "element", 1, gc_roots);
        snapshot.edge(root, "shortcut", "2", global);
        (snapshot, root, gc_roots, global)
    }

    /// Declares a node with the next odd id.
    pub fn node(&mut self, kind: &str, name: &str, self_size: u64) -> NodeId {
        let id = 2 * self.nodes.len() as u64 + 1;
        self.add(Node {
            kind: kind.to_owned(),
            name: name.to_owned(),
            id,
            self_size,
            detachedness: 0,
            trace_node: 0,
        })
    }

    /// Declares a node with every column given.
    pub fn add(&mut self, node: Node) -> NodeId {
        self.intern(&node.name.clone());
        self.nodes.push(node);
        self.edges.push(Vec::new());
        NodeId(self.nodes.len() - 1)
    }

    /// A declared node, to read or change.
    pub fn node_mut(&mut self, node: NodeId) -> &mut Node {
        &mut self.nodes[node.0]
    }

    /// The declared nodes in file order.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// The same heap with its nodes (except the root) and each node's edges in another order. V8 gives no promise about
    /// either, so no answer may depend on them.
    #[must_use]
    pub fn shuffled(&self, seed: u64) -> Snapshot {
        let mut rng = Rng::new(seed);
        let mut order: Vec<usize> = (0..self.nodes.len()).collect();
        for i in (2..order.len()).rev() {
            order.swap(i, 1 + rng.below(i));
        }
        let mut place = vec![0; order.len()];
        for (now, &old) in order.iter().enumerate() {
            place[old] = now;
        }
        let mut other = self.clone();
        other.nodes = order.iter().map(|&old| self.nodes[old].clone()).collect();
        other.edges = order.iter().map(|&old| self.edges[old].clone()).collect();
        for (now, edges) in other.edges.iter_mut().enumerate() {
            for edge in edges.iter_mut() {
                edge.to = place[edge.to];
            }
            // The root's edges tell what the roots are.
            for i in (1..if now == 0 { 0 } else { edges.len() }).rev() {
                edges.swap(i, rng.below(i + 1));
            }
        }
        for location in &mut other.locations {
            location[0] = place[location[0] as usize] as u64;
        }
        for scope in &mut other.scopes {
            scope[0] = place[scope[0] as usize] as u64;
        }
        other
    }

    /// How many edges have been declared.
    pub fn edge_count(&self) -> usize {
        self.edges.iter().map(Vec::len).sum()
    }

    /// Declares an edge; a node's edges keep the order in which they were declared.
    pub fn edge(&mut self, from: NodeId, kind: &'static str, name: impl Into<EdgeName>, to: NodeId) {
        let name = match name.into() {
            EdgeName::Index(index) => index,
            EdgeName::Name(name) => self.intern(&name) as u64,
        };
        self.edges[from.0].push(Edge { kind, name, to: to.0 });
    }

    /// The edge of an ordinary field.
    pub fn property(&mut self, from: NodeId, name: &str, to: NodeId) {
        self.edge(from, "property", name, to);
    }

    /// The two edges with which V8 tells of a WeakMap's entry: the same text from the key and from the table.
    /// `number` sets entries of one table apart.
    pub fn ephemeron(&mut self, table: NodeId, key: NodeId, value: NodeId, number: u64) {
        let (k, v, t) = (&self.nodes[key.0], &self.nodes[value.0], &self.nodes[table.0]);
        let name = format!(
            "{number} / part of key ({} @{}) -> value ({} @{}) pair in WeakMap (table @{})",
            k.name, k.id, v.name, v.id, t.id
        );
        self.edge(key, "internal", name.as_str(), value);
        self.edge(table, "internal", name.as_str(), value);
    }

    /// Where a closure or a class was written.
    pub fn location(&mut self, node: NodeId, script_id: u64, line: u64, column: u64) {
        self.locations.push([node.0 as u64, script_id, line, column]);
    }

    /// Declares a function of the allocation trace; returns its index.
    pub fn trace_function(&mut self, function: TraceFunction) -> u64 {
        self.intern(&function.name.clone());
        self.intern(&function.script_name.clone());
        self.trace_functions.push(function);
        self.trace_functions.len() as u64 - 1
    }

    /// Sets the trace tree (V8 writes one root).
    pub fn trace_tree(&mut self, root: TraceNode) {
        self.trace_tree = vec![root];
    }

    /// A sample of a timeline: at this time, ids up to this one had been given out.
    pub fn sample(&mut self, timestamp_us: u64, last_assigned_id: u64) {
        self.samples.push([timestamp_us, last_assigned_id]);
    }

    /// A scope of the newest format, with the names of its context's variables and the uses it makes of others'.
    pub fn scope(&mut self, script: NodeId, scope_id: u64, depth: u64, vars: &[&str], uses: &[(u64, u64)]) {
        self.scopes.push([script.0 as u64, scope_id, depth, vars.len() as u64, uses.len() as u64]);
        for var in vars {
            self.intern(var);
            self.scope_vars.push((*var).to_owned());
        }
        self.scope_uses.extend(uses.iter().map(|&(scope, slot)| [scope, slot]));
    }

    /// Appends a string to the table as this JSON text, quotes included: lone surrogates, bad escapes, raw bytes.
    /// Returns its index. Must come after everything that names a string, since it goes behind all those.
    pub fn raw_string(&mut self, json: &str) -> u64 {
        self.raw_strings.push(json.to_owned());
        (self.strings.len() + self.raw_strings.len() - 1) as u64
    }

    fn intern(&mut self, text: &str) -> usize {
        if let Some(&index) = self.string_index.get(text) {
            return index;
        }
        assert!(
            self.raw_strings.is_empty(),
            "raw strings come last, or the indexes given out would be wrong"
        );
        self.strings.push(text.to_owned());
        self.string_index.insert(text.to_owned(), self.strings.len() - 1);
        self.strings.len() - 1
    }

    fn index_of(&self, text: &str) -> u64 {
        self.string_index[text] as u64
    }

    /// The whole file.
    pub fn to_json(&self) -> Vec<u8> {
        self.write(Vec::new()).expect("writing to memory cannot fail")
    }

    /// Writes the whole file.
    pub fn write<W: Write>(&self, out: W) -> io::Result<W> {
        let mut w = TextWriter::new(out, self.layout);
        let counts = HeaderCounts {
            nodes: self.nodes.len() as u64,
            edges: self.edge_count() as u64,
            trace_functions: self.claimed_trace_functions.unwrap_or(self.trace_functions.len() as u64),
            extra_native_bytes: self.extra_native_bytes,
            root_index: self.root_index,
        };
        let width = self.meta.node_fields.len() as u64;
        w.header(&self.meta, &counts)?;
        w.open("nodes")?;
        let mut row = Vec::with_capacity(16);
        for (node, edges) in self.nodes.iter().zip(&self.edges) {
            row.clear();
            row.extend(self.meta.node_fields.iter().map(|field| match field.as_str() {
                "type" => self.meta.node_type(&node.kind).unwrap_or(0) as u64,
                "name" => self.index_of(&node.name),
                "id" => node.id,
                "self_size" => node.self_size,
                "edge_count" => edges.len() as u64,
                "trace_node_id" => node.trace_node,
                "detachedness" => node.detachedness,
                _ => self.unknown_column,
            }));
            w.row(&row)?;
        }
        w.close()?;
        w.open("edges")?;
        for edge in self.edges.iter().flatten() {
            row.clear();
            row.extend(self.meta.edge_fields.iter().map(|field| match field.as_str() {
                "type" => self.meta.edge_type(edge.kind).unwrap_or(0) as u64,
                "name_or_index" => edge.name,
                "to_node" => edge.to as u64 * width,
                _ => self.unknown_column,
            }));
            w.row(&row)?;
        }
        w.close()?;
        if self.meta.traces {
            self.write_traces(&mut w)?;
        }
        if !self.meta.location_fields.is_empty() {
            w.open("locations")?;
            for &[node, script_id, line, column] in &self.locations {
                row.clear();
                row.extend(self.meta.location_fields.iter().map(|field| match field.as_str() {
                    "object_index" => node * width,
                    "script_id" => script_id,
                    "line" => line,
                    "column" => column,
                    _ => self.unknown_column,
                }));
                w.row(&row)?;
            }
            w.close()?;
        }
        if self.meta.scopes {
            w.open("scopes")?;
            for &[script, id, depth, vars, uses] in &self.scopes {
                w.row(&[script * width, id, depth, vars, uses])?;
            }
            w.close()?;
            w.open("scope_context_vars")?;
            for var in &self.scope_vars {
                w.row(&[self.index_of(var)])?;
            }
            w.close()?;
            w.open("scope_uses")?;
            for usage in &self.scope_uses {
                w.row(usage)?;
            }
            w.close()?;
        }
        w.open("strings")?;
        for text in &self.strings {
            w.string(&escape(text))?;
        }
        for json in &self.raw_strings {
            w.string(json)?;
        }
        w.raw("]")?;
        w.finish()
    }

    fn write_traces<W: Write>(&self, w: &mut TextWriter<W>) -> io::Result<()> {
        w.open("trace_function_infos")?;
        for f in &self.trace_functions {
            let (name, script) = (self.index_of(&f.name), self.index_of(&f.script_name));
            w.row(&[f.function_id, name, script, f.script_id, f.line, f.column])?;
        }
        w.close()?;
        w.open("trace_tree")?;
        // The one section that nests; flattened with a stack of closing brackets, because traces may be deep.
        enum Step<'a> {
            Node(&'a TraceNode, bool),
            Close,
        }
        let mut steps: Vec<Step<'_>> =
            self.trace_tree.iter().enumerate().rev().map(|(i, node)| Step::Node(node, i == 0)).collect();
        while let Some(step) = steps.pop() {
            match step {
                Step::Node(node, first) => {
                    let comma = if first { "" } else { "," };
                    let TraceNode { id, function, count, size, .. } = node;
                    w.raw(&format!("{comma}{id},{function},{count},{size},["))?;
                    steps.push(Step::Close);
                    let children = node.children.iter().enumerate().rev();
                    steps.extend(children.map(|(i, child)| Step::Node(child, i == 0)));
                }
                Step::Close => w.raw("]")?,
            }
        }
        w.raw("]")?;
        w.open("samples")?;
        for sample in &self.samples {
            w.row(sample)?;
        }
        w.close()
    }
}
