//! The 150 random graphs.

use std::collections::BTreeMap;

use serde_json::Value;
use stillheap_analysis::{Filter, Matching, Model, Snapshot, compare};

use super::support::{fuzz_files, parse};
use super::{aggregates, diff, node_row, same, statistics};

#[test]
fn random_graphs_equal_devtools() {
    let files: BTreeMap<String, Vec<u8>> = fuzz_files().into_iter().collect();
    let mut graphs: BTreeMap<String, Snapshot> = BTreeMap::new();
    for (name, bytes) in files.iter().filter(|(name, _)| name.ends_with(".heapsnapshot")) {
        graphs.insert(name.clone(), parse(bytes.clone()).unwrap_or_else(|e| panic!("{name}: {e}")));
    }
    assert!(graphs.len() >= 150, "only {} graphs", graphs.len());
    let mut checked = 0;
    for (name, snapshot) in &graphs {
        let answer: Value = serde_json::from_slice(&files[&name.replace(".heapsnapshot", ".json")]).unwrap();
        let analysis = snapshot.analysis(Model::Devtools);
        if answer.get("error").is_some() {
            // DevTools itself throws on this one; we must merely survive it.
            analysis.prepare();
            continue;
        }
        checked += 1;
        let nodes = answer["nodes"].as_array().unwrap();
        assert_eq!(nodes.len(), snapshot.node_count() as usize, "{name}");
        for (ordinal, row) in nodes.iter().enumerate() {
            let (id, _, detached, size, retained, distance, dominator, class, text) =
                node_row(&analysis, ordinal as u32);
            let mut found =
                serde_json::json!([id, size, retained, distance, dominator, class, text, detached]);
            let mut row = row.clone();
            for v in [&mut found, &mut row] {
                // Some generators keep the whole name; compare what both have.
                let cut: Vec<u16> = v[6].as_str().unwrap().encode_utf16().take(120).collect();
                v[6] = String::from_utf16_lossy(&cut).into();
            }
            assert_eq!(found, row, "{name}: node {ordinal}");
        }
        assert_eq!(statistics(&analysis), answer["statistics"], "{name}");
        same(name, &aggregates(&analysis, None), &answer["aggregates"]);
        for filter in Filter::ALL {
            let what = format!("{name}: {}", filter.name());
            same(&what, &aggregates(&analysis, Some(filter)), &answer["filters"][filter.name()]);
        }
        let contexts = analysis.native_contexts();
        let expected = &answer["nativeContexts"];
        assert_eq!(contexts.shared_size, expected["sharedSize"], "{name}");
        assert_eq!(contexts.no_attribution_size, expected["noAttributionSize"], "{name}");
        for (found, expected) in contexts.contexts.iter().zip(expected["nativeContexts"].as_array().unwrap())
        {
            assert_eq!(found.node.id, expected["nodeId"], "{name}");
            assert_eq!(found.attributed_size, expected["attributedSize"], "{name}");
        }
        if let Some(old) = answer["diffBase"].as_str().and_then(|base| graphs.get(base)) {
            let comparison = compare(&old.analysis(Model::Devtools), &analysis, Matching::Id);
            same(&format!("{name}: diff"), &diff(&comparison), &answer["diff"]);
        }
    }
    assert!(checked >= 149, "only {checked} graphs checked");
}
