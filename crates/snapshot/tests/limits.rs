//! What is larger than it may be ends the reading, wherever in the file the size is hidden.

use std::io::{Cursor, Read, Write};

use stillheap_graph::{Error, ErrorKind, HeaderSpec};
use stillheap_snapshot::{ReadLimits, ReadOptions};

/// A text that goes on without end behind its start.
struct Endless {
    start: Cursor<String>,
    again: &'static [u8],
    /// Bytes of the repetitions.
    given: u64,
}

impl Endless {
    fn new(start: &str, again: &'static str) -> Endless {
        Endless { start: Cursor::new(start.to_owned()), again: again.as_bytes(), given: 0 }
    }
}

impl Read for Endless {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        let n = match self.start.read(out)? {
            0 => {
                let (len, from) = (self.again.len(), self.given as usize);
                out.iter_mut().enumerate().for_each(|(i, byte)| *byte = self.again[(from + i) % len]);
                self.given += out.len() as u64;
                out.len()
            }
            n => n,
        };
        assert!(self.given < 40 << 20, "far more was read than allowed");
        Ok(n)
    }
}

fn header(nodes: u64) -> String {
    format!("{{\"snapshot\":{}", HeaderSpec { nodes, edges: nodes, ..HeaderSpec::default() }.json())
}

fn refused(reader: impl Read + Send + 'static, limits: ReadLimits) -> Error {
    let options = ReadOptions { limits, ..ReadOptions::default() };
    let error = stillheap_snapshot::read(reader, options).err().expect("there is a limit");
    assert_eq!(error.kind(), ErrorKind::OverLimit, "{error}");
    error
}

#[test]
fn text_without_end_is_not_read_to_its_end() {
    let nodes = header(1) + ",\n\"nodes\":[9,0,1,0,0,0],\"edges\":[]";
    let cases = [
        ("white space", Endless::new("", "    ")),
        ("the header", Endless::new("{\"snapshot\":{\"meta\":{\"x\":\"", "....")),
        ("an unknown section", Endless::new(&(header(1) + ",\"x\":["), "1,1,")),
        ("nodes", Endless::new(&(header(1) + ",\"nodes\":["), "9,0,1,0,0,0,")),
        ("edges", Endless::new(&(header(1) + ",\"nodes\":[9,0,1,0,0,0],\"edges\":["), "1,0,0,")),
        ("samples", Endless::new(&(nodes.clone() + ",\"samples\":["), "1,1,")),
        ("the call tree", Endless::new(&(nodes.clone() + ",\"trace_tree\":["), "1,1,1,1,[")),
        ("locations", Endless::new(&(nodes.clone() + ",\"locations\":["), "0,1,1,1,")),
        ("strings", Endless::new(&(nodes.clone() + ",\"strings\":["), "\"a\",")),
        ("one string", Endless::new(&(nodes.clone() + ",\"strings\":[\""), "aaaa")),
        ("what follows the end", Endless::new(&(nodes + ",\"strings\":[\"\"]}"), "    ")),
    ];
    for (what, endless) in cases {
        let error = refused(endless, ReadLimits { bytes: 5 << 20, ..ReadLimits::NONE });
        assert!(error.to_string().contains("5242880 bytes of text"), "{what}: {error}");
    }
}

#[test]
fn a_small_file_that_unpacks_to_a_large_one_is_not_unpacked() {
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all((header(1) + ",\"nodes\":[").as_bytes()).unwrap();
    for _ in 0..400 {
        packed.write_all("9,0,1,0,0,0,".repeat(4_000).as_bytes()).unwrap();
    }
    let packed = packed.finish().unwrap();
    assert!(packed.len() < 1 << 20, "{}", packed.len());
    refused(Cursor::new(packed), ReadLimits::of(8 << 20));
}

#[test]
fn nodes_edges_and_memory_have_limits_of_their_own() {
    let nodes = || Endless::new(&(header(1) + ",\"nodes\":["), "9,0,1,0,0,0,");
    let edges = || Endless::new(&(header(1) + ",\"nodes\":[9,0,1,0,0,0],\"edges\":["), "1,0,0,");
    let strings =
        || Endless::new(&(header(1) + ",\"nodes\":[9,0,1,0,0,0],\"edges\":[],\"strings\":["), "\"a\",");
    let few = |limits: ReadLimits| ReadLimits { bytes: 32 << 20, ..limits };
    let cases = [
        (nodes(), ReadLimits { nodes: 1000, ..ReadLimits::NONE }, "1000 nodes"),
        (edges(), ReadLimits { edges: 2000, ..ReadLimits::NONE }, "2000 edges"),
        (nodes(), ReadLimits { memory: 3 << 20, ..ReadLimits::NONE }, "3145728 bytes of memory"),
        (edges(), ReadLimits { memory: 3 << 20, ..ReadLimits::NONE }, "3145728 bytes of memory"),
        (strings(), ReadLimits { memory: 3 << 20, ..ReadLimits::NONE }, "3145728 bytes of memory"),
    ];
    for (reader, limits, message) in cases {
        let error = refused(reader, few(limits));
        assert!(error.to_string().contains(message), "{error}");
    }
}

#[test]
fn a_header_that_promises_much_takes_no_memory() {
    let text = header(4_000_000_000) + ",\"nodes\":[9,0,1,0,0,0],\"edges\":[],\"strings\":[\"\"]}";
    let options = ReadOptions { limits: ReadLimits::of(1 << 20), ..ReadOptions::default() };
    let data = stillheap_snapshot::read_sized(Box::new(Cursor::new(text)), Some(1000), options).unwrap();
    assert!(data.graph.memory() < 1 << 20);
    assert!(!data.completeness.counts_match);
}
