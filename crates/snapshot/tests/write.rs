//! What is written comes back when it is read.

use std::collections::BTreeSet;
use std::io::{self, Cursor};

use stillheap_graph::types::{edge, has_string_name, node};
use stillheap_graph::{Graph, HeaderSpec, Location, NewNode, SnapshotData};
use stillheap_snapshot::{NodeWriter, ReadOptions};
use stillheap_testing::devtools;

fn read(file: Vec<u8>) -> SnapshotData {
    stillheap_snapshot::read(Cursor::new(file), ReadOptions { salvage: false, ..ReadOptions::default() })
        .unwrap()
}

fn write(data: &SnapshotData) -> io::Result<Vec<u8>> {
    let graph = &data.graph;
    let strings = &graph.strings;
    // Reading has given detached nodes names of their own, behind the file's.
    let renamed: BTreeSet<u32> = (0..graph.node_count())
        .filter(|&n| is_detached(graph, n))
        .map(|n| graph.node_name[n as usize])
        .collect();
    let in_file = strings.len() - renamed.len() as u32;
    let original = |n: u32| match graph.node_name[n as usize] {
        name if name < in_file => name,
        name => {
            (0..in_file).find(|&i| [b"Detached ", strings.bytes(i)].concat() == strings.bytes(name)).unwrap()
        }
    };
    let mut header = HeaderSpec {
        nodes: graph.node_count() as u64,
        edges: graph.edge_count() as u64,
        trace_ids: !graph.node_trace.is_empty(),
        ..HeaderSpec::default()
    };
    header.entries.insert("stillheap".to_owned(), serde_json::json!({ "pid": 12 }));
    let mut nodes = NodeWriter::new(Vec::new(), header)?;
    for n in 0..graph.node_count() {
        let new = NewNode {
            node_type: graph.node_type[n as usize],
            name: original(n),
            id: graph.id(n),
            self_size: graph.size(n),
            detachedness: graph.detachedness(n),
            trace_id: graph.node_trace.get(n as usize).copied().unwrap_or(0),
        };
        nodes.write(&new, graph.edges(n).len() as u32)?;
    }
    let mut edges = nodes.edges()?;
    for e in 0..graph.edge_count() as usize {
        edges.write(graph.edge_type[e], graph.edge_name[e], graph.edge_to[e])?;
    }
    let mut locations = edges.locations()?;
    for (row, &node) in graph.location_nodes.iter().enumerate() {
        locations.write(node, graph.locations.get(row).unwrap())?;
    }
    let mut texts = locations.strings()?;
    for index in 0..in_file {
        texts.write(strings.bytes(index))?;
    }
    texts.finish()
}

fn is_detached(graph: &Graph, n: u32) -> bool {
    graph.node_type[n as usize] == node::NATIVE && graph.detachedness(n) == 2
}

fn assert_same(what: &str, found: &Graph, expected: &Graph) {
    assert!(found.node_type.to_vec() == expected.node_type.to_vec(), "{what}: node types");
    assert!(found.first_edge.to_vec() == expected.first_edge.to_vec(), "{what}: owners of edges");
    assert!(found.edge_type.to_vec() == expected.edge_type.to_vec(), "{what}: edge types");
    assert!(found.edge_name.to_vec() == expected.edge_name.to_vec(), "{what}: edge names");
    assert!(found.edge_to.to_vec() == expected.edge_to.to_vec(), "{what}: targets");
    assert!(found.node_trace.to_vec() == expected.node_trace.to_vec(), "{what}: trace ids");
    // The names of detached nodes, which reading adds, may come in another order.
    for index in (0..expected.strings.len()).filter(|&i| !expected.strings.bytes(i).starts_with(b"Detached "))
    {
        assert_eq!(found.strings.bytes(index), expected.strings.bytes(index), "{what}: string {index}");
    }
    for n in 0..expected.node_count() {
        assert_eq!((found.id(n), found.size(n)), (expected.id(n), expected.size(n)), "{what}: node {n}");
        assert_eq!(found.name_bytes(n), expected.name_bytes(n), "{what}: node {n}");
        assert_eq!(found.detachedness(n), expected.detachedness(n), "{what}: node {n}");
        assert_eq!(found.location(n), expected.location(n), "{what}: node {n}");
    }
}

#[test]
fn snapshots_of_real_processes_come_back() {
    let names = devtools::names();
    assert!(names.len() >= 5, "{names:?}");
    for name in names {
        let original = read(devtools::text(&name));
        let again = read(write(&original).unwrap());
        assert!(again.completeness.is_whole(), "{name}");
        assert_eq!(again.header.stillheap().unwrap()["pid"], 12);
        assert_same(&name, &again.graph, &original.graph);
    }
}

#[test]
fn odd_texts_and_large_numbers_come_back() {
    let long = "ü\n".repeat(70_000);
    let texts: [(&[u8], &[u8]); 8] = [
        (b"", b""),
        (
            b"quote \" backslash \\ line\nreturn\rtab\tzero\0delete\x7f",
            b"quote \" backslash \\ line\nreturn\rtab\tzero\0delete\x7f",
        ),
        ("größe 名前 🙂 \u{2028}".as_bytes(), "größe 名前 🙂 \u{2028}".as_bytes()),
        // Lone surrogates, as V8 has them.
        (b"\xed\xa0\x80 \xed\xbf\xbf", b"\xed\xa0\x80 \xed\xbf\xbf"),
        // No WTF-8 at all.
        (b"a\xff\x80b\xe2\x82", "a\u{fffd}\u{fffd}b\u{fffd}\u{fffd}".as_bytes()),
        (b"\xed\xa0", "\u{fffd}\u{fffd}".as_bytes()),
        (long.as_bytes(), long.as_bytes()),
        (b"end", b"end"),
    ];
    let header = HeaderSpec { nodes: 2, edges: 2, trace_ids: true, ..HeaderSpec::default() };
    let mut nodes = NodeWriter::new(Vec::new(), header).unwrap();
    let large = u64::from(u32::MAX);
    let root = NewNode { node_type: node::SYNTHETIC, name: 7, id: 1, ..NewNode::default() };
    nodes.write(&root, 2).unwrap();
    let other =
        NewNode { node_type: node::OBJECT, name: 6, id: large, self_size: u64::MAX, trace_id: 3, ..root };
    nodes.write(&other, 0).unwrap();
    let mut edges = nodes.edges().unwrap();
    edges.write(edge::ELEMENT, 4_000_000_000, 1).unwrap();
    edges.write(edge::PROPERTY, 2, 0).unwrap();
    let mut locations = edges.locations().unwrap();
    let at = Location { script_id: 5, line: -1, column: 1 << 40 };
    locations.write(1, at).unwrap();
    let mut strings = locations.strings().unwrap();
    for (text, _) in texts {
        strings.write(text).unwrap();
    }
    let graph = read(strings.finish().unwrap()).graph;
    for (index, (_, expected)) in texts.iter().enumerate() {
        assert_eq!(graph.strings.bytes(index as u32), *expected, "{index}");
    }
    assert_eq!((graph.id(1), graph.size(1), graph.node_trace[1]), (large, u64::MAX, 3));
    assert_eq!((graph.edge_name[0], graph.edge_to[0]), (4_000_000_000, 1));
    assert!(!has_string_name(graph.edge_type[0]));
    assert_eq!(graph.location(1), Some(at));
}

/// Writes one node with an edge to itself; `change` breaks something.
fn small(header: HeaderSpec, owned: u32, edges: &[(u8, u32, u32)], strings: usize) -> io::Result<Vec<u8>> {
    let mut nodes = NodeWriter::new(Vec::new(), header)?;
    nodes.write(&NewNode::default(), owned)?;
    let mut rows = nodes.edges()?;
    for &(ty, name, to) in edges {
        rows.write(ty, name, to)?;
    }
    let mut texts = rows.locations()?.strings()?;
    for _ in 0..strings {
        texts.write(b"text")?;
    }
    texts.finish()
}

#[test]
fn a_file_that_its_reader_would_refuse_is_not_ended() {
    let header = || HeaderSpec { nodes: 1, edges: 1, ..HeaderSpec::default() };
    let one = [(edge::PROPERTY, 1, 0)];
    assert!(read(small(header(), 1, &one, 2).unwrap()).completeness.is_whole());
    let wrong = [
        (small(HeaderSpec { nodes: 2, ..header() }, 1, &one, 2), "1 nodes instead of the header's 2"),
        (small(HeaderSpec { nodes: 0, ..header() }, 1, &one, 2), "more nodes than the 0 of the header"),
        (small(header(), 2, &one, 2), "the nodes own 2 edges instead of the header's 1"),
        (small(header(), 1, &[], 2), "0 edges instead of the header's 1"),
        (small(header(), 1, &[one[0], one[0]], 2), "more edges than the 1 of the header"),
        (small(header(), 1, &[(edge::WEAK, 0, 1)], 2), "an edge leads to node 1 of 1"),
        (small(header(), 1, &[(edge::INVISIBLE, 0, 0)], 2), "7 is no type of edges"),
        (small(header(), 1, &one, 1), "a name is string 1 of 1"),
    ];
    for (result, message) in wrong {
        assert_eq!(result.err().unwrap().to_string(), message);
    }
}
