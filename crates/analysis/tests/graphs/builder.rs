//! Builds small snapshots by hand.

use std::fmt::Write;

use stillheap_analysis::Snapshot;
use stillheap_snapshot::ReadOptions;

pub const NODE_TYPES: [&str; 16] = [
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
pub const EDGE_TYPES: [&str; 7] =
    ["context", "element", "property", "internal", "hidden", "shortcut", "weak"];

#[derive(Clone, Default)]
pub struct Builder {
    strings: Vec<String>,
    nodes: Vec<(usize, usize, u64, u64)>,
    edges: Vec<Vec<(usize, u64, usize)>>,
    pub locations: Vec<(usize, i64, i64, i64)>,
    /// More text for the header, starting with a comma.
    pub header: String,
}

impl Builder {
    /// A builder with the root in place.
    pub fn new() -> Builder {
        let mut builder = Builder::default();
        builder.node("synthetic", "", 0);
        builder
    }

    fn string(&mut self, text: &str) -> usize {
        if let Some(at) = self.strings.iter().position(|s| s == text) {
            return at;
        }
        self.strings.push(text.to_owned());
        self.strings.len() - 1
    }

    /// Adds a node with the next odd id; its ordinal.
    pub fn node(&mut self, ty: &str, name: &str, size: u64) -> usize {
        let id = 2 * self.nodes.len() as u64 + 1;
        self.node_with_id(ty, name, size, id)
    }

    pub fn node_with_id(&mut self, ty: &str, name: &str, size: u64, id: u64) -> usize {
        let ty = NODE_TYPES.iter().position(|t| *t == ty).unwrap();
        let name = self.string(name);
        self.nodes.push((ty, name, id, size));
        self.edges.push(Vec::new());
        self.nodes.len() - 1
    }

    /// Adds an edge; for elements and hidden edges the name is a number.
    pub fn edge(&mut self, from: usize, ty: &str, name: &str, to: usize) {
        let code = EDGE_TYPES.iter().position(|t| *t == ty).unwrap();
        let name =
            if ty == "element" || ty == "hidden" { name.parse().unwrap() } else { self.string(name) as u64 };
        self.edges[from].push((code, name, to));
    }

    pub fn json(&self) -> String {
        let quoted = |names: &[&str]| serde_json::to_string(names).unwrap();
        let edge_count: usize = self.edges.iter().map(Vec::len).sum();
        let mut out = format!(
            concat!(
                "{{\"snapshot\":{{\"meta\":{{\"node_fields\":[\"type\",\"name\",\"id\",\"self_size\",\"edge_count\",",
                "\"detachedness\"],\"node_types\":[{},\"string\",\"number\",\"number\",\"number\",\"number\"],",
                "\"edge_fields\":[\"type\",\"name_or_index\",\"to_node\"],\"edge_types\":[{},\"string_or_number\",",
                "\"node\"],\"location_fields\":[\"object_index\",\"script_id\",\"line\",\"column\"]}},",
                "\"node_count\":{},\"edge_count\":{}{}}},\n\"nodes\":["
            ),
            quoted(&NODE_TYPES),
            quoted(&EDGE_TYPES),
            self.nodes.len(),
            edge_count,
            self.header
        );
        for (i, ((ty, name, id, size), edges)) in self.nodes.iter().zip(&self.edges).enumerate() {
            let comma = if i == 0 { "" } else { "," };
            writeln!(out, "{comma}{ty},{name},{id},{size},{},0", edges.len()).unwrap();
        }
        out.push_str("],\n\"edges\":[");
        for (i, (ty, name, to)) in self.edges.iter().flatten().enumerate() {
            let comma = if i == 0 { "" } else { "," };
            writeln!(out, "{comma}{ty},{name},{}", to * 6).unwrap();
        }
        out.push_str(
            "],\n\"trace_function_infos\":[],\n\"trace_tree\":[],\n\"samples\":[],\n\"locations\":[",
        );
        for (i, (node, script, line, column)) in self.locations.iter().enumerate() {
            let comma = if i == 0 { "" } else { "," };
            write!(out, "{comma}{},{script},{line},{column}", node * 6).unwrap();
        }
        out.push_str("],\n\"strings\":[");
        let strings: Vec<String> = self.strings.iter().map(|s| serde_json::to_string(s).unwrap()).collect();
        out.push_str(&strings.join(",\n"));
        out.push_str("]}\n");
        out
    }

    pub fn snapshot(&self) -> Snapshot {
        read(self.json().into_bytes(), 0).unwrap()
    }
}

pub fn read(bytes: Vec<u8>, threads: usize) -> stillheap_analysis::Result<Snapshot> {
    stillheap_snapshot::read(std::io::Cursor::new(bytes), ReadOptions { threads, ..ReadOptions::default() })
        .map(Snapshot::new)
}

/// A small generator of numbers (xorshift), so that failures repeat.
pub struct Random(pub u64);

impl Random {
    pub fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % n.max(1)
    }
}

/// Every question once, to see that none panics.
pub fn ask_everything(snapshot: &Snapshot) {
    use stillheap_analysis::*;
    let page = Page::first(5);
    for model in [Model::Devtools, Model::Gc] {
        let a = snapshot.analysis(model);
        a.prepare();
        a.classes(None).sorted(ClassSort::Count, page);
        for filter in Filter::ALL {
            a.classes(Some(NodeFilter::Named(filter)));
        }
        a.native_contexts();
        a.class_tree(10);
        a.duplicate_strings(Sameness::Whole, DuplicateSort::Wasted, page);
        a.closures(page);
        a.samples();
        a.allocation_sites(SiteSort::Size, page);
        a.search("a", false, None, page);
        for row in a.classes(None).sorted(ClassSort::Count, page).items {
            a.instances(&row.key, NodeSort::Id, page).unwrap();
            a.merged_retainers(&row.key, page).unwrap();
        }
        let nodes = snapshot.node_count();
        for ordinal in (0..nodes).step_by((nodes as usize / 20).max(1)).map(NodeOrdinal) {
            a.inspect(ordinal, 100);
            a.children(ordinal, EdgeSort::RetainedSize, page);
            a.retainers(ordinal, page);
            a.paths(ordinal, 3, 10_000);
            a.dominator_chain(ordinal);
            a.dominated(ordinal, page);
            a.allocation_stack(ordinal);
        }
        compare(&a, &a, Matching::Auto);
        growth(&a, &a, Matching::Auto, GrowthSort::SelfSize, page);
        series(&[a, a]).sorted(SeriesSort::Steady, page);
    }
}
