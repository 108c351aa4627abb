//! Collections, as they are told to JavaScript: milliseconds and bytes.

use std::collections::BTreeMap;

use serde::Serialize;

use stillheap_v8::{DURATION_BOUNDS, GcFigures, GcKind, GcRecord, HeapFigures};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct GcEvent {
    kind: &'static str,
    /// Milliseconds since the watch began.
    start: f64,
    duration: f64,
    forced: bool,
    before: Heap,
    after: Heap,
}

#[derive(Serialize)]
struct Heap {
    used: u64,
    total: u64,
    external: u64,
    spaces: BTreeMap<&'static str, Space>,
}

#[derive(Serialize)]
struct Space {
    used: u64,
    size: u64,
}

impl Heap {
    fn of(heap: &HeapFigures, names: &[&'static str]) -> Self {
        let spaces = names
            .iter()
            .zip(&heap.spaces)
            .map(|(name, space)| (*name, Space { used: space.used, size: space.size }))
            .collect();
        Self { used: heap.used, total: heap.total, external: heap.external, spaces }
    }
}

impl GcEvent {
    pub fn of(record: &GcRecord, offset: f64, names: &[&'static str]) -> Self {
        Self {
            kind: record.kind.name(),
            start: offset + record.start as f64 / 1e6,
            duration: record.duration as f64 / 1e6,
            forced: record.forced,
            before: Heap::of(&record.before, names),
            after: Heap::of(&record.after, names),
        }
    }
}

/// All collections of a kind so far.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct GcKindFigures {
    count: u64,
    total_ms: f64,
    longest_ms: f64,
    /// How many took at most so many milliseconds, each bound including those below; the rest is in `count`.
    buckets: Vec<(f64, u64)>,
}

#[derive(Serialize)]
#[serde(transparent)]
pub struct Kinds(BTreeMap<&'static str, GcKindFigures>);

impl Kinds {
    pub fn of(figures: &[GcFigures; GcKind::COUNT]) -> Self {
        let kind = |figures: &GcFigures| {
            let mut sum = 0;
            let up_to = |(bound, count): (&u64, &u64)| {
                sum += count;
                (*bound as f64 / 1e6, sum)
            };
            GcKindFigures {
                count: figures.count,
                total_ms: figures.total as f64 / 1e6,
                longest_ms: figures.longest as f64 / 1e6,
                buckets: DURATION_BOUNDS.iter().zip(&figures.buckets).map(up_to).collect(),
            }
        };
        Self(GcKind::ALL.iter().zip(figures).map(|(name, figures)| (name.name(), kind(figures))).collect())
    }
}
