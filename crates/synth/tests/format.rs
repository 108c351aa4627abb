//! What the builder and the workloads write, read back by a JSON parser that knows nothing of heap snapshots.

use std::collections::HashSet;

use serde_json::Value;
use stillheap_synth::{
    Damage, Expected, RandomOptions, Rng, Snapshot, TextLayout, Variant, Workload, WorkloadShape, mutate,
    random_graph, random_pair,
};

const SHAPES: [WorkloadShape; 6] = [
    WorkloadShape::Mixed,
    WorkloadShape::LinkedList,
    WorkloadShape::Strings,
    WorkloadShape::Maps,
    WorkloadShape::Closures,
    WorkloadShape::Wide,
];

fn parse(text: &[u8]) -> Value {
    serde_json::from_slice(text).expect("the file is JSON")
}

fn numbers(value: &Value) -> Vec<u64> {
    value.as_array().expect("an array").iter().map(|n| n.as_u64().expect("a whole number")).collect()
}

/// A file as columns, with everything checked that the format promises.
struct Parsed {
    value: Value,
    fields: Vec<String>,
    nodes: Vec<u64>,
    strings: Vec<String>,
}

impl Parsed {
    fn new(text: &[u8]) -> Self {
        let value = parse(text);
        let meta = &value["snapshot"]["meta"];
        let list = |v: &Value| -> Vec<String> {
            v.as_array().expect("a list").iter().map(|s| s.as_str().expect("a name").to_owned()).collect()
        };
        let fields = list(&meta["node_fields"]);
        let edge_fields = list(&meta["edge_fields"]);
        let nodes = numbers(&value["nodes"]);
        let edges = numbers(&value["edges"]);
        let strings = list(&value["strings"]);
        let parsed = Parsed { fields, nodes, strings, value: value.clone() };
        let (count, edge_count) = (&value["snapshot"]["node_count"], &value["snapshot"]["edge_count"]);
        assert_eq!(parsed.nodes.len() as u64, count.as_u64().expect("a count") * parsed.fields.len() as u64);
        assert_eq!(edges.len() as u64, edge_count.as_u64().expect("a count") * edge_fields.len() as u64);
        assert_eq!(parsed.column("edge_count").iter().sum::<u64>(), edge_count.as_u64().expect("a count"));
        let to_node = edge_fields.iter().position(|f| f == "to_node").expect("edges have an end");
        for target in edges.iter().skip(to_node).step_by(edge_fields.len()) {
            assert!((*target as usize) < parsed.nodes.len() && target % parsed.fields.len() as u64 == 0);
        }
        let types = meta["node_types"].as_array().expect("a list").iter().find(|t| t.is_array());
        let types = types.and_then(Value::as_array).expect("the types").len() as u64;
        assert!(parsed.column("type").iter().all(|&t| t < types));
        assert!(parsed.column("name").iter().all(|&n| n < parsed.strings.len() as u64));
        parsed
    }

    fn column(&self, name: &str) -> Vec<u64> {
        let at = self.fields.iter().position(|f| f == name).expect("the column is there");
        self.nodes.iter().skip(at).step_by(self.fields.len()).copied().collect()
    }

    fn class_ids(&self, class: &str) -> HashSet<u64> {
        let named = self.column("name").into_iter().map(|n| self.strings[n as usize] == class);
        self.column("id").into_iter().zip(named).filter(|(_, named)| *named).map(|(id, _)| id).collect()
    }
}

#[test]
fn a_small_graph_is_written_byte_for_byte_as_v8_writes_it() {
    let (mut snapshot, _, _, global) = Snapshot::with_roots(Variant::Node20);
    let text = snapshot.node("string", "käse \"1\"\n", 24);
    snapshot.property(global, "text", text);
    snapshot.location(global, 7, 8, 9);
    let expected = "{\"snapshot\":{\"meta\":{\"node_fields\":[\"type\",\"name\",\"id\",\"self_size\",\
        \"edge_count\",\"trace_node_id\",\"detachedness\"],\"node_types\":[[\"hidden\",\"array\",\"string\",\
        \"object\",\"code\",\"closure\",\"regexp\",\"number\",\"native\",\"synthetic\",\"concatenated string\",\
        \"sliced string\",\"symbol\",\"bigint\",\"object shape\",\"wasm object\"],\"string\",\"number\",\
        \"number\",\"number\",\"number\",\"number\"],\"edge_fields\":[\"type\",\"name_or_index\",\"to_node\"],\
        \"edge_types\":[[\"context\",\"element\",\"property\",\"internal\",\"hidden\",\"shortcut\",\"weak\"],\
        \"string_or_number\",\"node\"],\"trace_function_info_fields\":[\"function_id\",\"name\",\"script_name\",\
        \"script_id\",\"line\",\"column\"],\"trace_node_fields\":[\"id\",\"function_info_index\",\"count\",\
        \"size\",\"children\"],\"sample_fields\":[\"timestamp_us\",\"last_assigned_id\"],\"location_fields\":[\
        \"object_index\",\"script_id\",\"line\",\"column\"]},\"node_count\":4,\"edge_count\":3,\
        \"trace_function_count\":0},\n\"nodes\":[9,1,1,0,2,0,0\n,9,2,3,0,0,0,0\n,3,3,5,40,1,0,0\n,2,5,7,24,0,0,0\n\
        ],\n\"edges\":[1,1,7\n,5,4,14\n,2,6,21\n],\n\"trace_function_infos\":[],\n\"trace_tree\":[],\n\
        \"samples\":[],\n\"locations\":[14,7,8,9\n],\n\"strings\":[\"<dummy>\",\n\"\",\n\"(GC roots)\",\n\
        \"global\",\n\"2\",\n\"k\\u00E4se \\\"1\\\"\\n\",\n\"text\"]}\n";
    assert_eq!(String::from_utf8(snapshot.to_json()).expect("ASCII"), expected);
}

#[test]
fn every_variant_and_layout_is_consistent() {
    for variant in Variant::ALL {
        for layout in [TextLayout::Rows, TextLayout::Packed, TextLayout::Spaced] {
            let (mut snapshot, _, _, global) = Snapshot::with_roots(variant);
            snapshot.layout = layout;
            let table = snapshot.node("object", "WeakMap", 32);
            snapshot.ephemeron(table, global, table, 1);
            let parsed = Parsed::new(&snapshot.to_json());
            let has = |key: &str| !parsed.value["snapshot"]["meta"][key].is_null();
            assert_eq!(has("scope_fields"), variant == Variant::Scopes);
            assert_eq!(parsed.strings.iter().filter(|s| s.contains("pair in WeakMap (table @7)")).count(), 1);
            assert_eq!(parsed.column("id"), [1, 3, 5, 7]);
        }
    }
}

#[test]
fn random_graphs_are_consistent_and_hold_every_oddity() {
    let mut seen = HashSet::new();
    for seed in 0..400 {
        for hostile in [false, true] {
            let options = RandomOptions { hostile, ..RandomOptions::default() };
            let graph = random_graph(seed, &options);
            let parsed = Parsed::new(&graph.to_json());
            let ids: HashSet<u64> = parsed.column("id").into_iter().collect();
            assert!(hostile || ids.len() == parsed.column("id").len(), "ids are unique in seed {seed}");
            for node in graph.nodes() {
                seen.insert(node.kind.clone());
                seen.insert(node.name.clone());
            }
            let meta = &parsed.value["snapshot"]["meta"];
            for (section, name) in [
                ("locations", "locations"),
                ("samples", "samples"),
                ("trace_tree", "trace tree"),
                ("scopes", "scopes"),
            ] {
                if parsed.value[section].as_array().is_some_and(|rows| !rows.is_empty()) {
                    seen.insert(name.to_owned());
                }
            }
            seen.insert(format!("{} fields", meta["node_fields"].as_array().expect("a list").len()));
            if parsed.strings.iter().any(|s| s.contains("pair in WeakMap")) {
                seen.insert("ephemeron".to_owned());
            }
        }
    }
    for oddity in [
        "(GC roots)",
        "(Document DOM trees)",
        "system / NativeContext",
        "(map descriptors)",
        "Detached <p>",
        "system / ExternalStringData",
        "concatenated string",
        "sliced string",
        "wasm object",
        "object shape",
        "locations",
        "samples",
        "trace tree",
        "scopes",
        "ephemeron",
        "5 fields",
        "6 fields",
        "7 fields",
        "9 fields",
        "system / JSArrayBufferData",
        "Array",
    ] {
        assert!(seen.contains(oddity), "no graph has {oddity}");
    }
}

#[test]
fn a_pair_shares_most_ids() {
    for seed in 0..50 {
        let (old, young) = random_pair(seed, &RandomOptions { min_nodes: 50, ..RandomOptions::default() });
        let (old, young) = (Parsed::new(&old.to_json()), Parsed::new(&young.to_json()));
        let old: HashSet<u64> = old.column("id").into_iter().collect();
        let young: HashSet<u64> = young.column("id").into_iter().collect();
        assert!(old.intersection(&young).count() * 2 > old.len());
        assert_ne!(old, young);
    }
}

/// A seed must always mean the same file: records and regressions name seeds.
#[test]
fn seeds_are_pinned() {
    let hash = |bytes: &[u8]| {
        bytes.iter().fold(0xcbf2_9ce4_8422_2325_u64, |h, &b| (h ^ u64::from(b)).wrapping_mul(0x100_0000_01b3))
    };
    let graphs: Vec<u64> =
        (0..3).map(|seed| hash(&random_graph(seed, &RandomOptions::default()).to_json())).collect();
    let workload = Workload::with_units(WorkloadShape::Mixed, 1, 10);
    let file = hash(&workload.write(Vec::new()).expect("memory takes it"));
    assert_eq!(
        (graphs, file),
        (
            vec![5_854_183_811_369_046_125, 326_290_436_017_135_749, 12_051_609_759_994_232_551],
            9_766_716_316_157_186_531
        )
    );
}

#[test]
fn workloads_keep_their_promises() {
    for shape in SHAPES {
        // 49 leaves a unit at the very edge of the removed ones; 2 has none before the last.
        for units in [1, 2, 49, 148, 400] {
            let before = Workload::with_units(shape, 7, units);
            let after = before.clone().after();
            let old = check(&before);
            let young = check(&after);
            let expected = after.expected();
            let (old_ids, young_ids) =
                (old.class_ids(&expected.planted_class), young.class_ids(&expected.planted_class));
            assert_eq!(young_ids.difference(&old_ids).count() as u64, expected.planted_added);
            assert_eq!(old_ids.difference(&young_ids).count() as u64, expected.planted_removed);
        }
    }
}

fn check(workload: &Workload) -> Parsed {
    let parsed = Parsed::new(&workload.write(Vec::new()).expect("memory takes it"));
    let Expected { nodes, edges, total_size, planted_class, planted_count, .. } = workload.expected();
    let ids: HashSet<u64> = parsed.column("id").into_iter().collect();
    assert_eq!(ids.len() as u64, nodes, "every id once");
    assert_eq!(parsed.value["snapshot"]["edge_count"], edges);
    assert_eq!(parsed.column("self_size").iter().sum::<u64>(), total_size);
    assert_eq!(parsed.class_ids(&planted_class).len() as u64, planted_count);
    parsed
}

#[test]
fn sizes_are_met_within_a_twentieth() {
    for shape in SHAPES {
        for bytes in [500_000, 3_000_000] {
            let file = Workload::with_bytes(shape, 1, bytes).write(Vec::new()).expect("memory takes it");
            let ratio = file.len() as f64 / bytes as f64;
            assert!(
                (0.95..1.05).contains(&ratio),
                "{shape:?} of {bytes} bytes came out {ratio} times as large"
            );
        }
    }
}

#[test]
fn damage_does_what_it_says() {
    let (mut snapshot, _, _, global) = Snapshot::with_roots(Variant::Node22);
    let text = snapshot.node("string", "text", 24);
    snapshot.property(global, "text", text);
    let good = snapshot.to_json();
    let mut seen = HashSet::new();
    for damage in Damage::ALL {
        let bad = damage.apply(&good);
        assert_ne!(bad, good, "{damage:?}");
        assert!(seen.insert(bad.clone()), "{damage:?} is another one's twin");
        // A parser that knows only JSON sees the spoiled syntax; the rest takes a parser of the format.
        let syntax = matches!(
            damage,
            Damage::DoubleComma | Damage::TrailingComma | Damage::NodesAreObject | Damage::BadEscape
                | Damage::BadUnicodeEscape | Damage::LoneSurrogate | Damage::NotUtf8 | Damage::RawControlCharacter
                | Damage::UnterminatedString | Damage::TrailingText | Damage::ByteOrderMark | Damage::Empty
                | Damage::OnlySpace | Damage::NotJson
                // serde_json stops at a depth of 128.
                | Damage::UnknownDeepSection | Damage::UnknownVeryDeepSection
        );
        assert_eq!(serde_json::from_slice::<Value>(&bad).is_err(), syntax, "{damage:?}");
    }
}

#[test]
fn mutations_change_the_file_and_repeat_with_their_seed() {
    let good = random_graph(1, &RandomOptions::default()).to_json();
    let all = || -> Vec<Vec<u8>> {
        let mut rng = Rng::new(5);
        (0..200).map(|_| mutate(&good, &mut rng)).collect()
    };
    // A digit may be replaced by itself.
    assert!(all().iter().filter(|bad| **bad != good).count() > 180);
    assert_eq!(all(), all());
}
