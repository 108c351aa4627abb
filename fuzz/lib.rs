//! What the fuzz targets share: a graph out of arbitrary bytes, and every question that there is.
//!
//! The bytes are the graph (not a seed), so that libFuzzer sees which change of the input leads where.
#![forbid(unsafe_code)]

#[path = "../crates/synth/tests/exercise/mod.rs"]
mod exercise;

pub use exercise::{exercise, exercise_pair, read};

use stillheap_questions::{self as questions, Opened};
use stillheap_synth::{Node, NodeId, Snapshot, Variant};

/// Node types worth telling apart, and names that mean something to a pass.
const KINDS: [&str; 16] = [
    "hidden",
    "array",
    "string",
    "object",
    "code",
    "closure",
    "regexp",
    "number",
    "native",
    "synthetic",
    "concatenated string",
    "sliced string",
    "symbol",
    "bigint",
    "object shape",
    "wasm object",
];
const NAMES: [&str; 24] = [
    "",
    "Object",
    "Array",
    "Map",
    "(GC roots)",
    "(Document DOM trees)",
    "system / NativeContext",
    "system / Context",
    "(map descriptors)",
    "(object elements)",
    "<div class=\"a\">",
    "Detached <p>",
    "Detached x",
    "V8EventListener",
    "system / ExternalStringData",
    "system / JSArrayBufferData",
    "system / Map",
    "(concatenated string)",
    "dup",
    "heap number",
    "int",
    "smi",
    "Window",
    "x / DevTools console",
];
const EDGES: [&str; 8] =
    ["context", "element", "property", "internal", "hidden", "shortcut", "weak", "invisible"];
const EDGE_NAMES: [&str; 20] = [
    "a",
    "b",
    "c",
    "__proto__",
    "constructor",
    "first",
    "second",
    "elements",
    "map",
    "context",
    "shared",
    "previous",
    "scope_info",
    "native_context",
    "sloppy_function_map",
    "value",
    "length",
    "truncated",
    "1",
    "x / DevTools console",
];
const VARIANTS: [Variant; 8] = [
    Variant::Node16,
    Variant::Node22,
    Variant::Node24,
    Variant::Chrome,
    Variant::Scopes,
    Variant::Ancient,
    Variant::Julia,
    Variant::Shuffled,
];

/// Four bytes a node (type, name, size, flags) and four an edge (type, name, source, target), after two for the
/// variant and the number of nodes. Any bytes make a graph.
pub fn graph(bytes: &[u8]) -> Snapshot {
    let mut bytes = bytes.iter().copied();
    let mut next = || bytes.next();
    let variant = VARIANTS[usize::from(next().unwrap_or(0)) % VARIANTS.len()];
    let mut snapshot = Snapshot::new(variant);
    let count = 1 + usize::from(next().unwrap_or(4)) % 64;
    for i in 0..count {
        let [kind, name, size, flags] = [0; 4].map(|_: u8| usize::from(next().unwrap_or(0)));
        let native = KINDS[kind % KINDS.len()] == "native";
        let node = Node {
            kind: if i == 0 { "synthetic" } else { KINDS[kind % KINDS.len()] }.to_owned(),
            name: NAMES[name % NAMES.len()].to_owned(),
            id: 2 * i as u64 + 1 + u64::from(native),
            // The last few sizes are beyond 32 bits, which columns of u32 must survive.
            self_size: if size >= 250 { (size as u64) << 40 } else { 8 * size as u64 },
            detachedness: flags as u64 % 3,
            trace_node: flags as u64 / 3 % 4,
        };
        let node = snapshot.add(node);
        if flags >= 200 {
            snapshot.location(node, flags as u64 % 3, 1, flags as u64 % 2);
        }
    }
    while let (Some(kind), Some(name), Some(from), Some(to)) = (next(), next(), next(), next()) {
        let (from, to) = (NodeId(usize::from(from) % count), NodeId(usize::from(to) % count));
        let name = usize::from(name);
        match EDGES[usize::from(kind) % EDGES.len()] {
            kind if snapshot.meta.edge_type(kind).is_none() => {
                snapshot.ephemeron(from, to, NodeId(name % count), 1)
            }
            kind @ ("element" | "hidden") => snapshot.edge(from, kind, name as u64, to),
            kind => snapshot.edge(from, kind, EDGE_NAMES[name % EDGE_NAMES.len()], to),
        }
    }
    snapshot
}

/// A snapshot as the command line has it.
pub fn opened(snapshot: impl Into<stillheap_index::Indexed>) -> Opened {
    Opened::new(snapshot, stillheap_analysis::Model::Devtools, "fuzz")
}

/// Every question of the command line; any answer or refusal will do.
pub fn ask_all(opened: &Opened) {
    for (question, request) in [
        ("summary", "{}"),
        ("statistics", "{}"),
        ("instances", r#"{"class":"Object"}"#),
        ("inspect", r#"{"id":"@3"}"#),
        ("inspect", r#"{"id":"@9"}"#),
        ("retainers", r#"{"target":"@5"}"#),
        ("retainers", r#"{"target":"Object"}"#),
        ("dominators", "{}"),
        ("containment", "{}"),
        ("strings", r#"{"duplicates":true}"#),
        ("closures", "{}"),
        ("timeline", "{}"),
        ("query", r#"{"expression":"retained > 0 and not holds(class = Object)"}"#),
    ] {
        if let Err(failure) = questions::answer(opened, question, request) {
            let code = failure.code.to_string();
            assert!(code != "ERR_STILLHEAP_INTERNAL", "{question}: {}", failure.message);
        }
    }
}
