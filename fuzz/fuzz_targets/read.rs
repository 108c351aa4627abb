//! Raw bytes: whatever stands in a file, the reader gives an answer or an error with a position.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    for salvage in [false, true] {
        if let Ok(snapshot) = stillheap_fuzz::read(bytes, salvage, 1)
            && snapshot.node_count() <= 300
        {
            stillheap_fuzz::exercise(&snapshot);
        }
    }
});
