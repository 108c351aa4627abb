//! DevTools' own answers, value by value.

mod graphs;
mod real;

use std::collections::BTreeMap;

use serde_json::{Value, json};
use stillheap_analysis::{Analysis, Comparison, Filter, NodeFilter, NodeOrdinal};
use stillheap_testing::devtools::RawNodes;

/// The classes in the answers' form.
fn classes(analysis: &Analysis<'_>, filter: Option<Filter>) -> BTreeMap<String, Value> {
    let table = analysis.classes(filter.map(NodeFilter::Named));
    let rows = table.rows.iter().map(|r| {
        let value = json!({"name": r.name, "count": r.count, "distance": r.distance, "shallow": r.shallow_size,
            "retained": r.retained_size});
        (r.key.clone(), value)
    });
    rows.collect()
}

/// The rows of a comparison in the answers' form, with as many ids as those have.
fn difference(comparison: &Comparison) -> BTreeMap<String, Value> {
    let head = |ids: &[u64]| ids.iter().copied().take(5).collect::<Vec<_>>();
    let rows = comparison.rows.iter().map(|r| {
        let value = json!({"name": r.name, "addedCount": r.added_count, "removedCount": r.removed_count,
            "countDelta": r.count_delta, "addedSize": r.added_size, "removedSize": r.removed_size,
            "sizeDelta": r.size_delta, "addedIds": head(&r.added_ids), "removedIds": head(&r.removed_ids)});
        (r.key.clone(), value)
    });
    rows.collect()
}

/// Fails with the first difference instead of two walls of text.
fn same(what: &str, found: &BTreeMap<String, Value>, expected: &Value) {
    let expected = expected.as_object().unwrap_or_else(|| panic!("{what}: there is no answer"));
    for (key, value) in expected {
        assert_eq!(found.get(key), Some(value), "{what}: class `{key}`");
    }
    if let Some(extra) = found.keys().find(|key| !expected.contains_key(*key)) {
        panic!("{what}: DevTools has no class `{extra}`: {}", found[extra]);
    }
}

/// Totals, statistics, classes, filters, native contexts, and every node's values.
fn numbers(what: &str, analysis: &Analysis<'_>, raw: &RawNodes, answers: &Value) {
    let snapshot = analysis.snapshot();
    assert_eq!(snapshot.node_count(), answers["nodeCount"], "{what}");
    assert_eq!(analysis.statistics().total, answers["totalSize"], "{what}");
    let statistics = serde_json::to_value(analysis.statistics()).unwrap();
    assert_eq!(statistics, answers["statistics"], "{what}");
    same(what, &classes(analysis, None), &answers["classes"]);
    for filter in Filter::ALL {
        let name = filter.name();
        same(&format!("{what}: {name}"), &classes(analysis, Some(filter)), &answers["filters"][name]);
    }
    let contexts = analysis.native_contexts();
    let found = json!({
        "sharedSize": contexts.shared_size,
        "noAttributionSize": contexts.no_attribution_size,
        "contexts": contexts.contexts.iter()
            .map(|c| json!({"nodeId": c.node.id, "attributedSize": c.attributed_size})).collect::<Vec<_>>(),
    });
    assert_eq!(found, answers["nativeContexts"], "{what}: native contexts");
    nodes(what, analysis, raw, &answers["nodes"]);
}

fn nodes(what: &str, analysis: &Analysis<'_>, raw: &RawNodes, expected: &Value) {
    let column = |name: &str| expected[name].as_array().unwrap_or_else(|| panic!("{what}: no {name}"));
    let names = ["detachedness", "selfSize", "retainedSize", "distance", "dominator"];
    let columns = names.map(column);
    let (class_of, class_names) = (column("class"), column("classNames"));
    assert_eq!(class_of.len(), raw.len(), "{what}");
    for ordinal in 0..raw.len() {
        let node = NodeOrdinal(ordinal as u32);
        let info = analysis.node(node);
        let found: [i64; 5] = [
            info.detachedness.into(),
            info.self_size as i64,
            info.retained_size as i64,
            info.distance.into(),
            analysis.dominator(node).0.into(),
        ];
        for ((name, found), column) in names.iter().zip(found).zip(columns) {
            assert_eq!(found, column[ordinal], "{what}: {name} of node {ordinal}");
        }
        assert_eq!(info.id, raw.id(ordinal), "{what}: id of node {ordinal}");
        assert_eq!(info.node_type, raw.node_type(ordinal), "{what}: type of node {ordinal}");
        let class = &class_names[class_of[ordinal].as_u64().unwrap() as usize];
        assert_eq!(info.class_name, *class, "{what}: class of node {ordinal}");
        let name = expected["names"].get(ordinal.to_string());
        let name = name.map_or_else(|| raw.name(ordinal), |name| name.as_str().unwrap());
        assert_eq!(info.name, name, "{what}: name of node {ordinal}");
    }
}
