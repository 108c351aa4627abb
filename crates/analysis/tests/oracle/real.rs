//! Snapshots of real processes.

use serde_json::{Value, json};
use stillheap_analysis::{
    Analysis, DuplicateSort, EdgeSort, MatchedBy, Matching, Model, NodeFilter, Page, Sameness, Snapshot,
    compare,
};
use stillheap_testing::devtools::{self, RawNodes};

use super::{difference, numbers, same};

fn open(name: &str) -> Snapshot {
    stillheap_snapshot::open(devtools::path(name), Default::default()).map(Snapshot::new).unwrap()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().unwrap_or_else(|| panic!("no list: {value}"))
}

/// Dominator chains, retainers, children, searches, id ranges.
fn questions(name: &str, analysis: &Analysis<'_>, answers: &Value) {
    let duplicates = analysis.duplicate_strings(Sameness::Shown, DuplicateSort::RetainedSize, Page::ALL);
    assert_eq!(duplicates.total, answers["duplicates"]["groups"], "{name}");
    for (found, row) in duplicates.items.iter().zip(list(&answers["duplicates"]["top"])) {
        let found = json!({"value": found.value, "count": found.count, "totalSelfSize": found.total_self_size,
            "totalRetainedSize": found.total_retained_size});
        assert_eq!(found, *row, "{name}");
    }
    let samples = list(&answers["samples"]);
    assert!(samples.len() >= 20, "{name}");
    for sample in samples {
        sample_of(&format!("{name}: @{}", sample["id"]), analysis, sample);
    }
    for (query, answer) in answers["search"].as_object().unwrap() {
        let found = analysis.search(query, false, None, Page::ALL);
        assert_eq!(found.total, answer["count"], "{name}: search {query}");
        for (found, id) in found.items.iter().zip(list(&answer["first"])) {
            assert_eq!(found.id, *id, "{name}: search {query}");
        }
    }
    let range = &answers["idRange"];
    let filter = NodeFilter::Ids(range["min"].as_u64().unwrap(), range["max"].as_u64().unwrap());
    let table = analysis.classes(Some(filter));
    let rows = &table.rows;
    assert_eq!(rows.len(), range["classes"], "{name}: classes of the id range");
    assert_eq!(rows.iter().map(|r| r.count).sum::<u64>(), range["count"], "{name}");
    assert_eq!(rows.iter().map(|r| r.shallow_size).sum::<u64>(), range["shallow"], "{name}");
}

fn sample_of(what: &str, analysis: &Analysis<'_>, sample: &Value) {
    let node = analysis.snapshot().node_by_id(sample["id"].as_u64().unwrap()).unwrap();
    let detail = analysis.inspect(node, 1000);
    assert_eq!(detail.info.name, *sample["name"].as_str().unwrap(), "{what}");
    assert_eq!(detail.edge_count, sample["edgeCount"], "{what}");
    assert_eq!(detail.retainer_count, sample["retainerCount"], "{what}");
    let chain = analysis.dominator_chain(node);
    let chain: Vec<Value> =
        chain.iter().map(|n| json!([n.id, n.name, n.self_size, n.retained_size])).collect();
    assert_eq!(chain, *list(&sample["dominators"]), "{what}: dominators");
    // DevTools' second key is its own matter: within a distance, any order is right.
    let order = |rows: &mut Vec<Value>| rows.sort_by_key(|row| (row["distance"].as_i64(), row.to_string()));
    let found = analysis.retainers(node, Page::ALL).items;
    assert!(found.is_sorted_by_key(|r| r.node.distance), "{what}: retainers");
    let mut found: Vec<Value> = found
        .iter()
        .map(|r| {
            json!({"edge": r.name, "type": r.edge_type, "from": r.node.id,
                "fromName": r.node.name, "distance": r.node.distance})
        })
        .collect();
    let mut rows = list(&sample["retainers"]).to_vec();
    if sample["retainerCount"].as_u64().unwrap() <= rows.len() as u64 {
        order(&mut found);
        order(&mut rows);
        assert_eq!(found, rows, "{what}: retainers");
    }
    let children = analysis.children(node, EdgeSort::Name, Page::ALL);
    let rows = list(&sample["children"]);
    assert!(children.items.len() >= rows.len(), "{what}: children");
    for (found, row) in children.items.iter().zip(rows) {
        let found = json!({"edge": found.name, "type": found.edge_type, "to": found.node.id,
            "toName": found.node.name, "retained": found.node.retained_size});
        assert_eq!(found, *row, "{what}: children");
    }
}

fn check(name: &str) {
    let answers = devtools::answers(name);
    let snapshot = open(name);
    let analysis = snapshot.analysis(Model::Devtools);
    analysis.prepare();
    numbers(name, &analysis, &RawNodes::read(&devtools::text(name)), &answers);
    questions(name, &analysis, &answers);
    if let Some(answer) = answers.get("difference") {
        let older = open(answer["base"].as_str().unwrap());
        let comparison = compare(&older.analysis(Model::Devtools), &analysis, Matching::Auto);
        assert_eq!(comparison.matched_by, MatchedBy::Id, "{name}: {}", comparison.reason);
        same(&format!("{name}: difference"), &difference(&comparison), &answer["classes"]);
    }
}

#[test]
fn real_snapshots_equal_devtools() {
    let names = devtools::names();
    assert!(!names.is_empty());
    std::thread::scope(|scope| names.iter().for_each(|name| drop(scope.spawn(|| check(name)))));
}

#[test]
fn ids_of_different_processes_are_not_matched() {
    let mut names = devtools::names();
    names.retain(|name| !name.ends_with("-after"));
    assert!(names.len() > 1);
    for pair in names.windows(2) {
        let (old, new) = (open(&pair[0]), open(&pair[1]));
        let (by, reason) = stillheap_analysis::decide(&old, &new, Matching::Auto);
        assert_eq!(by, MatchedBy::Class, "{pair:?}: {reason}");
    }
}

#[test]
fn wrong_trace_function_count_is_read() {
    let snapshot = open("node24-timeline");
    assert!(!snapshot.completeness().trace_function_count_matches);
    assert!(snapshot.completeness().is_whole());
    let analysis = snapshot.analysis(Model::Devtools);
    let sites = analysis.allocation_sites(Default::default(), Page::first(5));
    assert!(sites.total > 0);
    assert!(sites.items.iter().any(|s| s.stack.iter().any(|f| f.position.is_some())), "{:?}", sites.items);
}
