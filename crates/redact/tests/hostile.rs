//! No secret survives, whatever the file says about itself.

#[path = "hostile/mod.rs"]
mod hostile;

use hostile::{SECRET, check, make, redact};

/// Bytes that look random; the same for the same seed (splitmix64).
fn bytes(seed: u64) -> Vec<u8> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb) ^ (z >> 31)
    };
    let len = 40 + (next() % 400) as usize;
    (0..len).map(|_| next() as u8).collect()
}

#[test]
fn ten_thousand_files() {
    let mut redacted = 0;
    for seed in 0..10_000 {
        let bytes = bytes(seed);
        let refused = make(&bytes).refused;
        redacted += u32::from(!refused);
        if let Err(panic) = std::panic::catch_unwind(|| check(&bytes)) {
            eprintln!("seed {seed}");
            std::panic::resume_unwind(panic);
        }
    }
    assert!(redacted > 4000, "{redacted} of them are redacted");
}

fn snapshot(meta: &str, nodes: &str, edges: &str, strings: &str) -> String {
    format!(r#"{{"snapshot":{{"meta":{meta}}},"nodes":[{nodes}],"edges":[{edges}],"strings":[{strings}]}}"#)
}

const META: &str = r#"{"node_fields":["type","name","id","self_size","edge_count"],
    "node_types":[["string","external string","object","number"],"string","number","number","number"],
    "edge_fields":["type","name_or_index","to_node"],
    "edge_types":[["internal","property","portal"],"string_or_number","node"]}"#;

#[test]
fn a_node_type_of_another_v8_is_a_value() {
    let json = snapshot(META, "1,0,1,8,0", "", r#""hunter2 Jane Doe, Acme Bank""#);
    let redacted = redact(&json, 7).unwrap();
    assert!(!redacted.contains("hunter2") && !redacted.contains("external"), "{redacted}");
    let json = snapshot(META, "9,0,1,8,0", "", r#""hunter2 Jane Doe, Acme Bank""#);
    assert!(!redact(&json, 7).unwrap().contains("hunter2"), "a type beyond the list");
}

#[test]
fn an_edge_type_of_another_v8_is_refused() {
    for kind in [2, 3] {
        let json = snapshot(META, "2,0,1,8,1", &format!("{kind},0,0"), r#""a""#);
        let error = redact(&json, 7).unwrap_err().to_string();
        assert!(error.contains("an edge has a type that is not known"), "{error}");
    }
}

#[test]
fn what_stands_where_a_length_should_is_a_value() {
    let strings = format!(r#""text","length","int","value","{SECRET}","12""#);
    // A string with a number as its length, which has another string as its value.
    let file = |value: u32| {
        let nodes = format!("0,0,1,8,1, 3,2,3,8,1, 0,{value},5,8,0");
        snapshot(META, &nodes, "0,1,5, 0,3,10", &strings)
    };
    assert!(!redact(&file(4), 7).unwrap().contains(SECRET));
    assert!(redact(&file(5), 7).unwrap().contains("\"12\""), "a length stays");
}

#[test]
fn rows_without_fields_are_refused() {
    let json = snapshot(META, "2,0,1,8,0", "", r#""a""#)
        .replace(",\"strings\"", r#","locations":[1,2,3,4],"strings""#);
    let error = redact(&json, 7).unwrap_err().to_string();
    assert!(error.contains("names 0 fields for a row of \"locations\""), "{error}");
    let empty = json.replace("[1,2,3,4]", "[]");
    assert!(redact(&empty, 7).is_ok());
    let tree = json.replace(r#""locations":[1,2,3,4]"#, r#""trace_tree":[1,0,1,1,[]]"#);
    assert!(redact(&tree, 7).unwrap_err().to_string().contains("not known"));
}
