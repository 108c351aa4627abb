//! memwatch's comparison of two snapshots: counts, sizes, and what changed in each class.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Serialize;
use stillheap_analysis::{DiffRow, DiffSort, MatchedBy, Matching, Model, Page, Snapshot, compare};
use stillheap_questions::Failure;
use stillheap_snapshot::ReadOptions;

/// Classes that are given with their whole names.
const CLASSES: usize = 50;

#[derive(Serialize)]
struct Picture {
    nodes: u64,
    size_bytes: u64,
}

/// One kind of things, as memwatch calls it.
#[derive(Default, Serialize)]
struct Detail {
    what: String,
    size_bytes: i64,
    #[serde(rename = "+")]
    added: u64,
    #[serde(rename = "-")]
    removed: u64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Class {
    class: String,
    size_delta: i64,
    count_delta: i64,
    count: u64,
    size: u64,
}

#[derive(Serialize)]
struct Diff {
    before: Picture,
    after: Picture,
    freed_nodes: u64,
    allocated_nodes: u64,
    details: Vec<Detail>,
    #[serde(rename = "matchedBy")]
    matched_by: &'static str,
    classes: Vec<Class>,
}

/// What memwatch would call the objects of a class of DevTools'.
fn what(class: &str) -> &str {
    match class {
        "(string)" | "(concatenated string)" | "(sliced string)" => "String",
        "(array)" => "Array",
        "(compiled code)" => "Code",
        "Function" | "(closure)" => "Closure",
        "(regexp)" => "RegExp",
        "(number)" => "Number",
        // Plain objects are told apart by their properties here, and were not there.
        shape if shape.starts_with('{') => "Object",
        other => other,
    }
}

fn details(rows: &[DiffRow]) -> Vec<Detail> {
    let mut by_name: BTreeMap<&str, Detail> = BTreeMap::new();
    for row in rows {
        let name = what(&row.name);
        let detail =
            by_name.entry(name).or_insert_with(|| Detail { what: name.to_owned(), ..Detail::default() });
        detail.size_bytes += row.size_delta;
        detail.added += row.added_count;
        detail.removed += row.removed_count;
    }
    by_name.into_values().collect()
}

/// Compares two files; the answer is JSON. `by_id` says that objects kept their ids from one to the other, whatever
/// became of the ids after that.
pub fn diff(before: &str, after: &str, by_id: bool) -> Result<String, Failure> {
    let open = |file: &str| {
        stillheap_snapshot::open(Path::new(file), ReadOptions::default())
            .map(Snapshot::new)
            .map_err(|error| Failure::of_file(&error, file))
    };
    let (old, new) = (open(before)?, open(after)?);
    let (old, new) = (old.analysis(Model::Devtools), new.analysis(Model::Devtools));
    let picture =
        |snapshot: &Snapshot, total| Picture { nodes: snapshot.node_count().into(), size_bytes: total };
    let comparison = compare(&old, &new, if by_id { Matching::Id } else { Matching::Auto });
    let totals = comparison.totals();
    let classes = comparison.sorted(DiffSort::SizeDelta, Page::first(CLASSES)).items;
    let diff = Diff {
        before: picture(old.snapshot(), old.statistics().total),
        after: picture(new.snapshot(), new.statistics().total),
        freed_nodes: totals.removed_count,
        allocated_nodes: totals.added_count,
        details: details(&comparison.rows),
        matched_by: match comparison.matched_by {
            MatchedBy::Id => "id",
            MatchedBy::Class => "class",
        },
        classes: classes
            .into_iter()
            .map(|row| Class {
                class: row.name,
                size_delta: row.size_delta,
                count_delta: row.count_delta,
                count: row.new_count,
                size: row.new_size,
            })
            .collect(),
    };
    serde_json::to_string(&diff).map_err(|error| Failure::new("ERR_STILLHEAP_INTERNAL", error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_one_name_are_added_up() {
        let row = |name: &str, added: u64, removed: u64, size: i64| DiffRow {
            name: name.to_owned(),
            added_count: added,
            removed_count: removed,
            size_delta: size,
            ..DiffRow::default()
        };
        let rows = [row("{a, b}", 3, 1, 40), row("{c}", 1, 0, 5), row("Leak", 9, 0, 3_000_000_000)];
        let details = details(&rows);
        let text: Vec<(&str, i64, u64, u64)> =
            details.iter().map(|d| (d.what.as_str(), d.size_bytes, d.added, d.removed)).collect();
        assert_eq!(text, [("Leak", 3_000_000_000, 9, 0), ("Object", 45, 4, 1)]);
        assert_eq!(what("(string)"), "String");
    }
}
