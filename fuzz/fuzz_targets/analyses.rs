//! A graph made of the input's bytes, and every analysis of it in both models.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let graph = stillheap_fuzz::graph(bytes);
    let snapshot = stillheap_fuzz::read(&graph.to_json(), false, 1).expect("the builder writes good files");
    assert_eq!(snapshot.edge_count() as usize, graph.edge_count());
    stillheap_fuzz::exercise(&snapshot);
});
