//! "The leak is outside the JavaScript heap": what files say of the process that they are from.

mod program;

use program::{Program, judge};
use stillheap_verdict::{CauseKind, Leaks};

const MB: u64 = 1_000_000;

/// A heap that does not change, in a process of which each file says so much (in MB): from malloc, of Buffers, of V8.
fn verdict(ids: &str, process: [[u64; 3]; 3], nodes: usize) -> Leaks {
    let file = |[allocated, external, malloced]: [u64; 3]| {
        let mut program = Program::new("function handle() {}");
        for _ in 0..nodes {
            let order = program.object("Order", 16);
            program.s.edge(program.scope, "context", "order", order);
        }
        let says = serde_json::json!({
            "objectIds": ids,
            "residentBytes": 100 * MB + allocated * MB,
            "allocatedBytes": allocated * MB,
            "externalBytes": external * MB,
            "mallocedBytes": malloced * MB,
        });
        let json = String::from_utf8(program.s.to_json()).unwrap();
        assert!(json.starts_with("{\"snapshot\":{"));
        json.replacen("{\"snapshot\":{", &format!("{{\"snapshot\":{{\"stillheap\":{says},"), 1).into_bytes()
    };
    judge(process.map(file).to_vec())
}

#[test]
fn what_nothing_owns_is_told_from_what_is_known() {
    let cases = [
        ("native memory", "cleared", [[10, 1, 1], [20, 1, 1], [30, 1, 1]], true),
        ("V8 counts more than malloc gave", "cleared", [[10, 20, 1], [20, 20, 1], [30, 20, 1]], true),
        ("it settles", "cleared", [[10, 1, 1], [30, 1, 1], [31, 1, 1]], false),
        ("too little", "cleared", [[10, 1, 1], [13, 1, 1], [16, 1, 1]], false),
        ("Buffers that are garbage", "cleared", [[10, 1, 1], [20, 11, 1], [30, 21, 1]], false),
        ("V8 compiles", "cleared", [[10, 1, 1], [20, 1, 11], [30, 1, 21]], false),
        // 40,000 nodes: the map of their ids may take 5.1 MB.
        ("a map of object ids", "kept", [[10, 1, 1], [15, 1, 1], [20, 1, 1]], false),
        ("more than a map of object ids", "kept", [[10, 1, 1], [22, 1, 1], [34, 1, 1]], true),
    ];
    for (what, ids, process, leaks) in cases {
        let found = verdict(ids, process, if ids == "kept" { 40_000 } else { 1 });
        assert_eq!(!found.suspects.is_empty(), leaks, "{what}: {}", found.verdict);
        if leaks {
            assert_eq!(found.suspects[0].cause.kind, CauseKind::OutsideHeap);
            assert!(
                found.verdict.starts_with("The leak is outside the JavaScript heap"),
                "{}",
                found.verdict
            );
        }
    }
    let found = verdict("cleared", [[10, 1, 1], [20, 1, 1], [30, 1, 1]], 1);
    assert_eq!(found.heap.outside_sizes, Some(vec![8 * MB, 18 * MB, 28 * MB]));
    assert!(found.verdict.contains("grows by 10.0 MB from snapshot to snapshot"), "{}", found.verdict);
}
