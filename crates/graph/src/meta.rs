//! The header of a snapshot: `meta`, counts and whatever else the producer put there.
//!
//! Everything that follows is read by the positions found here, never by fixed offsets: V8 has moved fields
//! twice since Node 16, and other producers (Bun, Deno, Julia) choose their own. A few kilobytes per file.

use serde_json::{Map, Value};

use crate::error::{Error, ErrorKind, Result};
use crate::types::{TypeTable, edge, node};

/// Where the fields of a section are.
#[derive(Clone, Debug, Default)]
pub struct Fields {
    names: Vec<String>,
}

impl Fields {
    fn from(meta: &Map<String, Value>, key: &str) -> Fields {
        let list = meta.get(key).and_then(Value::as_array);
        Fields { names: list.into_iter().flatten().map(|v| v.as_str().unwrap_or("").to_owned()).collect() }
    }

    pub fn len(&self) -> usize {
        self.names.len()
    }

    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    pub fn position(&self, name: &str) -> Option<usize> {
        self.names.iter().position(|n| n == name)
    }

    fn require(&self, section: &str, name: &str, at: u64) -> Result<usize> {
        self.position(name).ok_or_else(|| {
            Error::malformed(
                at,
                format!("`meta.{section}` has no field `{name}`: expected one, found {:?}", self.names),
            )
        })
    }
}

/// Field positions of a node row.
#[derive(Clone, Debug)]
pub struct NodeLayout {
    pub width: usize,
    pub ty: usize,
    pub name: usize,
    pub id: usize,
    pub size: usize,
    pub edges: usize,
    pub trace: Option<usize>,
    pub detached: Option<usize>,
}

/// Field positions of an edge row.
#[derive(Clone, Debug)]
pub struct EdgeLayout {
    pub width: usize,
    pub ty: usize,
    pub name: usize,
    pub to: usize,
}

/// The header of a snapshot file.
#[derive(Clone, Debug)]
pub struct Header {
    pub raw: Map<String, Value>,
    pub nodes: NodeLayout,
    pub edges: EdgeLayout,
    pub locations: Fields,
    pub trace_functions: Fields,
    pub trace_nodes: Fields,
    pub samples: Fields,
    pub node_types: TypeTable,
    pub edge_types: TypeTable,
}

/// The header of a snapshot that is not read from a file: fields and types as V8 has them, and the rest.
#[derive(Clone, Debug, Default)]
pub struct HeaderSpec {
    /// Nodes in the snapshot.
    pub nodes: u64,
    pub edges: u64,
    /// Whether nodes have the field `trace_node_id`.
    pub trace_ids: bool,
    /// Further entries, such as `stillheap` or `extra_native_bytes`.
    pub entries: Map<String, Value>,
}

impl HeaderSpec {
    /// The header as V8 writes it: the object behind `"snapshot":`, `meta` first.
    pub fn json(&self) -> String {
        let list =
            |names: &[&str]| names.iter().map(|name| format!("\"{name}\"")).collect::<Vec<_>>().join(",");
        let trace = if self.trace_ids { "\"trace_node_id\"," } else { "" };
        let trace_type = if self.trace_ids { "\"number\"," } else { "" };
        let (node_types, edge_types) = (list(&node::NAMES), list(&edge::NAMES[..edge::INVISIBLE as usize]));
        let (nodes, edges) = (self.nodes, self.edges);
        let mut json = format!(
            "{{\"meta\":{{\
             \"node_fields\":[\"type\",\"name\",\"id\",\"self_size\",\"edge_count\",{trace}\"detachedness\"],\
             \"node_types\":[[{node_types}],\"string\",\"number\",\"number\",\"number\",{trace_type}\"number\"],\
             \"edge_fields\":[\"type\",\"name_or_index\",\"to_node\"],\
             \"edge_types\":[[{edge_types}],\"string_or_number\",\"node\"],\
             \"trace_function_info_fields\":\
             [\"function_id\",\"name\",\"script_name\",\"script_id\",\"line\",\"column\"],\
             \"trace_node_fields\":[\"id\",\"function_info_index\",\"count\",\"size\",\"children\"],\
             \"sample_fields\":[\"timestamp_us\",\"last_assigned_id\"],\
             \"location_fields\":[\"object_index\",\"script_id\",\"line\",\"column\"]}},\
             \"node_count\":{nodes},\"edge_count\":{edges},\"trace_function_count\":0"
        );
        for (key, value) in &self.entries {
            json.push_str(&format!(",{}:{value}", Value::from(key.as_str())));
        }
        json.push('}');
        json
    }
}

impl Header {
    /// `at` is the byte position of the header's `{`, for messages.
    pub fn parse(json: &[u8], at: u64) -> Result<Header> {
        let value: Value = serde_json::from_slice(json).map_err(|e| {
            // The parser names line and column; the column is the byte when the header is one line, as V8 writes it.
            let inside = if e.line() <= 1 { e.column() as u64 } else { 0 };
            Error::malformed(at + inside, format!("the header `snapshot` is not valid JSON: {e}"))
        })?;
        let Value::Object(raw) = value else {
            return Err(Error::malformed(at, "expected an object after \"snapshot\""));
        };
        let Some(meta) = raw.get("meta").and_then(Value::as_object) else {
            return Err(Error::new(
                ErrorKind::NotASnapshot,
                Some(at),
                "the header has no `meta` object, so the fields of nodes and edges are unknown",
            ));
        };
        let node_fields = Fields::from(meta, "node_fields");
        let edge_fields = Fields::from(meta, "edge_fields");
        let nodes = NodeLayout {
            width: node_fields.len(),
            ty: node_fields.require("node_fields", "type", at)?,
            name: node_fields.require("node_fields", "name", at)?,
            id: node_fields.require("node_fields", "id", at)?,
            size: node_fields.require("node_fields", "self_size", at)?,
            edges: node_fields.require("node_fields", "edge_count", at)?,
            trace: node_fields.position("trace_node_id"),
            detached: node_fields.position("detachedness"),
        };
        let edges = EdgeLayout {
            width: edge_fields.len(),
            ty: edge_fields.require("edge_fields", "type", at)?,
            name: edge_fields.require("edge_fields", "name_or_index", at)?,
            to: edge_fields.require("edge_fields", "to_node", at)?,
        };
        if nodes.width > 64 || edges.width > 64 {
            return Err(Error::malformed(at, "more than 64 fields per node or edge"));
        }
        let types = |key: &str, position: usize| -> Vec<String> {
            let list = meta
                .get(key)
                .and_then(Value::as_array)
                .and_then(|l| l.get(position))
                .and_then(Value::as_array);
            list.into_iter().flatten().map(|v| v.as_str().unwrap_or("").to_owned()).collect()
        };
        Ok(Header {
            node_types: TypeTable::new(&types("node_types", nodes.ty), &node::NAMES, &[]),
            edge_types: TypeTable::new(&types("edge_types", edges.ty), &edge::NAMES, &["invisible"]),
            nodes,
            edges,
            locations: Fields::from(meta, "location_fields"),
            trace_functions: Fields::from(meta, "trace_function_info_fields"),
            trace_nodes: Fields::from(meta, "trace_node_fields"),
            samples: Fields::from(meta, "sample_fields"),
            raw,
        })
    }

    /// The whole header as JSON, unknown fields included.
    pub fn json(&self) -> &Map<String, Value> {
        &self.raw
    }

    /// What the capturing side of this project says about the process, if it wrote the file.
    pub fn stillheap(&self) -> Option<&Value> {
        self.raw.get("stillheap")
    }

    fn count(&self, key: &str) -> Option<u64> {
        self.raw.get(key).and_then(Value::as_u64)
    }

    /// `node_count` as the producer wrote it; not to be trusted, see [`crate::Completeness`].
    pub fn node_count(&self) -> Option<u64> {
        self.count("node_count")
    }

    /// `edge_count` as the producer wrote it.
    pub fn edge_count(&self) -> Option<u64> {
        self.count("edge_count")
    }

    /// Bytes outside the V8 heap that V8 24+ adds to the total.
    pub fn extra_native_bytes(&self) -> u64 {
        let value = self.raw.get("extra_native_bytes");
        value.and_then(|v| v.as_u64().or_else(|| v.as_f64().map(|f| f as u64))).unwrap_or(0)
    }

    /// The root's node index (a flat offset), 0 in all V8 files.
    pub fn root_index(&self) -> u64 {
        self.count("root_index").unwrap_or(0)
    }
}
