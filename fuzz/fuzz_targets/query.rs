//! Expressions of the query language, asked of one small graph: an answer or a mistake with its place.
#![no_main]

use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;
use stillheap_questions::Opened;

fuzz_target!(|expression: &str| {
    static OPENED: OnceLock<Opened> = OnceLock::new();
    let opened = OPENED.get_or_init(|| {
        let bytes: Vec<u8> = (0..1500_u32).map(|n| (n * n / 7 + n) as u8).collect();
        let file = stillheap_fuzz::graph(&bytes).to_json();
        let snapshot = stillheap_fuzz::read(&file, false, 1).expect("the builder writes good files");
        stillheap_fuzz::opened(snapshot)
    });
    let request = serde_json::json!({ "expression": expression, "all": true, "limit": 5 });
    if let Err(failure) = stillheap_questions::answer(opened, "query", &request.to_string()) {
        assert_ne!(failure.code, "ERR_STILLHEAP_INTERNAL", "{}", failure.message);
    }
});
