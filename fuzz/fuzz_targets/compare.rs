//! Two graphs made of the input's bytes, compared in every way.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (&[u8], &[u8])| {
    let open = |bytes| {
        let graph = stillheap_fuzz::graph(bytes);
        stillheap_fuzz::read(&graph.to_json(), false, 1).expect("the builder writes good files")
    };
    stillheap_fuzz::exercise_pair(&open(input.0), &open(input.1));
});
