//! Random graphs and what the core says about them, for comparison with another implementation:
//! `answers FOLDER FROM TO [--hostile]` writes SEED.heapsnapshot, SEED-after.heapsnapshot and SEED.json for each seed.
//! `fuzz/against-devtools.mjs` reads them.
#![forbid(unsafe_code)]

use std::error::Error;
use std::fs;
use std::path::Path;

use serde_json::{Map, Value, json};
use stillheap_analysis::{Analysis, Matching, Model, NodeOrdinal, Snapshot, compare};
use stillheap_synth::{RandomOptions, random_pair};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [folder, from, to, options @ ..] = arguments.as_slice() else {
        return Err("usage: answers FOLDER FROM TO [--hostile]".into());
    };
    let options = RandomOptions { hostile: !options.is_empty(), max_nodes: 150, ..RandomOptions::default() };
    fs::create_dir_all(folder)?;
    for seed in from.parse::<u64>()?..to.parse()? {
        let (old, young) = random_pair(seed, &options);
        let files = [format!("{seed}.heapsnapshot"), format!("{seed}-after.heapsnapshot")];
        let [old, young] =
            [(&old, &files[0]), (&young, &files[1])].map(|(graph, name)| -> Result<_, Box<dyn Error>> {
                let path = Path::new(folder).join(name);
                fs::write(&path, graph.to_json())?;
                Ok(stillheap_snapshot::open(path, Default::default()).map(Snapshot::new)?)
            });
        let (old, young) = (old?, young?);
        let (a, b) = (old.analysis(Model::Devtools), young.analysis(Model::Devtools));
        let rows = compare(&a, &b, Matching::Id).rows;
        let diff: Map<String, Value> = rows
            .into_iter()
            .map(|d| (d.key, json!([d.added_count, d.removed_count, d.added_size, d.removed_size])))
            .collect();
        let answer = json!({ "old": answers(&a), "young": answers(&b), "diff": diff });
        fs::write(Path::new(folder).join(format!("{seed}.json")), answer.to_string())?;
    }
    Ok(())
}

fn answers(analysis: &Analysis<'_>) -> Value {
    let classes: Map<String, Value> = analysis
        .classes(None)
        .rows
        .iter()
        .map(|r| (r.key.clone(), json!([r.name, r.count, r.distance, r.shallow_size, r.retained_size])))
        .collect();
    let nodes: Vec<Value> = (0..analysis.snapshot().node_count())
        .map(NodeOrdinal)
        .map(|n| {
            json!([
                analysis.self_size(n),
                analysis.retained_size(n),
                analysis.distance(n),
                analysis.dominator(n).0,
                analysis.class_name(n),
            ])
        })
        .collect();
    json!({ "classes": classes, "nodes": nodes, "statistics": analysis.statistics() })
}
