//! Candidate names of shapes.

use super::*;
use stillheap_graph::strings::StringTable;

fn graph(names: &[&str]) -> Graph {
    let mut strings = StringTable::default();
    for name in names {
        strings.push(name.as_bytes());
    }
    Graph { strings, ..Graph::default() }
}

fn name_of(names: &[&str]) -> Option<String> {
    let indices: Vec<u32> = (0..names.len() as u32).collect();
    candidate(&graph(names), &indices).map(|d| String::from_utf8(d.name).unwrap())
}

#[test]
fn names_are_cut_and_quoted() {
    assert_eq!(name_of(&["a", "__proto__", "b c"]).unwrap(), "{a, b c}");
    assert_eq!(name_of(&["a,b", "\"", "é'"]).unwrap(), "{\"a,b\", \"\\\"\", \"é'\"}");
    assert_eq!(name_of(&["__proto__"]), None);
    // The first name always fits; the second one only within 120 UTF-16 units.
    let long = "é".repeat(200);
    assert_eq!(name_of(&[&long, "b"]).unwrap(), format!("{{{long}}}"));
    let (half, rest) = ("x".repeat(60), "y".repeat(59));
    assert_eq!(name_of(&[&half, &rest]).unwrap(), format!("{{{half}, {rest}}}"));
    assert_eq!(name_of(&[&half, &"y".repeat(60)]).unwrap(), format!("{{{half}}}"));
}

#[test]
fn the_largest_subset_wins() {
    let graph = graph(&["a", "b", "c", "a"]);
    let definition = |properties: &[&str]| Definition {
        name: properties.concat().into_bytes(),
        properties: properties.iter().map(|p| p.as_bytes().to_vec()).collect(),
    };
    let objects = PlainObjects {
        sequences: vec![
            Box::new([0, 1, 2]),
            Box::new([1]),
            Box::new([2, 1]),
            Box::new([0]),
            Box::new([0, 3]),
        ],
        ..PlainObjects::default()
    };
    let definitions = [
        definition(&["a"]),
        definition(&["b", "c"]),
        definition(&["c", "b"]),
        definition(&["b"]),
        definition(&["a", "a"]),
        definition(&["a", "d"]),
    ];
    // The last object has two properties whose names are the same text at different places in the table.
    assert_eq!(objects.apply(&graph, &definitions), [1, 3, 1, 0, 4]);
}
