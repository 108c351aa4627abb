//! A good file cut off anywhere: what is left is salvaged, and said to be a part.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (u16, &[u8])| {
    let whole = stillheap_fuzz::graph(input.1).to_json();
    let end = usize::from(input.0) % (whole.len() - 2);
    assert!(stillheap_fuzz::read(&whole[..end], false, 1).is_err(), "cut at {end} of {}", whole.len());
    if let Ok(snapshot) = stillheap_fuzz::read(&whole[..end], true, 1) {
        assert!(snapshot.salvage().is_some(), "cut at {end} of {}", whole.len());
        stillheap_fuzz::exercise(&snapshot);
    }
});
