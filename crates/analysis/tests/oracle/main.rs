//! DevTools' own answers, value by value.

mod fuzz;
mod real;
mod support;

use std::collections::BTreeMap;

use serde_json::{Value, json};
use stillheap_analysis::{Analysis, Comparison, Filter, NodeFilter, NodeOrdinal};

/// The classes in the oracle's form.
fn aggregates(analysis: &Analysis<'_>, filter: Option<Filter>) -> BTreeMap<String, Value> {
    let table = analysis.classes(filter.map(NodeFilter::Named));
    let rows = table.rows.iter().map(|r| {
        let value = json!({"name": r.name, "count": r.count, "distance": r.distance, "shallow": r.shallow_size,
            "retained": r.retained_size});
        (r.key.clone(), value)
    });
    rows.collect()
}

fn diff(comparison: &Comparison) -> BTreeMap<String, Value> {
    let rows = comparison.rows.iter().map(|r| {
        let value = json!({"name": r.name, "addedCount": r.added_count, "removedCount": r.removed_count,
            "countDelta": r.count_delta, "addedSize": r.added_size, "removedSize": r.removed_size,
            "sizeDelta": r.size_delta});
        (r.key.clone(), value)
    });
    rows.collect()
}

/// Fails with the first difference instead of two walls of text.
fn same(what: &str, found: &BTreeMap<String, Value>, expected: &Value) {
    let expected: BTreeMap<String, Value> =
        expected.as_object().unwrap().iter().map(|(k, v)| (k.clone(), v.clone())).collect();
    for (key, value) in &expected {
        let value = without(value, &["addedIdsHead", "deletedIdsHead"]);
        assert_eq!(found.get(key), Some(&value), "{what}: class `{key}`");
    }
    if let Some(extra) = found.keys().find(|k| !expected.contains_key(*k)) {
        panic!("{what}: class `{extra}` is not in the oracle: {}", found[extra]);
    }
}

fn without(value: &Value, keys: &[&str]) -> Value {
    let mut value = value.clone();
    if let Some(object) = value.as_object_mut() {
        keys.iter().for_each(|k| drop(object.remove(*k)));
    }
    value
}

fn statistics(analysis: &Analysis<'_>) -> Value {
    serde_json::to_value(analysis.statistics()).unwrap()
}

/// id, type, detached, self, retained, distance, dominator's id, class, name cut at 120 UTF-16 units.
fn node_row(analysis: &Analysis<'_>, ordinal: u32) -> (u64, String, u8, u64, u64, i32, u64, String, String) {
    let node = NodeOrdinal(ordinal);
    let info = analysis.node(node);
    let units: Vec<u16> = info.name.encode_utf16().take(120).collect();
    let name = String::from_utf16_lossy(&units);
    let dominator = analysis.id(analysis.dominator(node));
    let (size, retained) = (info.self_size, info.retained_size);
    (
        info.id,
        info.node_type,
        info.detachedness,
        size,
        retained,
        info.distance,
        dominator,
        info.class_name,
        name,
    )
}
