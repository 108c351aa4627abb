//! A good file with bytes replaced at places that the input gives: nearly right, unlike raw bytes.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (Vec<(u16, u8)>, &[u8])| {
    let mut bytes = stillheap_fuzz::graph(input.1).to_json();
    for (place, byte) in input.0.into_iter().take(16) {
        let at = usize::from(place) % bytes.len();
        bytes[at] = byte;
    }
    for salvage in [false, true] {
        if let Ok(snapshot) = stillheap_fuzz::read(&bytes, salvage, 1)
            && snapshot.node_count() <= 300
        {
            stillheap_fuzz::exercise(&snapshot);
        }
    }
});
