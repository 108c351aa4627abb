//! Thousands of random, truncated and spoiled files through the core: no panic, no endless loop, and answers that
//! agree with each other.

mod exercise;

use exercise::{exercise, exercise_pair, read};
use stillheap_analysis::Model;
use stillheap_synth::{
    Damage, Expectation, RandomOptions, Rng, Snapshot, Variant, Workload, WorkloadShape, mutate,
    random_graph, random_pair,
};

#[test]
fn random_graphs_are_read_and_answered() {
    for seed in 0..500 {
        let options = RandomOptions { hostile: seed % 2 == 1, ..RandomOptions::default() };
        let graph = random_graph(seed, &options);
        let snapshot = read(&graph.to_json(), false, 1 + seed as usize % 2)
            .unwrap_or_else(|error| panic!("seed {seed} is well-formed: {error}"));
        assert_eq!(snapshot.node_count() as usize, graph.nodes().len(), "seed {seed}");
        assert_eq!(snapshot.edge_count() as usize, graph.edge_count(), "seed {seed}");
        exercise(&snapshot);
    }
}

#[test]
fn random_pairs_are_compared() {
    for seed in 0..150 {
        let options = RandomOptions { hostile: seed % 2 == 1, ..RandomOptions::default() };
        let (old, young) = random_pair(seed, &options);
        let open = |graph: &Snapshot| read(&graph.to_json(), false, 1).expect("well-formed");
        exercise_pair(&open(&old), &open(&young));
    }
}

#[test]
fn every_truncation_is_salvaged_or_refused() {
    for seed in [1, 5, 9] {
        let options = RandomOptions { max_nodes: 20, ..RandomOptions::default() };
        let whole = random_graph(seed, &options).to_json();
        // The closing brace and the line feed after it are no loss.
        for end in 0..whole.len() - 2 {
            let cut = &whole[..end];
            assert!(read(cut, false, 1).is_err(), "seed {seed} cut at {end} is not whole");
            if let Ok(snapshot) = read(cut, true, 1) {
                assert!(snapshot.salvage().is_some(), "seed {seed} cut at {end}: something is lost");
                snapshot.analysis(Model::Devtools).prepare();
                if end % 64 == 0 {
                    exercise(&snapshot);
                }
            }
        }
    }
}

#[test]
fn spoiled_files_are_refused_with_a_position_or_read() {
    for variant in [Variant::Node20, Variant::Node22] {
        let (mut graph, _, gc_roots, global) = Snapshot::with_roots(variant);
        for i in 0..5 {
            let node = graph.node("object", "Thing", 24);
            graph.edge(gc_roots, "element", i, node);
            graph.property(global, "thing", node);
        }
        let good = graph.to_json();
        for damage in Damage::ALL {
            let outcome = match read(&damage.apply(&good), false, 1) {
                Ok(snapshot) => {
                    exercise(&snapshot);
                    if snapshot.completeness().is_whole() {
                        Expectation::Harmless
                    } else {
                        Expectation::Reported
                    }
                }
                Err(error) => {
                    assert!(error.position().is_some(), "{damage:?}: {error} does not say where");
                    Expectation::Refused
                }
            };
            assert_eq!(outcome, damage.outcome(), "{damage:?}");
        }
    }
}

#[test]
fn mutated_files_bring_nothing_down() {
    let mut rng = Rng::new(2026);
    for seed in 0..1500 {
        let options = RandomOptions { max_nodes: 40, hostile: true, ..RandomOptions::default() };
        let bad = mutate(&random_graph(seed, &options).to_json(), &mut rng);
        for salvage in [false, true] {
            if let Ok(snapshot) = read(&bad, salvage, 1)
                && snapshot.node_count() <= 500
            {
                exercise(&snapshot);
            }
        }
    }
}

#[test]
fn workloads_are_answered_as_they_promise() {
    for shape in [
        WorkloadShape::Mixed,
        WorkloadShape::LinkedList,
        WorkloadShape::Strings,
        WorkloadShape::Maps,
        WorkloadShape::Closures,
        WorkloadShape::Wide,
    ] {
        for variant in [Variant::Node20, Variant::Node22, Variant::Node24, Variant::Node26, Variant::Chrome] {
            let before = Workload::with_units(shape, 3, 500).variant(variant);
            let after = before.clone().after();
            let [old, young] = [&before, &after].map(|workload| {
                let snapshot =
                    read(&workload.write(Vec::new()).expect("memory takes it"), false, 2).expect("whole");
                let expected = workload.expected();
                let analysis = snapshot.analysis(Model::Devtools);
                assert_eq!(u64::from(snapshot.node_count()), expected.nodes);
                assert_eq!(u64::from(snapshot.edge_count()), expected.edges);
                assert_eq!(analysis.statistics().total, expected.total_size);
                let table = analysis.classes(None);
                let row = table.rows.iter().find(|row| row.name == expected.planted_class).expect("planted");
                assert_eq!(
                    (row.count, row.retained_size),
                    (expected.planted_count, expected.planted_retained),
                    "{shape:?} {variant:?}"
                );
                snapshot
            });
            let expected = after.expected();
            let (a, b) = (old.analysis(Model::Devtools), young.analysis(Model::Devtools));
            let comparison = stillheap_analysis::compare(&a, &b, stillheap_analysis::Matching::Auto);
            let row = comparison.rows.iter().find(|row| row.name == expected.planted_class).expect("planted");
            assert_eq!(
                (row.added_count, row.removed_count),
                (expected.planted_added, expected.planted_removed)
            );
        }
    }
}

/// Nothing may recurse over the graph: a list of a million nodes is a million deep in every walk.
#[test]
fn a_list_of_a_million_overflows_no_stack() {
    let workload = Workload::with_units(WorkloadShape::LinkedList, 1, 1_000_000);
    let bytes = workload.write(Vec::new()).expect("memory takes it");
    // A thread with the smallest stack that the standard library itself gets along with.
    let small = std::thread::Builder::new().stack_size(128 * 1024);
    let answered = small.spawn(move || {
        let snapshot = read(&bytes, false, 1).expect("whole");
        let analysis = snapshot.analysis(Model::Devtools);
        analysis.prepare();
        let row = analysis.classes(None).rows.iter().find(|row| row.name == "ListNode").cloned();
        row.map(|row| (row.count, row.retained_size))
    });
    let answered = answered.expect("a thread starts").join().expect("it does not die");
    assert_eq!(answered, Some((1_000_000, 32_000_000)));
}
