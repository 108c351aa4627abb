//! Every analysis says the same about a redacted snapshot.

use std::collections::HashMap;
use std::io::Cursor;

use stillheap_analysis::{
    Analysis, DuplicateSort, EdgeSort, Filter, Matching, Model, NodeFilter, NodeOrdinal, Page, Sameness,
    SiteSort, Snapshot, compare,
};
use stillheap_redact::{Key, Options, Redactor};
use stillheap_snapshot::ReadOptions;
use stillheap_synth::{RandomOptions, Variant, Workload, WorkloadShape, random_graph};

fn redact(bytes: &[u8], piece: usize, source: bool) -> Result<Vec<u8>, stillheap_redact::Error> {
    let mut redactor = Redactor::new(Options { source, key: Key::from_secret(b"of these tests") });
    let mut out = Vec::new();
    for bytes in bytes.chunks(piece) {
        redactor.feed(bytes, &mut out)?;
    }
    redactor.finish(&mut out)?;
    Ok(out)
}

fn read(bytes: &[u8]) -> Snapshot {
    let options = ReadOptions { salvage: false, threads: 1, ..ReadOptions::default() };
    stillheap_snapshot::read(Cursor::new(bytes.to_vec()), options).map(Snapshot::new).expect("well-formed")
}

/// The same name for the same class in both.
#[derive(Default)]
struct Renamed {
    there: HashMap<String, String>,
    back: HashMap<String, String>,
}

impl Renamed {
    fn check(&mut self, before: String, after: String, what: &str) {
        assert_eq!(
            before.encode_utf16().count(),
            after.encode_utf16().count(),
            "{what}: {before:?} {after:?}"
        );
        let there = self.there.entry(before.clone()).or_insert_with(|| after.clone());
        assert_eq!(*there, after, "{what}: {before:?} is called two things");
        let back = self.back.entry(after).or_insert_with(|| before.clone());
        assert_eq!(*back, before, "{what}: two things have one name");
    }
}

fn nodes(snapshot: &Snapshot) -> impl Iterator<Item = NodeOrdinal> {
    (0..snapshot.node_count()).map(NodeOrdinal)
}

fn same(before: &Snapshot, after: &Snapshot, what: &str) {
    assert_eq!(before.node_count(), after.node_count(), "{what}");
    assert_eq!(before.edge_count(), after.edge_count(), "{what}");
    for model in [Model::Devtools, Model::Gc] {
        let (old, new) = (before.analysis(model), after.analysis(model));
        same_nodes(&old, &new, what);
        same_answers(&old, &new, what);
    }
}

fn same_nodes(old: &Analysis<'_>, new: &Analysis<'_>, what: &str) {
    let mut classes = Renamed::default();
    for node in nodes(old.snapshot()) {
        let facts = |a: &Analysis<'_>| {
            let info = a.node(node);
            (info.id, info.node_type, info.detachedness, info.self_size, info.retained_size, info.distance)
        };
        assert_eq!(facts(old), facts(new), "{what}: node {}", node.0);
        assert_eq!(old.dominator(node), new.dominator(node), "{what}: node {}", node.0);
        classes.check(old.class_name(node), new.class_name(node), what);
        assert_eq!(old.class_number(node), new.class_number(node), "{what}: node {}", node.0);
        assert_eq!(
            old.name(node).encode_utf16().count(),
            new.name(node).encode_utf16().count(),
            "{what}: {} {}",
            old.name(node),
            new.name(node)
        );
        let edges = |a: &Analysis<'_>| {
            let edges = a.children(node, EdgeSort::File, Page::ALL).items;
            edges
                .into_iter()
                .map(|e| (e.edge, e.edge_type, e.node.ordinal, e.name.encode_utf16().count()))
                .collect::<Vec<_>>()
        };
        assert_eq!(edges(old), edges(new), "{what}: node {}", node.0);
        let detail = |a: &Analysis<'_>| {
            let d = a.inspect(node, 10_000);
            // Where the parts of a concatenated string go round in circles, it is cut by characters, not units.
            let whole = d.info.node_type != "concatenated string";
            let string = d.string.map(|s| (s.truncated && whole, s.length));
            (d.dominator, d.edge_count, d.retainer_count, d.elements, d.trace_node, string)
        };
        assert_eq!(detail(old), detail(new), "{what}: node {}", node.0);
        assert_eq!(old.retainers(node, Page::ALL).total, new.retainers(node, Page::ALL).total);
    }
}

fn same_answers(old: &Analysis<'_>, new: &Analysis<'_>, what: &str) {
    assert_eq!(old.statistics(), new.statistics(), "{what}");
    let filters = Filter::ALL.into_iter().map(|f| Some(NodeFilter::Named(f))).chain([None]);
    for filter in filters {
        let rows = |a: &Analysis<'_>| {
            let table = a.classes(filter);
            let mut rows: Vec<_> = table
                .rows
                .iter()
                .map(|r| {
                    (r.count, r.distance, r.shallow_size, r.retained_size, r.name.encode_utf16().count())
                })
                .collect();
            rows.sort_unstable();
            rows
        };
        assert_eq!(rows(old), rows(new), "{what}: {filter:?}");
    }
    let duplicates = |a: &Analysis<'_>| {
        let rows = a.duplicate_strings(Sameness::Whole, DuplicateSort::Count, Page::ALL).items;
        let mut groups: Vec<_> = rows.into_iter().map(|r| (r.nodes, r.wasted_size, r.truncated)).collect();
        groups.sort();
        groups
    };
    assert_eq!(duplicates(old), duplicates(new), "{what}");
    let closures = |a: &Analysis<'_>| {
        let rows = a.closures(Page::ALL).items;
        let facts = rows.into_iter().map(|r| {
            let variables: Vec<_> = r.variables.iter().map(|v| (v.objects, v.retained_size)).collect();
            (r.count, r.contexts, r.retained_size, r.shared_with.len(), variables)
        });
        facts.collect::<Vec<_>>()
    };
    assert_eq!(closures(old), closures(new), "{what}");
    let contexts = |a: &Analysis<'_>| serde_json::to_string(&a.native_contexts()).unwrap().len();
    assert_eq!(contexts(old), contexts(new), "{what}");
    let sites = |a: &Analysis<'_>| a.allocation_sites(SiteSort::LiveSize, Page::ALL).total;
    assert_eq!(sites(old), sites(new), "{what}");
}

#[test]
fn random_graphs() {
    let mut refused = 0;
    for seed in 0..400 {
        let options = RandomOptions { hostile: seed % 4 == 1, ..RandomOptions::default() };
        let bytes = random_graph(seed, &options).to_json();
        // Pieces of every size: rows, numbers, strings and escapes are cut anywhere.
        let redacted = match redact(&bytes, 1 + (seed as usize * 7) % 300, seed % 2 == 0) {
            Ok(redacted) => redacted,
            // Some graphs have edges of a type that no producer writes.
            Err(error) if error.to_string().contains("an edge has a type that is not known") => {
                refused += 1;
                continue;
            }
            Err(error) => panic!("seed {seed}: {error}"),
        };
        same(&read(&bytes), &read(&redacted), &format!("seed {seed}"));
    }
    assert!(refused < 40, "{refused} are refused");
}

#[test]
fn every_format_and_what_looks_like_a_process() {
    for variant in [Variant::Node20, Variant::Node22, Variant::Scopes] {
        for shape in [WorkloadShape::Mixed, WorkloadShape::Strings] {
            let mut bytes = Vec::new();
            Workload::with_units(shape, 7, 3).variant(variant).write(&mut bytes).unwrap();
            let redacted = redact(&bytes, 4096, true).unwrap();
            same(&read(&bytes), &read(&redacted), &format!("{variant:?} {shape:?}"));
        }
    }
}

#[test]
fn comparisons_of_files_with_the_same_key() {
    for shape in [WorkloadShape::Mixed, WorkloadShape::Strings] {
        let write = |workload: Workload| {
            let mut bytes = Vec::new();
            workload.write(&mut bytes).unwrap();
            bytes
        };
        let old = write(Workload::with_units(shape, 7, 3));
        let young = write(Workload::with_units(shape, 7, 3).after());
        let answer = |old: &[u8], young: &[u8], matching| {
            let (old, young) = (read(old), read(young));
            let comparison =
                compare(&old.analysis(Model::Devtools), &young.analysis(Model::Devtools), matching);
            let totals = serde_json::to_string(&comparison.totals()).unwrap();
            let mut rows: Vec<_> = comparison
                .rows
                .iter()
                .map(|r| (r.added_count, r.removed_count, r.added_size, r.removed_size))
                .collect();
            rows.sort_unstable();
            (totals, rows)
        };
        let (r_old, r_young) = (redact(&old, 999, true).unwrap(), redact(&young, 999, true).unwrap());
        for matching in [Matching::Id, Matching::Class] {
            assert_eq!(answer(&old, &young, matching), answer(&r_old, &r_young, matching), "{shape:?}");
        }
    }
}

#[test]
fn what_is_no_whole_snapshot_is_refused() {
    let bytes = random_graph(3, &RandomOptions::default()).to_json();
    for end in 0..bytes.len() - 2 {
        assert!(redact(&bytes[..end], 1000, true).is_err(), "cut at {end}");
    }
    for (text, position) in
        [("", 0), ("[", 0), ("{\"nodes\":[", 9), ("{\"snapshot\":{\"meta\":{}}", 22), ("{\"snapshot\":7", 12)]
    {
        match redact(text.as_bytes(), 10, true) {
            Err(stillheap_redact::Error::Malformed { position: found, .. }) => {
                assert_eq!(found, position, "{text}")
            }
            other => panic!("{text}: {other:?}"),
        }
    }
    let twice = redact(&bytes, 1000, true).unwrap();
    let error = redact(&twice, 1000, true).unwrap_err();
    assert!(error.to_string().contains("redacted already"), "{error}");
}

#[test]
fn unknown_sections_and_header_fields_are_left_out() {
    let text = String::from_utf8(random_graph(5, &RandomOptions::default()).to_json()).unwrap();
    let text = text.replacen(
        "{\"snapshot\":{",
        "{\"secret\":[{\"a\":\"]jane\"}],\"snapshot\":{\"title\":\"jane\",",
        1,
    );
    let redacted = String::from_utf8(redact(text.as_bytes(), 100, true).unwrap()).unwrap();
    assert!(!redacted.contains("jane") && !redacted.contains("title") && !redacted.contains("secret"));
    read(redacted.as_bytes());
}
