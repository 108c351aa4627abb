//! Names of scripts, from the functions tracked with allocations and from closures.

use foldhash::{HashMap, HashMapExt};
use serde::Serialize;
use stillheap_graph::types::node;
use stillheap_graph::{Graph, Header};

use super::duplicates;

/// A function that allocated.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TraceFunction {
    /// Function name, empty for an anonymous one.
    pub name: String,
    /// Script's name or URL, empty if it has none.
    pub script_name: String,
    /// V8's script id.
    pub script_id: i64,
    /// Line, zero-based as in the file; -1 if unknown.
    pub line: i64,
    /// Column, zero-based as in the file; -1 if unknown.
    pub column: i64,
}

/// The `trace_function_infos` section, whatever count the header claims.
pub(crate) fn functions(graph: &Graph, header: &Header) -> Vec<TraceFunction> {
    let fields = &header.trace_functions;
    let place = |name| fields.position(name);
    let (Some(name), Some(script), Some(script_id), Some(line), Some(column)) =
        (place("name"), place("script_name"), place("script_id"), place("line"), place("column"))
    else {
        return Vec::new();
    };
    let text = |index: i64| {
        u32::try_from(index).map_or_else(|_| String::new(), |i| graph.strings.text(i).into_owned())
    };
    let rows = graph.raw_functions.chunks_exact(fields.len());
    rows.map(|row| TraceFunction {
        name: text(row[name]),
        script_name: text(row[script]),
        script_id: row[script_id],
        line: row[line],
        column: row[column],
    })
    .collect()
}

/// Script id → name, from what the file has.
pub(crate) fn collect(graph: &Graph, header: &Header) -> HashMap<i64, String> {
    let mut scripts = HashMap::new();
    for function in functions(graph, header) {
        if !function.script_name.is_empty() {
            scripts.entry(function.script_id).or_insert(function.script_name);
        }
    }
    for (row, &closure) in graph.location_nodes.iter().enumerate() {
        let Some(location) = graph.locations.get(row) else { break };
        if graph.node_type[closure as usize] != node::CLOSURE || scripts.contains_key(&location.script_id) {
            continue;
        }
        let target = |n: u32, name: &[u8]| duplicates::internal_target(graph, n, name);
        let Some(shared) = target(closure, b"shared") else { continue };
        // Node 20 and older call the field differently.
        let Some(script) = target(shared, b"script").or_else(|| target(shared, b"script_or_debug_info"))
        else {
            continue;
        };
        let name = graph.name_bytes(script);
        if !name.is_empty() && !name.starts_with(b"system / ") {
            scripts.insert(location.script_id, String::from_utf8_lossy(name).into_owned());
        }
    }
    scripts
}
