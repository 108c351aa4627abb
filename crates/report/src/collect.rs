//! What the page shows, as data: bounded lists with bounded texts.

use std::collections::BTreeMap;

use foldhash::{HashMap, HashSet, HashSetExt};
use serde::Serialize;
use serde_json::Value;
use stillheap_analysis::{Analysis, ClassTree, SeriesClass, Statistics, series};
use stillheap_graph::sums::add;

/// Counts up when a field changes its meaning or goes away.
pub const SCHEMA_VERSION: u32 = 1;

/// Rows of the class table.
const MOST_CLASSES: usize = 2000;
/// Groups of the tree of dominators.
const MOST_GROUPS: usize = 3000;
/// Classes that can be opened.
const MOST_DETAILS: usize = 60;
/// Characters of a text out of a heap.
const LONGEST_TEXT: usize = 200;

/// A snapshot to report on.
pub struct Input<'s> {
    /// The file's name as the user gave it.
    pub file: String,
    /// Its size in bytes, if it is known.
    pub bytes: Option<u64>,
    /// What is in it.
    pub analysis: Analysis<'s>,
}

/// Everything that the page shows.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    schema_version: u32,
    /// Of stillheap.
    version: &'static str,
    model: &'static str,
    /// The verdict on leaks, as `leaks --json` gives it; null if none was reached.
    pub leaks: Value,
    /// The snapshots, oldest first.
    pub files: Vec<FileInfo>,
    /// The classes, those that matter most first.
    pub classes: Vec<ClassSeries>,
    /// What is in no row of `classes`.
    pub rest: OtherClasses,
    /// The newest snapshot's dominators by class.
    pub tree: ClassTree,
    /// Lines around the places that the verdict names, by `script:line`.
    pub sources: BTreeMap<String, Excerpt>,
}

/// Some lines of a script.
#[derive(Clone, Debug, Serialize)]
pub struct Excerpt {
    /// Number of the first line.
    pub from: u64,
    /// The lines.
    pub lines: Vec<String>,
}

/// What is known of a class beside its numbers.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ClassDetails {
    /// Its largest objects.
    pub instances: Vec<InstanceRow>,
    /// What retains its objects directly, by reference and class, those that retain most of them first.
    pub retainers: Vec<RetainerRow>,
}

/// An object.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct InstanceRow {
    /// Its id.
    pub id: u64,
    /// Its name, or its text.
    pub name: String,
    /// Bytes that would be freed with it.
    pub retained_size: u64,
    /// The largest strings that it references directly.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub strings: Vec<StringRow>,
}

/// A string that an object references.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct StringRow {
    /// The property, variable or index.
    pub edge: String,
    /// Its text, shortened.
    pub text: String,
}

/// A kind of reference.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RetainerRow {
    /// The property or variable.
    pub edge: String,
    /// The class of the objects that have it.
    pub class_name: String,
    /// Objects that are retained by it.
    pub objects: u64,
}

/// What is known of a file.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FileInfo {
    /// Its name as the user gave it.
    pub file: String,
    /// Its size in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    /// When it was taken, as its header says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time: Option<String>,
    /// Which process it is of, as its header says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pid: Option<u64>,
    /// The machine's or container's name, as its header says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// What the program is called, as its header says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    /// As its header says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node_version: Option<String>,
    /// Bytes of heap at which V8 ends the process, as its header says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub heap_limit: Option<u64>,
    /// Resident bytes of the process, as its header says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resident: Option<u64>,
    pub nodes: u32,
    pub edges: u32,
    /// The end is missing, and all numbers are of the part that is there.
    pub truncated: bool,
    /// Where the bytes are.
    pub statistics: Statistics,
}

/// A class over the snapshots.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ClassSeries {
    pub name: String,
    /// Position of the constructor: script id, line and column from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub location: Option<[i64; 3]>,
    /// Objects in each snapshot.
    pub counts: Vec<u64>,
    /// Bytes of their own in each snapshot.
    pub sizes: Vec<u64>,
    /// Bytes that all of them together retain in each snapshot; null where the class is not in it.
    pub retained: Vec<Option<u64>>,
    /// Steps from a root in the newest snapshot; null if only the system reaches it.
    pub distance: Option<i32>,
    /// More objects in every snapshot than in the one before.
    pub grows: bool,
    /// Its key, by which questions name it.
    #[serde(skip)]
    pub key: String,
    /// Left out for most classes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub details: Option<ClassDetails>,
}

/// Classes that have no row.
#[derive(Default, Serialize)]
pub struct OtherClasses {
    pub classes: u64,
    /// Their objects in each snapshot.
    pub counts: Vec<u64>,
    /// Their bytes in each snapshot.
    pub sizes: Vec<u64>,
}

impl Report {
    /// Asks everything. `inputs` are from oldest to newest, at least one, all of one model; `leaks` is the verdict
    /// on them as JSON, or null.
    ///
    /// # Panics
    /// Without an input.
    pub fn collect(inputs: &[Input<'_>], leaks: Value) -> Report {
        let newest = inputs.last().expect("a report needs a snapshot").analysis;
        for input in inputs {
            input.analysis.prepare();
        }
        let (classes, rest) = classes(inputs);
        let mut tree = newest.class_tree(MOST_GROUPS);
        shorten_tree(&mut tree);
        Report {
            schema_version: SCHEMA_VERSION,
            version: env!("CARGO_PKG_VERSION"),
            model: newest.model().name(),
            leaks: shortened(leaks),
            files: inputs.iter().map(file_info).collect(),
            classes,
            rest,
            tree,
            sources: BTreeMap::new(),
        }
    }

    /// The classes that a reader opens first: those that grow most, else those that retain most.
    pub fn most_interesting(&mut self) -> Vec<&mut ClassSeries> {
        let mut rows: Vec<&mut ClassSeries> = self.classes.iter_mut().collect();
        let growth = |row: &ClassSeries| match (row.sizes.first(), row.sizes.last()) {
            (Some(&first), Some(&last)) => last.saturating_sub(first),
            _ => 0,
        };
        rows.sort_by_key(|row| std::cmp::Reverse((growth(row), row.retained.last().copied().flatten())));
        rows.truncate(MOST_DETAILS);
        rows
    }
}

fn file_info(input: &Input<'_>) -> FileInfo {
    let snapshot = input.analysis.snapshot();
    let noted = |key: &str| snapshot.header().stillheap().and_then(|header| header.get(key));
    FileInfo {
        file: input.file.clone(),
        bytes: input.bytes,
        time: noted("time").and_then(Value::as_str).map(short),
        host: noted("host").and_then(Value::as_str).map(short),
        service: noted("service").and_then(Value::as_str).map(short),
        node_version: noted("nodeVersion").and_then(Value::as_str).map(short),
        heap_limit: noted("heapLimitBytes").and_then(Value::as_u64),
        pid: noted("pid").and_then(Value::as_u64),
        resident: noted("residentBytes").and_then(Value::as_u64),
        nodes: snapshot.node_count(),
        edges: snapshot.edge_count(),
        truncated: snapshot.salvage().is_some(),
        statistics: input.analysis.statistics().clone(),
    }
}

/// The rows, and the sums over the classes that have none.
fn classes(inputs: &[Input<'_>]) -> (Vec<ClassSeries>, OtherClasses) {
    let analyses: Vec<Analysis<'_>> = inputs.iter().map(|input| input.analysis).collect();
    let all = series(&analyses).classes;
    let tables: Vec<_> = analyses.iter().map(|analysis| analysis.classes(None)).collect();
    let rows: Vec<HashMap<&str, _>> =
        tables.iter().map(|table| table.rows.iter().map(|row| (row.key.as_str(), row)).collect()).collect();
    let newest = rows.last();
    let retained = |class: &SeriesClass| {
        newest.and_then(|rows| rows.get(class.key.as_str())).map(|row| row.retained_size)
    };
    let kept = matter_most(&all, retained);
    let mut rest = OtherClasses { classes: 0, counts: vec![0; inputs.len()], sizes: vec![0; inputs.len()] };
    let mut shown = Vec::with_capacity(kept.len());
    for (at, class) in all.iter().enumerate() {
        if !kept.contains(&at) {
            rest.classes += 1;
            for step in 0..inputs.len() {
                add(&mut rest.counts[step], class.counts[step]);
                add(&mut rest.sizes[step], class.sizes[step]);
            }
            continue;
        }
        let row = newest.and_then(|rows| rows.get(class.key.as_str()));
        let location = row.and_then(|row| row.location);
        shown.push(ClassSeries {
            name: short(&class.name),
            location: location.map(|l| [l.script_id, l.line.saturating_add(1), l.column.saturating_add(1)]),
            counts: class.counts.clone(),
            sizes: class.sizes.clone(),
            retained: rows.iter().map(|rows| rows.get(class.key.as_str()).map(|r| r.retained_size)).collect(),
            distance: row
                .map(|row| row.distance)
                .filter(|d| (0..stillheap_analysis::SYSTEM_DISTANCE).contains(d)),
            grows: class.count_grows_always,
            key: class.key.clone(),
            details: None,
        });
    }
    shown.sort_by(|a, b| b.retained.last().cmp(&a.retained.last()).then_with(|| a.name.cmp(&b.name)));
    (shown, rest)
}

/// The classes that lead by what they retain, by growth in bytes and by growth in objects, a third each.
fn matter_most(all: &[SeriesClass], retained: impl Fn(&SeriesClass) -> Option<u64>) -> HashSet<usize> {
    let mut kept = HashSet::new();
    let mut lead = |by: &dyn Fn(&SeriesClass) -> i64| {
        let mut order: Vec<usize> = (0..all.len()).collect();
        order.sort_by_cached_key(|&at| (std::cmp::Reverse(by(&all[at])), at));
        kept.extend(order.into_iter().take(MOST_CLASSES / 3));
    };
    lead(&|class| retained(class).map_or(-1, |bytes| bytes.min(i64::MAX as u64) as i64));
    lead(&|class| class.size_delta);
    lead(&|class| class.count_delta);
    kept
}

/// A text cut to a length that a table can show.
pub(crate) fn short(text: &str) -> String {
    match text.char_indices().nth(LONGEST_TEXT) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

fn shorten_tree(tree: &mut ClassTree) {
    tree.class_name = short(&tree.class_name);
    tree.largest.name = short(&tree.largest.name);
    tree.children.iter_mut().for_each(shorten_tree);
}

/// Texts of the verdict may be sentences, so they are given more room.
fn shortened(value: Value) -> Value {
    const SENTENCES: usize = 2000;
    match value {
        Value::String(text) => match text.char_indices().nth(SENTENCES) {
            Some((end, _)) => Value::String(format!("{}…", &text[..end])),
            None => Value::String(text),
        },
        Value::Array(list) => Value::Array(list.into_iter().map(shortened).collect()),
        Value::Object(map) => Value::Object(map.into_iter().map(|(key, v)| (key, shortened(v))).collect()),
        other => other,
    }
}
