//! Small random graphs that hold every oddity we know of, for comparing two implementations of the same rules.
//!
//! A graph is a function of its seed and its options. Building one of n nodes takes O(n) time and memory.

use crate::builder::{Node, NodeId, Snapshot, TraceFunction, TraceNode};
use crate::json::TextLayout;
use crate::meta::Variant;
use crate::rng::Rng;

/// What a random graph may hold.
#[derive(Clone, Debug)]
pub struct RandomOptions {
    /// Fewest nodes, the root included.
    pub min_nodes: usize,
    /// Most nodes.
    pub max_nodes: usize,
    /// Also what no real producer writes: two edges from the root to one node, cyclic concatenated strings,
    /// equal ids, edges to the root, sizes near 2^53, type names from the future.
    pub hostile: bool,
}

impl Default for RandomOptions {
    fn default() -> Self {
        RandomOptions { min_nodes: 4, max_nodes: 120, hostile: false }
    }
}

const SYNTHETIC: [&str; 8] = [
    "(GC roots)",
    "(Document DOM trees)",
    "(Strong roots)",
    "(Global handles)",
    "(Weak roots)",
    "(Stack roots)",
    "(Document DOM trees) ",
    "C++ Persistent roots",
];
const CLASSES: [&str; 16] = [
    "Object",
    "Object",
    "Object",
    "Array",
    "Map",
    "WeakMap",
    "Foo",
    "Bar",
    "Window",
    "system / Context",
    "system / Context / handler",
    "<div class=\"a\">",
    "Detached <p>",
    "Detached HTMLDivElement",
    "(system)",
    "V8EventListener",
];
const NATIVES: [&str; 12] = [
    "HTMLDivElement",
    "<div id=\"q\">",
    "<p>",
    "Detached <i>",
    "Detached <b class=\"x\">",
    "InternalNode",
    "V8EventListener",
    "EventListener",
    "system / JSArrayBufferData",
    "system / ExternalStringData",
    "undefined",
    "Detached ",
];
const HIDDEN: [&str; 7] = [
    "system / NativeContext",
    "system / NativeContext / http://x",
    "system / Map",
    "system / ScopeInfo",
    "(map descriptors)",
    "system / ExternalStringData",
    "",
];
const ARRAYS: [&str; 5] = ["", "(object elements)", "(object properties)", "(map descriptors)", "Array"];
const TEXTS: [&str; 9] =
    ["dup", "dup", "a", "b", "", "käse", "\u{1F600}", "tab\tand\n\"quotes\"", "constructor"];
const PROPERTIES: [&str; 16] = [
    "a",
    "b",
    "x",
    "y",
    "left",
    "right",
    "value",
    "__proto__",
    "constructor",
    "1",
    "name with space",
    "com,ma",
    "we\"ird",
    "{curly}",
    "it's",
    "",
];
const INTERNALS: [&str; 14] = [
    "map",
    "elements",
    "properties",
    "first",
    "second",
    "code",
    "shared",
    "context",
    "native_context",
    "hash",
    "sloppy_function_map",
    "truncated",
    "1",
    "2",
];
const CONTEXT: [&str; 4] = ["scope_a", "this", "previous", "closure"];
const WEAK: [&str; 3] = ["weak1", "3", "transition"];
const SHORTCUTS: [&str; 4] = ["x", "12", "bound_this", "global"];

const KINDS: [&str; 26] = [
    "object",
    "object",
    "object",
    "object",
    "object",
    "hidden",
    "hidden",
    "array",
    "array",
    "array",
    "string",
    "string",
    "string",
    "code",
    "closure",
    "closure",
    "regexp",
    "number",
    "native",
    "native",
    "native",
    "concatenated string",
    "concatenated string",
    "sliced string",
    "symbol",
    "synthetic",
];
const RARE_KINDS: [&str; 3] = ["bigint", "object shape", "wasm object"];

pub fn random_graph(seed: u64, options: &RandomOptions) -> Snapshot {
    Generator::new(seed, options).finish(None).0
}

/// Two graphs as of one process at two times: most of the first's nodes come again with their ids, some are gone,
/// some are new.
pub fn random_pair(seed: u64, options: &RandomOptions) -> (Snapshot, Snapshot) {
    let (old, rng) = Generator::new(seed, options).finish(None);
    let mut again = Generator::new(seed, options);
    again.rng = rng;
    let (young, _) = again.finish(Some(&old));
    (old, young)
}

struct Generator<'a> {
    rng: Rng,
    options: &'a RandomOptions,
    variant: Variant,
    nodes: Vec<NodeId>,
}

impl<'a> Generator<'a> {
    fn new(seed: u64, options: &'a RandomOptions) -> Self {
        let mut rng = Rng::new(seed);
        let variant = *rng.pick(&Variant::ALL);
        Generator { rng, options, variant, nodes: Vec::new() }
    }

    fn finish(mut self, older: Option<&Snapshot>) -> (Snapshot, Rng) {
        let mut snapshot = Snapshot::new(self.variant);
        self.header(&mut snapshot);
        self.add_nodes(&mut snapshot, older);
        self.add_root_edges(&mut snapshot);
        self.add_edges(&mut snapshot);
        self.add_special_shapes(&mut snapshot);
        self.add_sections(&mut snapshot);
        (snapshot, self.rng)
    }

    fn header(&mut self, snapshot: &mut Snapshot) {
        if self.rng.one_in(6) {
            snapshot.layout = *self.rng.pick(&[TextLayout::Rows, TextLayout::Packed, TextLayout::Spaced]);
        }
        snapshot.extra_native_bytes = if self.rng.one_in(2) { self.rng.below(5000) as u64 } else { 0 };
        snapshot.unknown_column = self.rng.below(10) as u64;
    }

    fn add_nodes(&mut self, snapshot: &mut Snapshot, older: Option<&Snapshot>) {
        let span = self.options.max_nodes.saturating_sub(self.options.min_nodes);
        let count = self.options.min_nodes.max(1) + self.rng.below(span + 1);
        let root = self.rng.pick(&["", "(root)", "<root>"]).to_string();
        self.nodes.push(snapshot.node("synthetic", &root, 0));
        let mut next_id = 3;
        if let Some(older) = older {
            for node in &older.nodes()[1..] {
                next_id = next_id.max(node.id + 2);
                if !self.rng.one_in(5) {
                    let mut node = node.clone();
                    if self.rng.one_in(8) {
                        node.self_size += 8;
                    }
                    self.nodes.push(snapshot.add(node));
                }
            }
            next_id |= 1;
        }
        while self.nodes.len() < count || self.nodes.len() < 3 {
            let node = self.random_node(next_id);
            next_id += 2;
            self.nodes.push(snapshot.add(node));
        }
        if self.options.hostile && self.rng.one_in(4) {
            let (a, b) = (*self.rng.pick(&self.nodes), *self.rng.pick(&self.nodes));
            snapshot.node_mut(a).id = snapshot.nodes()[b.0].id;
        }
    }

    fn random_node(&mut self, odd_id: u64) -> Node {
        let rng = &mut self.rng;
        let kind = if rng.one_in(15) { *rng.pick(&RARE_KINDS) } else { *rng.pick(&KINDS) };
        let name = match kind {
            "object" => *rng.pick(&CLASSES),
            "hidden" => *rng.pick(&HIDDEN),
            "array" => *rng.pick(&ARRAYS),
            "native" => *rng.pick(&NATIVES),
            "synthetic" => *rng.pick(&SYNTHETIC),
            "closure" => *rng.pick(&["", "f", "g", "handler"]),
            "number" => *rng.pick(&["heap number", "smi", "int", "bool"]),
            "concatenated string" => *rng.pick(&["(concatenated string)", "dup"]),
            "code" | "object shape" => {
                *rng.pick(&["(code)", "system / Map", "fnname", "system / DescriptorArray"])
            }
            _ => *rng.pick(&TEXTS),
        };
        let long = "x".repeat(1 + rng.below(200));
        let self_size = match rng.below(12) {
            0..=2 => 0,
            3 if self.options.hostile => (1 << 31) + rng.below(1 << 33) as u64,
            _ => 8 * rng.below(40) as u64,
        };
        Node {
            kind: kind.to_owned(),
            name: if kind == "string" && rng.one_in(10) { long } else { name.to_owned() },
            // Native objects get even ids, V8's own odd ones.
            id: if kind == "native" { odd_id + 1 } else { odd_id },
            self_size,
            detachedness: if kind == "native" || rng.one_in(20) { rng.below(3) as u64 } else { 0 },
            trace_node: rng.below(4) as u64,
        }
    }

    fn any(&mut self) -> NodeId {
        *self.rng.pick(&self.nodes)
    }

    fn any_but_root(&mut self) -> NodeId {
        NodeId(1 + self.rng.below(self.nodes.len() - 1))
    }

    fn add_root_edges(&mut self, snapshot: &mut Snapshot) {
        let root = self.nodes[0];
        if self.options.hostile && self.rng.one_in(10) {
            return;
        }
        let mut used = std::collections::HashSet::new();
        for i in 0..1 + self.rng.below(6) as u64 {
            let to = self.any_but_root();
            // DevTools fails on a root with two edges to one node, and V8 writes none such.
            if !used.insert(to) && !self.options.hostile {
                continue;
            }
            match self.rng.below(5) {
                0 | 1 => snapshot.edge(root, "element", i, to),
                2 | 3 => snapshot.edge(root, "shortcut", i.to_string().as_str(), to),
                _ => snapshot.edge(root, "internal", "bridge", to),
            }
        }
        let names = |n: &Node| n.kind == "synthetic" && n.name == "(GC roots)";
        if let Some(roots) = snapshot.nodes().iter().position(names).map(NodeId) {
            if used.insert(roots) {
                snapshot.edge(root, "element", 1, roots);
            }
            for i in 0..self.rng.below(12) as u64 {
                let to = self.any_but_root();
                snapshot.edge(roots, "element", i, to);
            }
        }
    }

    fn add_edges(&mut self, snapshot: &mut Snapshot) {
        let per_node = 1 + self.rng.below(4);
        for _ in 0..self.nodes.len() * per_node {
            // A fifth of the nodes at the end keep to themselves: cliques that nothing reaches.
            let n = self.nodes.len();
            let (from, to) = if self.rng.one_in(5) {
                let first = n - n / 5;
                (NodeId(first + self.rng.below(n - first)), NodeId(first + self.rng.below(n - first)))
            } else {
                (self.any_but_root(), self.any())
            };
            if from.0 >= n || to.0 >= n || from.0 == 0 || (to.0 == 0 && !self.options.hostile) {
                continue;
            }
            self.random_edge(snapshot, from, to);
        }
    }

    fn random_edge(&mut self, snapshot: &mut Snapshot, from: NodeId, to: NodeId) {
        let rng = &mut self.rng;
        match rng.below(14) {
            0..=3 => {
                let name = *rng.pick(&PROPERTIES);
                snapshot.edge(from, "property", name, to);
            }
            4..=6 => snapshot.edge(from, "element", rng.below(12) as u64, to),
            7..=9 => {
                let name = *rng.pick(&INTERNALS);
                snapshot.edge(from, "internal", name, to);
            }
            10 => {
                let name = *rng.pick(&CONTEXT);
                snapshot.edge(from, "context", name, to);
            }
            11 => snapshot.edge(from, "hidden", rng.below(20) as u64, to),
            12 => {
                let name = *rng.pick(&WEAK);
                snapshot.edge(from, "weak", name, to);
            }
            _ => {
                let name = *rng.pick(&SHORTCUTS);
                let kind = if rng.one_in(3) { "invisible" } else { "shortcut" };
                // Only Chrome's list has the invisible type; elsewhere it would become the first one.
                let kind = if snapshot.meta.edge_type(kind).is_some() { kind } else { "property" };
                snapshot.edge(from, kind, name, to);
            }
        }
    }

    fn add_special_shapes(&mut self, snapshot: &mut Snapshot) {
        for number in 0..self.rng.below(5) as u64 {
            let (table, key, value) = (self.any_but_root(), self.any_but_root(), self.any_but_root());
            snapshot.ephemeron(table, key, value, number);
        }
        let of = |kind: &str, snapshot: &Snapshot| -> Vec<NodeId> {
            let nodes = snapshot.nodes().iter().enumerate().skip(1);
            nodes.filter(|(_, n)| n.kind == kind).map(|(i, _)| NodeId(i)).collect()
        };
        // Pairs of names make the shapes that plain objects are called by.
        for object in of("object", snapshot) {
            if snapshot.nodes()[object.0].name != "Object" || self.rng.one_in(3) {
                continue;
            }
            for name in &PROPERTIES[..2 + self.rng.below(3)] {
                let to = self.any_but_root();
                snapshot.property(object, name, to);
            }
        }
        let texts: Vec<NodeId> =
            ["string", "concatenated string", "sliced string"].iter().flat_map(|k| of(k, snapshot)).collect();
        for cons in of("concatenated string", snapshot) {
            // Halves that come earlier in the file cannot make a cycle.
            let halves: Vec<NodeId> =
                texts.iter().copied().filter(|t| t.0 < cons.0 || self.options.hostile).collect();
            if halves.is_empty() {
                continue;
            }
            snapshot.edge(cons, "internal", "first", *self.rng.pick(&halves));
            snapshot.edge(cons, "internal", "second", *self.rng.pick(&halves));
        }
        for descriptors in of("array", snapshot) {
            if snapshot.nodes()[descriptors.0].name == "(map descriptors)" {
                for index in 0..self.rng.below(9) as u64 {
                    let to = self.any_but_root();
                    let kind = if self.rng.one_in(2) { "internal" } else { "element" };
                    if kind == "internal" {
                        snapshot.edge(descriptors, kind, index.to_string().as_str(), to);
                    } else {
                        snapshot.edge(descriptors, kind, index, to);
                    }
                }
            }
        }
    }

    fn add_sections(&mut self, snapshot: &mut Snapshot) {
        for node in self.nodes.clone() {
            let kind = snapshot.nodes()[node.0].kind.as_str();
            if (kind == "closure" || kind == "object") && self.rng.one_in(4) {
                let (script, line, column) = (self.rng.below(4), self.rng.below(3), self.rng.below(2));
                snapshot.location(node, script as u64, line as u64, column as u64);
            }
        }
        if snapshot.meta.traces && (self.variant == Variant::Timeline || self.rng.one_in(6)) {
            self.add_traces(snapshot);
        }
        if snapshot.meta.scopes {
            let script = self.any();
            snapshot.scope(script, 0, 0, &["outer", "x"], &[]);
            snapshot.scope(script, 1, 1, &["inner"], &[(0, 1), (0, 0)]);
        }
    }

    fn add_traces(&mut self, snapshot: &mut Snapshot) {
        let mut id = 0;
        for (i, name) in ["(root)", "main", "handler", ""].iter().enumerate() {
            snapshot.trace_function(TraceFunction {
                function_id: i as u64,
                name: (*name).to_owned(),
                script_name: "file:///app/main.js".to_owned(),
                script_id: 7,
                line: i as u64,
                column: 3,
            });
        }
        let tree = self.trace_node(&mut id, 0);
        snapshot.trace_tree(tree);
        for i in 0..self.rng.below(4) as u64 {
            snapshot.sample(i * 50_000, 3 + i * 2 * (1 + self.nodes.len() as u64 / 4));
        }
        if self.rng.one_in(8) {
            // Files captured inside the process while tracking say fewer than there are.
            snapshot.claimed_trace_functions = Some(self.rng.below(4) as u64);
        }
    }

    fn trace_node(&mut self, id: &mut u64, depth: usize) -> TraceNode {
        *id += 1;
        let own = *id;
        let children = if depth < 4 { self.rng.below(3) } else { 0 };
        TraceNode {
            id: own,
            function: self.rng.below(4) as u64,
            count: self.rng.below(9) as u64,
            size: 8 * self.rng.below(90) as u64,
            children: (0..children).map(|_| self.trace_node(id, depth + 1)).collect(),
        }
    }
}
