//! Snapshots of real processes.

use serde_json::Value;
use stillheap_analysis::{Filter, MatchedBy, Matching, Model, compare};

use super::support::{expected, gunzip, open, oracle};
use super::{aggregates, diff, node_row, same, statistics};

fn check(name: &str) {
    let snapshot = open(name);
    let analysis = snapshot.analysis(Model::Devtools);
    analysis.prepare();
    let summary = expected(&format!("{name}.summary.json"));
    assert_eq!(snapshot.node_count(), summary["nodeCount"], "{name}");
    assert_eq!(analysis.statistics().total, summary["totalSize"], "{name}");
    assert_eq!(statistics(&analysis), summary["statistics"], "{name}");
    same(name, &aggregates(&analysis, None), &expected(&format!("{name}.aggregates.json")));
    let filters = expected(&format!("{name}.filters.json"));
    for filter in Filter::ALL {
        same(
            &format!("{name}: {}", filter.name()),
            &aggregates(&analysis, Some(filter)),
            &filters[filter.name()],
        );
    }
    let contexts = analysis.native_contexts();
    assert_eq!(contexts.shared_size, summary["nativeContexts"]["sharedSize"], "{name}");
    assert_eq!(contexts.no_attribution_size, summary["nativeContexts"]["noAttributionSize"], "{name}");

    let table = gunzip(&oracle().join(format!("expected/{name}.nodes.tsv.gz")));
    let text = String::from_utf8(table).unwrap();
    let mut rows = 0;
    for (ordinal, line) in text.lines().skip(1).enumerate() {
        let fields: Vec<&str> = line.splitn(9, '\t').collect();
        let quoted = |text: &str| -> String {
            serde_json::from_str(text).unwrap_or_else(|e| panic!("{name}: {line}: {e}"))
        };
        let number = |i: usize| fields[i].parse::<i64>().unwrap();
        let (id, ty, detached, size, retained, distance, dominator, class, text) =
            node_row(&analysis, ordinal as u32);
        let found = (
            id as i64,
            ty.as_str(),
            detached as i64,
            size as i64,
            retained as i64,
            distance as i64,
            dominator as i64,
        );
        let row = (number(0), fields[1], number(2), number(3), number(4), number(5), number(6));
        assert_eq!(found, row, "{name}: node {ordinal}");
        // Both are cut at 120 UTF-16 units there; the aggregates have the class names whole.
        let cut = |text: &str| String::from_utf16_lossy(&text.encode_utf16().take(120).collect::<Vec<_>>());
        assert_eq!(cut(&class), cut(&quoted(fields[7])), "{name}: class of node {ordinal}");
        let shown = cut(&quoted(fields[8]));
        if ty == "concatenated string" {
            assert_eq!(anonymous(&text), anonymous(&shown), "{name}: name of node {ordinal}");
        } else {
            assert_eq!(text, shown, "{name}: name of node {ordinal}");
        }
        rows += 1;
    }
    assert_eq!(rows, snapshot.node_count(), "{name}");
    queries(name, &analysis);
}

/// The oracle's texts have had some top directories renamed after the fact; where the parts of a concatenated
/// string make up the old name together, the snapshot still has it. Such short names are left out of the
/// comparison.
fn anonymous(text: &str) -> String {
    let short = |part: &str| (3..=4).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_lowercase());
    let parts: Vec<&str> = text.split('/').map(|part| if short(part) { "…" } else { part }).collect();
    parts.join("/")
}

/// Dominator chains, retainers, children, searches, id ranges.
fn queries(name: &str, analysis: &stillheap_analysis::Analysis<'_>) {
    use stillheap_analysis::{DuplicateSort, EdgeSort, NodeFilter, Page};
    let queries = expected(&format!("{name}.queries.json"));
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();

    let duplicates = analysis.duplicate_strings(DuplicateSort::RetainedSize, Page::ALL);
    assert_eq!(duplicates.total, queries["duplicateStringGroups"], "{name}");
    for (found, row) in duplicates.items.iter().zip(list(&queries["topDuplicateStrings"])) {
        assert_eq!(found.count, row["count"], "{name}: {}", row["value"]);
        assert_eq!(found.total_self_size, row["totalSelfSize"], "{name}: {}", row["value"]);
        assert_eq!(found.total_retained_size, row["totalRetainedSize"], "{name}: {}", row["value"]);
        assert!(
            anonymous(&found.value).starts_with(&anonymous(&text(&row["value"]))),
            "{name}: {}",
            row["value"]
        );
    }
    let samples = list(&queries["samples"]);
    assert!(!samples.is_empty(), "{name}");
    for sample in samples {
        let object = &sample["object"];
        let what = format!("{name}: @{}", object["id"]);
        let node = analysis.snapshot().node_by_id(object["id"].as_u64().unwrap()).unwrap();
        let detail = analysis.inspect(node, 1000);
        assert_eq!(detail.info.name, text(&object["name"]), "{what}");
        assert_eq!(detail.edge_count, object["edgeCount"], "{what}");
        assert_eq!(detail.retainer_count, object["retainerCount"], "{what}");
        let chain = analysis.dominator_chain(node);
        let rows = list(&sample["dominators"]);
        assert_eq!(chain.len(), rows.len(), "{what}");
        for (found, row) in chain.iter().zip(rows) {
            let found = serde_json::json!([found.id, found.name, found.self_size, found.retained_size]);
            assert_eq!(found, row, "{what}: dominators");
        }
        let retainers = analysis.retainers(node, Page::ALL);
        for (found, row) in retainers.items.iter().zip(list(&sample["retainersByDistance"])) {
            let found = serde_json::json!({"edge": found.name, "type": found.edge_type, "from": found.node.id,
                "fromName": found.node.name, "distance": found.node.distance});
            assert_eq!(found, row, "{what}: retainers");
        }
        let children = analysis.children(node, EdgeSort::Name, Page::ALL);
        for (found, row) in children.items.iter().zip(list(&sample["children"])) {
            let found = serde_json::json!({"edge": found.name, "type": found.edge_type, "to": found.node.id,
                "toName": found.node.name, "retained": found.node.retained_size});
            assert_eq!(found, row, "{what}: children");
        }
    }
    for (query, answer) in queries["search"].as_object().unwrap() {
        let found = analysis.search(query, false, None, Page::ALL);
        assert_eq!(found.total, answer["count"], "{name}: search {query}");
        for (found, id) in found.items.iter().zip(list(&answer["idsHead"])) {
            assert_eq!(found.id, id, "{name}: search {query}");
        }
    }
    let range = &queries["idRange"];
    let filter = NodeFilter::Ids(range["min"].as_u64().unwrap(), range["max"].as_u64().unwrap());
    let classes = analysis.classes(Some(filter));
    assert_eq!(classes.rows.len(), range["classes"], "{name}: classes of the id range");
    assert_eq!(classes.rows.iter().map(|r| r.count).sum::<u64>(), range["count"], "{name}");
    assert_eq!(classes.rows.iter().map(|r| r.shallow_size).sum::<u64>(), range["self"], "{name}");
}

fn check_diff(old: &str, new: &str, file: &str) {
    let (old, new) = (open(old), open(new));
    let comparison = compare(&old.analysis(Model::Devtools), &new.analysis(Model::Devtools), Matching::Auto);
    assert_eq!(comparison.matched_by, MatchedBy::Id, "{file}: {}", comparison.reason);
    let answer = expected(file);
    same(file, &diff(&comparison), &answer["diff"]);
    for row in &comparison.rows {
        let expected = &answer["diff"][&row.key];
        for (found, key) in [(&row.added_ids, "addedIdsHead"), (&row.removed_ids, "deletedIdsHead")] {
            let head: Vec<u64> =
                expected[key].as_array().unwrap().iter().map(|v| v.as_u64().unwrap()).collect();
            assert_eq!(found[..head.len()], head, "{file}: {}", row.key);
        }
    }
    let totals = comparison.totals();
    assert_eq!(totals.classes, answer["totals"]["classes"], "{file}");
    assert_eq!(totals.added_size, answer["totals"]["addedSize"], "{file}");
}

#[test]
fn node_20() {
    check("v20");
}

#[test]
fn node_22() {
    check("v22");
}

#[test]
fn node_24() {
    check("v24");
}

#[test]
fn node_26() {
    check("v26");
}

#[test]
fn numeric_values() {
    check("s5n");
}

#[test]
fn one_process() {
    check("s5");
    check("s5-after");
}

#[test]
fn internals_exposed() {
    check("s4-internals");
}

#[test]
fn comparisons() {
    check_diff("s5", "s5-after", "s5-diff.json");
    for version in [20, 22, 24, 26] {
        check_diff(&format!("v{version}"), &format!("v{version}-after"), &format!("v{version}-diff.json"));
    }
}

#[test]
fn ids_of_different_processes_are_not_matched() {
    let names = ["v20", "v22", "v24", "v26", "s5", "s5n"];
    for pair in names.windows(2) {
        let (old, new) = (open(pair[0]), open(pair[1]));
        let (by, reason) = stillheap_analysis::decide(&old, &new, Matching::Auto);
        assert_eq!(by, MatchedBy::Class, "{pair:?}: {reason}");
    }
}

#[test]
fn wrong_trace_function_count_is_read() {
    let path = oracle().join("snapshots/broken-trace-count.heaptimeline.gz");
    let snapshot =
        stillheap_snapshot::open(path, Default::default()).map(stillheap_analysis::Snapshot::new).unwrap();
    assert!(!snapshot.completeness().trace_function_count_matches);
    assert!(snapshot.completeness().is_whole());
    let analysis = snapshot.analysis(Model::Devtools);
    let sites = analysis.allocation_sites(Default::default(), stillheap_analysis::Page::first(5));
    assert!(sites.total > 0);
    assert!(sites.items.iter().any(|s| s.stack.iter().any(|f| f.position.is_some())), "{:?}", sites.items);
}
