//! Whether a file is whole.

use serde::Serialize;
use stillheap_analysis::{Completeness, Error, ErrorKind, Packing, Salvage};
use stillheap_index::Indexed;

use crate::failure::Failure;
use crate::opened::SCHEMA_VERSION;

/// Whether a file is whole, and if not, why.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Verification {
    schema_version: u32,
    pub file: String,
    /// Nothing is missing and nothing is wrong.
    pub whole: bool,
    /// What is missing or wrong; empty if nothing is.
    pub problems: Vec<String>,
    /// Byte of the (unpacked) file where the trouble starts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub position: Option<u64>,
    /// How it is packed: plain, gzip or zstd.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub packing: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nodes: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub edges: Option<u32>,
    /// What was checked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub completeness: Option<Completeness>,
    /// What a truncated file lacks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub salvage: Option<Salvage>,
    /// What stillheap noted when it wrote the file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub capture: Option<serde_json::Value>,
}

/// Judges what reading a file came to. Fails only if the file cannot be read at all.
pub fn verify(read: &Result<Indexed, Error>, file: &str) -> Result<Verification, Failure> {
    match read {
        Ok(snapshot) => Ok(of_snapshot(snapshot, file)),
        Err(error) if matches!(error.kind(), ErrorKind::Io | ErrorKind::OverLimit) => {
            Err(Failure::of_file(error, file))
        }
        Err(error) => Ok(Verification {
            schema_version: SCHEMA_VERSION,
            file: file.to_owned(),
            whole: false,
            problems: vec![match error.kind() {
                ErrorKind::NotASnapshot => format!("it is {error}"),
                _ => error.to_string(),
            }],
            position: error.position(),
            packing: None,
            nodes: None,
            edges: None,
            completeness: None,
            salvage: None,
            capture: None,
        }),
    }
}

fn of_snapshot(snapshot: &Indexed, file: &str) -> Verification {
    let completeness = snapshot.completeness();
    let salvage = snapshot.salvage();
    let mut problems = Vec::new();
    if let Some(s) = salvage {
        let of = s.nodes_expected.map_or_else(String::new, |n| format!(" of {n}"));
        problems.push(format!(
            "the file ends after {} bytes, inside \"{}\": {}{of} nodes and {} of {} edges were read{}",
            s.position,
            s.section,
            s.nodes_read,
            s.edges_read,
            s.edges_expected,
            if s.strings_missing > 0 {
                format!(", {} strings are lost", s.strings_missing)
            } else {
                String::new()
            },
        ));
    } else {
        if !completeness.closed {
            problems.push(format!("the end of the file is wrong, after {} bytes", completeness.bytes));
        }
        if !completeness.counts_match {
            problems.push("the numbers of nodes or edges differ from those in the header".to_owned());
        }
    }
    Verification {
        schema_version: SCHEMA_VERSION,
        file: file.to_owned(),
        whole: completeness.is_whole() && salvage.is_none(),
        position: (!problems.is_empty()).then_some(completeness.bytes),
        problems,
        packing: Some(packing_name(snapshot.packing())),
        nodes: Some(snapshot.node_count()),
        edges: Some(snapshot.edge_count()),
        completeness: Some(completeness.clone()),
        salvage: salvage.cloned(),
        capture: snapshot.header().stillheap().cloned(),
    }
}

fn packing_name(packing: Packing) -> &'static str {
    match packing {
        Packing::Plain => "plain",
        Packing::Gzip => "gzip",
        Packing::Zstd => "zstd",
    }
}
