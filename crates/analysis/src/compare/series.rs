//! More than two snapshots: how each class develops, and which never stop growing.

use foldhash::{HashMap, HashMapExt};
use serde::Serialize;
use stillheap_graph::sums::{difference, sum};

use super::members;
use crate::page::{Page, Paged};
use crate::snapshot::Analysis;

/// A class over a series of snapshots.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SeriesClass {
    /// Class key.
    pub key: String,
    /// Class name.
    pub name: String,
    /// Objects in each snapshot.
    pub counts: Vec<u64>,
    /// Bytes in each snapshot.
    pub sizes: Vec<u64>,
    /// More objects in every snapshot than in the one before.
    pub count_grows_always: bool,
    /// More bytes in every snapshot than in the one before.
    pub size_grows_always: bool,
    /// Objects of the last less those of the first.
    pub count_delta: i64,
    /// Bytes of the last less those of the first.
    pub size_delta: i64,
}

/// All classes over a series of snapshots.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Series {
    /// Snapshots in the series.
    pub snapshots: usize,
    /// The classes, in order of first appearance.
    pub classes: Vec<SeriesClass>,
}

/// Order of the classes of a series.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SeriesSort {
    /// Those that grow in every step first, then by growth in bytes.
    #[default]
    Steady,
    /// By growth in bytes.
    SizeDelta,
    /// By growth in objects.
    CountDelta,
}

/// Follows every class through snapshots given from oldest to newest. The newest one's shapes name all plain
/// objects.
pub fn series(snapshots: &[Analysis<'_>]) -> Series {
    let definitions = snapshots.last().map(|s| s.snapshot.definitions());
    let count = snapshots.len();
    let mut place: HashMap<String, usize> = HashMap::new();
    let mut classes: Vec<SeriesClass> = Vec::new();
    for (step, analysis) in snapshots.iter().enumerate() {
        let size = analysis.size_fn();
        for m in members(analysis, definitions) {
            let next = classes.len();
            let at = *place.entry(m.key.clone()).or_insert(next);
            if at == next {
                classes.push(SeriesClass {
                    key: m.key,
                    name: m.name.clone(),
                    counts: vec![0; count],
                    sizes: vec![0; count],
                    count_grows_always: false,
                    size_grows_always: false,
                    count_delta: 0,
                    size_delta: 0,
                });
            }
            let class = &mut classes[at];
            class.name = m.name;
            class.counts[step] = m.nodes.len() as u64;
            class.sizes[step] = sum(m.nodes.iter().map(|&n| size(n)));
        }
    }
    let grows = |values: &[u64]| values.len() > 1 && values.windows(2).all(|w| w[1] > w[0]);
    let delta = |values: &[u64]| match (values.first(), values.last()) {
        (Some(&first), Some(&last)) => difference(last, first),
        _ => 0,
    };
    for class in &mut classes {
        class.count_grows_always = grows(&class.counts);
        class.size_grows_always = grows(&class.sizes);
        class.count_delta = delta(&class.counts);
        class.size_delta = delta(&class.sizes);
    }
    Series { snapshots: count, classes }
}

impl Series {
    /// The classes in an order, ties by name and key.
    pub fn sorted(&self, sort: SeriesSort, page: Page) -> Paged<SeriesClass> {
        let mut order: Vec<&SeriesClass> = self.classes.iter().collect();
        order.sort_by(|a, b| {
            let by = match sort {
                SeriesSort::Steady => {
                    let steady = |c: &SeriesClass| (c.count_grows_always, c.size_grows_always, c.size_delta);
                    steady(b).cmp(&steady(a))
                }
                SeriesSort::SizeDelta => b.size_delta.cmp(&a.size_delta),
                SeriesSort::CountDelta => b.count_delta.cmp(&a.count_delta),
            };
            by.then_with(|| a.name.cmp(&b.name)).then_with(|| a.key.cmp(&b.key))
        });
        Paged::of(&order, page, |class| (*class).clone())
    }
}
