//! The core alone behind the command line's two questions, for the benchmark while there is no command line:
//! `ask summary FILE …` and `ask diff OLD NEW …` print JSON of the same names.
#![forbid(unsafe_code)]

use std::error::Error;
use std::io::{Write, stdout};

use serde_json::json;
use stillheap_analysis::{ClassSort, DiffSort, Matching, Model, Page, Snapshot, compare};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let answer = match words.as_slice() {
        ["summary", file, ..] => {
            let snapshot = stillheap_snapshot::open(file, Default::default()).map(Snapshot::new)?;
            let analysis = snapshot.analysis(Model::Devtools);
            analysis.prepare();
            let statistics = analysis.statistics();
            json!({
                "totals": {
                    "nodes": snapshot.node_count(), "edges": snapshot.edge_count(), "totalSize": statistics.total,
                },
                "statistics": statistics,
                "classes": analysis.classes(None).sorted(ClassSort::RetainedSize, Page::ALL).items,
            })
        }
        ["diff", old, young, ..] => {
            let (old, young) = (
                stillheap_snapshot::open(old, Default::default()).map(Snapshot::new)?,
                stillheap_snapshot::open(young, Default::default()).map(Snapshot::new)?,
            );
            let (a, b) = (old.analysis(Model::Devtools), young.analysis(Model::Devtools));
            let rows = compare(&a, &b, Matching::Auto).sorted(DiffSort::SizeDelta, Page::ALL).items;
            json!({ "classes": rows })
        }
        _ => return Err("usage: ask summary FILE | ask diff OLD NEW".into()),
    };
    writeln!(stdout().lock(), "{answer}")?;
    // As a command line would: the operating system takes the memory back faster than we do.
    std::process::exit(0)
}
