//! The `meta` headers of the producers that exist: which fields a row has and which types there are.

/// Who is supposed to have written the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Variant {
    /// V8 9.4: seven node fields, no `object shape`.
    Node16,
    /// V8 10.2.
    Node18,
    /// V8 11.3: `object shape` and `wasm object` are there.
    Node20,
    /// V8 12.4.
    Node22,
    /// V8 13.6: six node fields (no `trace_node_id`), `extra_native_bytes` in the header, all on one line, and
    /// one entry more in `node_types` than in `node_fields`.
    Node24,
    /// V8 14: as Node 24, with as many types as fields.
    Node26,
    /// A page's heap: six node fields, `wasm object`, and an `invisible` edge type at the end of the list.
    Chrome,
    /// A heap timeline from Chrome or Node 22: trace node ids, allocation stacks and samples.
    Timeline,
    /// Very new V8: the sections `scopes`, `scope_context_vars` and `scope_uses` before the strings.
    Scopes,
    /// Before V8 8.x: five node fields, neither trace ids nor detachedness, no locations.
    Ancient,
    /// Bun's shape: V8's names, no `(GC roots)`, no locations.
    Bun,
    /// Deno's shape: V8's own writer, seven node fields, printed with rows.
    Deno,
    /// Julia's shape: its own node types, few edge types, no detachedness worth speaking of.
    Julia,
    /// Fields in another order, with unknown ones in between: what "driven by `meta`" has to mean.
    Shuffled,
}

impl Variant {
    /// All of them, for tests that want each once.
    pub const ALL: [Variant; 14] = [
        Variant::Node16,
        Variant::Node18,
        Variant::Node20,
        Variant::Node22,
        Variant::Node24,
        Variant::Node26,
        Variant::Chrome,
        Variant::Timeline,
        Variant::Scopes,
        Variant::Ancient,
        Variant::Bun,
        Variant::Deno,
        Variant::Julia,
        Variant::Shuffled,
    ];

    /// Whether V8 made the file, so that the root's children are `(GC roots)` and the global objects.
    pub fn has_gc_roots(self) -> bool {
        !matches!(self, Variant::Bun | Variant::Julia)
    }

    /// The lists that go into the header.
    pub fn meta(self) -> Meta {
        Meta::of(self)
    }
}

const V8_NODE_TYPES: [&str; 14] = [
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
];
const V8_EDGE_TYPES: [&str; 7] = ["context", "element", "property", "internal", "hidden", "shortcut", "weak"];
const SEVEN: [&str; 7] = ["type", "name", "id", "self_size", "edge_count", "trace_node_id", "detachedness"];
const SIX: [&str; 6] = ["type", "name", "id", "self_size", "edge_count", "detachedness"];

/// The header's lists. Public, so that a test can write a producer that does not exist.
#[derive(Clone, Debug)]
pub struct Meta {
    /// Names of a node row's columns, in order.
    pub node_fields: Vec<String>,
    /// Names that the column `type` numbers.
    pub node_types: Vec<String>,
    /// Entries of `node_types` beyond one a field: Node 24 has one.
    pub extra_type_entries: usize,
    /// Names of an edge row's columns, in order.
    pub edge_fields: Vec<String>,
    /// Names that the column `type` of an edge numbers.
    pub edge_types: Vec<String>,
    /// Names of a location row's columns; empty leaves the list and the section out.
    pub location_fields: Vec<String>,
    /// Whether the sections `scopes`, `scope_context_vars` and `scope_uses` are there.
    pub scopes: bool,
    /// Whether the header has `extra_native_bytes`.
    pub extra_native_bytes: bool,
    /// Whether the sections for traces and samples are there.
    pub traces: bool,
}

fn strings(list: &[&str]) -> Vec<String> {
    list.iter().map(|s| (*s).to_owned()).collect()
}

impl Meta {
    fn of(variant: Variant) -> Meta {
        let mut node_types = strings(&V8_NODE_TYPES);
        if !matches!(variant, Variant::Node16 | Variant::Node18 | Variant::Ancient | Variant::Bun) {
            node_types.push("object shape".to_owned());
        }
        if matches!(
            variant,
            Variant::Node20
                | Variant::Node22
                | Variant::Chrome
                | Variant::Timeline
                | Variant::Scopes
                | Variant::Deno
        ) {
            node_types.push("wasm object".to_owned());
        }
        let node_fields = match variant {
            Variant::Node24 | Variant::Node26 | Variant::Chrome | Variant::Scopes => strings(&SIX),
            Variant::Ancient => strings(&SEVEN[..5]),
            Variant::Shuffled => strings(&[
                "edge_count",
                "colour",
                "id",
                "name",
                "detachedness",
                "weight",
                "type",
                "self_size",
                "trace_node_id",
            ]),
            _ => strings(&SEVEN),
        };
        let mut meta = Meta {
            extra_type_entries: usize::from(variant == Variant::Node24),
            node_fields,
            node_types,
            edge_fields: strings(&["type", "name_or_index", "to_node"]),
            edge_types: strings(&V8_EDGE_TYPES),
            location_fields: strings(&["object_index", "script_id", "line", "column"]),
            scopes: variant == Variant::Scopes,
            extra_native_bytes: matches!(
                variant,
                Variant::Node24 | Variant::Node26 | Variant::Chrome | Variant::Scopes
            ),
            traces: true,
        };
        match variant {
            Variant::Chrome => meta.edge_types.push("invisible".to_owned()),
            Variant::Ancient | Variant::Bun => meta.location_fields.clear(),
            Variant::Julia => {
                meta.node_types = strings(&[
                    "synthetic",
                    "Core.Task",
                    "Module",
                    "Array",
                    "object",
                    "string",
                    "Core.SimpleVector",
                    "number",
                ]);
                meta.edge_types = strings(&["internal", "hidden", "element", "property"]);
                meta.location_fields.clear();
                meta.traces = false;
            }
            Variant::Shuffled => {
                meta.edge_fields = strings(&["to_node", "age", "type", "name_or_index"]);
                meta.location_fields = strings(&["line", "object_index", "column", "script_id", "flags"]);
                meta.node_types.swap(0, 5);
                meta.node_types.insert(3, "from the future".to_owned());
                meta.edge_types.swap(1, 3);
                meta.edge_types.push("spooky".to_owned());
            }
            _ => {}
        }
        meta
    }

    /// The number of a node type, if this producer has it.
    pub fn node_type(&self, name: &str) -> Option<usize> {
        self.node_types.iter().position(|t| t == name)
    }

    /// The number of an edge type, if this producer has it.
    pub fn edge_type(&self, name: &str) -> Option<usize> {
        self.edge_types.iter().position(|t| t == name)
    }
}
