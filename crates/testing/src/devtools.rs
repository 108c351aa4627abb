//! Chrome DevTools' answers about snapshots of real processes and random graphs, and what the files themselves say.
//!
//! `fixtures/devtools/README.md` says where the data come from; `scripts/devtools/make.mjs` makes more.

use std::io::Read;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::Value;

/// Another folder of snapshots and answers, instead of the fixtures.
pub const VARIABLE: &str = "STILLHEAP_DEVTOOLS";

/// The folder with snapshots and answers.
pub fn folder() -> PathBuf {
    std::env::var_os(VARIABLE)
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fixtures/devtools"), PathBuf::from)
}

/// Names of the snapshots that have answers, sorted.
pub fn names() -> Vec<String> {
    let folder = folder();
    let entries = std::fs::read_dir(&folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    let mut names: Vec<String> = entries
        .filter_map(|entry| {
            entry.unwrap().file_name().to_str()?.strip_suffix(".answers.json.zst").map(str::to_owned)
        })
        .collect();
    names.sort();
    names
}

/// The file of a snapshot by its name, compressed or not.
pub fn path(name: &str) -> PathBuf {
    let folder = folder();
    let kinds = ["heapsnapshot.zst", "heapsnapshot.gz", "heapsnapshot", "heaptimeline.zst"];
    kinds
        .into_iter()
        .map(|kind| folder.join(format!("{name}.{kind}")))
        .find(|path| path.exists())
        .unwrap_or_else(|| panic!("there is no snapshot {name} in {}", folder.display()))
}

/// The bytes of a file, decompressed.
pub fn unpack(path: &Path) -> Vec<u8> {
    let read = || -> std::io::Result<Vec<u8>> {
        let packed = std::fs::read(path)?;
        match path.extension().and_then(|extension| extension.to_str()) {
            Some("zst") => zstd::stream::decode_all(packed.as_slice()),
            Some("gz") => {
                let mut out = Vec::new();
                flate2::read::GzDecoder::new(packed.as_slice()).read_to_end(&mut out)?;
                Ok(out)
            }
            _ => Ok(packed),
        }
    };
    read().unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// A snapshot's text.
pub fn text(name: &str) -> Vec<u8> {
    unpack(&path(name))
}

/// DevTools' answers about a snapshot.
pub fn answers(name: &str) -> Value {
    let path = folder().join(format!("{name}.answers.json.zst"));
    serde_json::from_slice(&unpack(&path)).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// A random graph.
#[derive(Deserialize)]
pub struct Graph {
    /// Its name; the answers to other graphs refer to it.
    pub name: String,
    /// The text of its snapshot.
    #[serde(rename = "graph")]
    pub text: String,
    /// What DevTools says, or `{"error": …}` where DevTools itself fails.
    pub answers: Value,
}

/// The random graphs, of 8 to 400 nodes.
pub fn graphs() -> Vec<Graph> {
    let lines = String::from_utf8(unpack(&folder().join("graphs.ndjson.zst"))).unwrap();
    lines.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"))).collect()
}

/// What a snapshot file itself says about its nodes, read by a JSON parser that knows nothing of snapshots.
pub struct RawNodes {
    fields: Vec<String>,
    types: Vec<String>,
    values: Vec<u64>,
    strings: Vec<String>,
}

impl RawNodes {
    /// Reads the text of a snapshot.
    pub fn read(text: &[u8]) -> RawNodes {
        #[derive(Deserialize)]
        struct File {
            snapshot: Header,
            nodes: Vec<u64>,
            strings: Vec<String>,
        }
        #[derive(Deserialize)]
        struct Header {
            meta: Meta,
        }
        #[derive(Deserialize)]
        struct Meta {
            node_fields: Vec<String>,
            node_types: Vec<Value>,
        }
        let File { snapshot: Header { meta }, nodes, strings } = serde_json::from_slice(text).unwrap();
        let types = serde_json::from_value(meta.node_types[0].clone()).unwrap();
        RawNodes { fields: meta.node_fields, types, values: nodes, strings }
    }

    /// How many nodes there are.
    pub fn len(&self) -> usize {
        self.values.len() / self.fields.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    fn value(&self, ordinal: usize, field: &str) -> u64 {
        let at = self.fields.iter().position(|name| name == field).unwrap();
        self.values[ordinal * self.fields.len() + at]
    }

    /// A node's id.
    pub fn id(&self, ordinal: usize) -> u64 {
        self.value(ordinal, "id")
    }

    /// A node's type.
    pub fn node_type(&self, ordinal: usize) -> &str {
        &self.types[self.value(ordinal, "type") as usize]
    }

    /// The string that stands for a node's name in the file.
    pub fn name(&self, ordinal: usize) -> &str {
        &self.strings[self.value(ordinal, "name") as usize]
    }
}
