//! Two snapshots, class by class.
//!
//! Time: one merge of sorted ids per class. Memory: 4 bytes per node of either file while running.

use std::collections::HashSet;

use foldhash::{HashMap, HashMapExt};
use serde::Serialize;
use stillheap_graph::sums::{add, difference, sum};

use super::identity::{MatchedBy, Matching, decide};
use super::{Members, members};
use crate::page::{Page, Paged};
use crate::snapshot::Analysis;

/// What changed in a class.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DiffRow {
    /// Class key.
    pub key: String,
    /// Class name.
    pub name: String,
    /// Objects only in the newer snapshot. Matched by class: the increase.
    pub added_count: u64,
    /// Objects only in the older one. Matched by class: the decrease.
    pub removed_count: u64,
    /// Added less removed.
    pub count_delta: i64,
    /// Bytes of the added.
    pub added_size: u64,
    /// Bytes of the removed.
    pub removed_size: u64,
    /// Added less removed.
    pub size_delta: i64,
    /// Objects in the older snapshot.
    pub old_count: u64,
    /// Objects in the newer one.
    pub new_count: u64,
    /// Bytes in the older snapshot.
    pub old_size: u64,
    /// Bytes in the newer one.
    pub new_size: u64,
    /// Ids of the added objects, ascending; empty when matched by class.
    #[serde(skip)]
    pub added_ids: Vec<u64>,
    /// Ids of the removed objects, ascending; empty when matched by class.
    #[serde(skip)]
    pub removed_ids: Vec<u64>,
}

/// The comparison of two snapshots.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Comparison {
    /// How objects were matched.
    pub matched_by: MatchedBy,
    pub reason: String,
    /// Classes with a change, in DevTools' order: the older file's first.
    pub rows: Vec<DiffRow>,
}

/// Sums over all classes of a comparison.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ComparisonTotals {
    /// Classes with a change.
    pub classes: u64,
    /// Objects added.
    pub added_count: u64,
    /// Objects removed.
    pub removed_count: u64,
    /// Bytes added.
    pub added_size: u64,
    /// Bytes removed.
    pub removed_size: u64,
}

/// Order of changed classes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DiffSort {
    /// Largest growth in bytes first.
    #[default]
    SizeDelta,
    /// Largest growth in objects first.
    CountDelta,
    /// Most added bytes first.
    AddedSize,
    /// Most added objects first.
    AddedCount,
    Name,
}

impl Comparison {
    /// Sums over all rows.
    pub fn totals(&self) -> ComparisonTotals {
        self.rows.iter().fold(ComparisonTotals::default(), |sum, row| ComparisonTotals {
            classes: sum.classes + 1,
            added_count: sum.added_count.saturating_add(row.added_count),
            removed_count: sum.removed_count.saturating_add(row.removed_count),
            added_size: sum.added_size.saturating_add(row.added_size),
            removed_size: sum.removed_size.saturating_add(row.removed_size),
        })
    }

    /// Rows in an order, ties by name and key.
    pub fn sorted(&self, sort: DiffSort, page: Page) -> Paged<DiffRow> {
        let mut order: Vec<&DiffRow> = self.rows.iter().collect();
        order.sort_by(|a, b| {
            let by = match sort {
                DiffSort::SizeDelta => b.size_delta.cmp(&a.size_delta),
                DiffSort::CountDelta => b.count_delta.cmp(&a.count_delta),
                DiffSort::AddedSize => b.added_size.cmp(&a.added_size),
                DiffSort::AddedCount => b.added_count.cmp(&a.added_count),
                DiffSort::Name => std::cmp::Ordering::Equal,
            };
            by.then_with(|| a.name.cmp(&b.name)).then_with(|| a.key.cmp(&b.key))
        });
        Paged::of(&order, page, |row| (*row).clone())
    }
}

/// Compares two snapshots. The newer one's shapes name the plain objects of both.
pub fn compare(old: &Analysis<'_>, new: &Analysis<'_>, matching: Matching) -> Comparison {
    let (matched_by, reason) = decide(old.snapshot, new.snapshot, matching);
    let mut before = members(old, Some(new.snapshot.definitions()));
    let after = members(new, None);
    if matched_by == MatchedBy::Class {
        adopt_keys(&mut before, &after);
    }
    let place: HashMap<&str, usize> = after.iter().enumerate().map(|(i, m)| (m.key.as_str(), i)).collect();
    let mut used = vec![false; after.len()];
    let mut rows = Vec::new();
    let merge = |a: Option<&Members>, b: Option<&Members>| match matched_by {
        MatchedBy::Id => by_id(old, new, a, b),
        MatchedBy::Class => by_class(old, new, a, b),
    };
    for a in &before {
        let b = place.get(a.key.as_str()).copied();
        if let Some(at) = b {
            used[at] = true;
        }
        rows.extend(merge(Some(a), b.map(|at| &after[at])));
    }
    for (b, _) in after.iter().zip(&used).filter(|(_, used)| !**used) {
        rows.extend(merge(None, Some(b)));
    }
    Comparison { matched_by, reason, rows }
}

/// Script ids differ between processes: a class of the older file whose key the newer one does not have takes
/// the key of the only class there with the same name, line and column.
fn adopt_keys(before: &mut [Members], after: &[Members]) {
    fn portable(key: &str) -> Option<&str> {
        key.split_once(',').map(|(script, rest)| if script.is_empty() { key } else { rest })
    }
    let mut by_portable: HashMap<&str, Option<&str>> = HashMap::new();
    for m in after {
        if let Some(portable) = portable(&m.key) {
            by_portable.entry(portable).and_modify(|key| *key = None).or_insert(Some(&m.key));
        }
    }
    let taken: HashSet<String> = before.iter().map(|m| m.key.clone()).collect();
    let there: HashSet<&str> = after.iter().map(|m| m.key.as_str()).collect();
    for m in before {
        if there.contains(m.key.as_str()) {
            continue;
        }
        if let Some(&Some(key)) = portable(&m.key).and_then(|p| by_portable.get(p))
            && !taken.contains(key)
        {
            m.key = key.to_owned();
        }
    }
}

fn start(old: &Analysis<'_>, new: &Analysis<'_>, a: Option<&Members>, b: Option<&Members>) -> DiffRow {
    let of = |m: Option<&Members>| m.map_or(&[] as &[u32], |m| m.nodes.as_slice()).to_vec();
    let shown = b.or(a);
    let (old_size, new_size) = (old.size_fn(), new.size_fn());
    DiffRow {
        key: shown.map_or_else(String::new, |m| m.key.clone()),
        name: shown.map_or_else(String::new, |m| m.name.clone()),
        old_count: of(a).len() as u64,
        new_count: of(b).len() as u64,
        old_size: sum(of(a).iter().map(|&n| old_size(n))),
        new_size: sum(of(b).iter().map(|&n| new_size(n))),
        ..DiffRow::default()
    }
}

fn finish(mut row: DiffRow) -> Option<DiffRow> {
    row.count_delta = difference(row.added_count, row.removed_count);
    row.size_delta = difference(row.added_size, row.removed_size);
    Some(row)
}

fn by_id(
    old: &Analysis<'_>,
    new: &Analysis<'_>,
    a: Option<&Members>,
    b: Option<&Members>,
) -> Option<DiffRow> {
    let mut row = start(old, new, a, b);
    let (a, b) = (a.map_or(&[] as &[u32], |m| &m.nodes), b.map_or(&[] as &[u32], |m| &m.nodes));
    let (old_size, new_size) = (old.size_fn(), new.size_fn());
    let (mut i, mut j) = (0, 0);
    while i < a.len() || j < b.len() {
        let (x, y) = (a.get(i).map(|&n| old.graph().id(n)), b.get(j).map(|&n| new.graph().id(n)));
        match (x, y) {
            (Some(x), Some(y)) if x == y => {
                i += 1;
                j += 1;
            }
            (Some(x), y) if y.is_none_or(|y| x < y) => {
                row.removed_count += 1;
                add(&mut row.removed_size, old_size(a[i]));
                row.removed_ids.push(x);
                i += 1;
            }
            (_, Some(y)) => {
                row.added_count += 1;
                add(&mut row.added_size, new_size(b[j]));
                row.added_ids.push(y);
                j += 1;
            }
            _ => break,
        }
    }
    (row.added_count > 0 || row.removed_count > 0).then_some(row).and_then(finish)
}

fn by_class(
    old: &Analysis<'_>,
    new: &Analysis<'_>,
    a: Option<&Members>,
    b: Option<&Members>,
) -> Option<DiffRow> {
    let mut row = start(old, new, a, b);
    row.added_count = row.new_count.saturating_sub(row.old_count);
    row.removed_count = row.old_count.saturating_sub(row.new_count);
    row.added_size = row.new_size.saturating_sub(row.old_size);
    row.removed_size = row.old_size.saturating_sub(row.new_size);
    (row.new_count != row.old_count || row.new_size != row.old_size).then_some(row).and_then(finish)
}
