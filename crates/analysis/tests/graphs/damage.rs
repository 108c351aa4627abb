//! Truncated and malformed files: an answer or an error, never a panic.

use std::sync::atomic::{AtomicBool, Ordering};

use stillheap_analysis::*;
use stillheap_snapshot::ReadOptions;

use super::builder::{Builder, Random, ask_everything, read};

fn sample() -> Builder {
    let mut b = Builder::new();
    let global = b.node("object", "global", 100);
    b.edge(0, "shortcut", "1", global);
    for i in 0..12 {
        let ty = ["object", "concatenated string", "array", "closure", "hidden", "native"][i % 6];
        let n = b.node(ty, ["Object", "system / Context", "Array", "V8EventListener"][i % 4], 8 + i as u64);
        b.edge(global, "property", &format!("p{i}"), n);
        b.edge(n, "internal", ["first", "second", "elements", "context"][i % 4], global);
        b.edge(n, "element", "3", 1 + i / 2);
        b.locations.push((n, 1, i as i64, 2));
    }
    b
}

#[test]
fn every_truncation_is_salvaged_or_refused() {
    let text = sample().json().into_bytes();
    let whole = read(text.clone(), 1).unwrap();
    let closing = text.iter().rposition(|b| *b == b'}').unwrap();
    let (mut salvaged, mut refused) = (0, 0);
    for end in 0..text.len() {
        match read(text[..end].to_vec(), 1) {
            Ok(snapshot) if end > closing => assert!(snapshot.salvage().is_none()),
            Ok(snapshot) => {
                salvaged += 1;
                let salvage = snapshot.salvage().unwrap_or_else(|| panic!("cut at {end}: not noticed"));
                assert_eq!(salvage.position, end as u64);
                assert!(!snapshot.completeness().is_whole());
                assert_eq!(salvage.nodes_expected, Some(whole.node_count() as u64));
                assert!(snapshot.node_count() <= whole.node_count());
                // What is there is what the whole file has there.
                let (a, b) = (snapshot.analysis(Model::Gc), whole.analysis(Model::Gc));
                for n in (0..snapshot.node_count()).map(NodeOrdinal) {
                    assert_eq!((a.id(n), a.self_size(n)), (b.id(n), b.self_size(n)));
                    assert!(
                        a.name(n) == b.name(n)
                            || a.name(n).contains(LOST_STRING)
                            || a.node_type(n) != "string"
                    );
                }
                if end % 7 == 0 {
                    ask_everything(&snapshot);
                }
            }
            Err(error) => {
                refused += 1;
                assert_eq!(error.kind(), ErrorKind::Truncated, "cut at {end}: {error}");
            }
        }
        let options = ReadOptions { salvage: false, ..ReadOptions::default() };
        let strict =
            stillheap_snapshot::read(std::io::Cursor::new(text[..end].to_vec()), options).map(Snapshot::new);
        assert_eq!(strict.is_err(), end <= closing, "cut at {end}");
    }
    assert!(salvaged > 500 && refused > 100, "{salvaged} salvaged, {refused} refused");
}

#[test]
fn truncated_packed_files_are_salvaged() {
    let mut builder = sample();
    for i in 0..30_000 {
        let n = builder.node("object", &format!("Class{}", i * 7919 % 30_011), 8);
        builder.edge(1, "property", "x", n);
    }
    let text = builder.json();
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut gzip, text.as_bytes()).unwrap();
    for packed in [gzip.finish().unwrap(), zstd::encode_all(text.as_bytes(), 1).unwrap()] {
        let snapshot = read(packed[..packed.len() * 2 / 3].to_vec(), 2).unwrap();
        assert!(snapshot.salvage().is_some());
        snapshot.analysis(Model::Devtools).prepare();
    }
}

#[test]
fn random_damage_never_panics() {
    let text = sample().json().into_bytes();
    let mut random = Random(0xdead_beef);
    let (mut read_anyway, mut refused) = (0, 0);
    for round in 0..6000 {
        let mut bytes = text.clone();
        for _ in 0..1 + random.below(3) {
            let at = random.below(bytes.len());
            match random.below(4) {
                0 => bytes[at] = b"0123456789,[]{}\"\\-.e \n\xff"[random.below(22)],
                1 => drop(bytes.remove(at)),
                2 => bytes.insert(at, b"0123456789,[]{}\""[random.below(16)]),
                _ => {
                    let end = (at + random.below(40)).min(bytes.len());
                    let piece = bytes[at..end].to_vec();
                    let to = random.below(bytes.len());
                    bytes.splice(to..to, piece);
                }
            }
        }
        match read(bytes, 1) {
            Ok(snapshot) => {
                read_anyway += 1;
                if round % 4 == 0 {
                    ask_everything(&snapshot);
                }
            }
            Err(error) => {
                refused += 1;
                assert!(matches!(
                    error.kind(),
                    ErrorKind::Malformed
                        | ErrorKind::Truncated
                        | ErrorKind::NotASnapshot
                        | ErrorKind::TooLarge
                ));
                assert!(error.position().is_some(), "{error}");
            }
        }
    }
    assert!(read_anyway > 200 && refused > 1000, "{read_anyway} read, {refused} refused");
}

#[test]
fn errors_say_what_was_expected_and_where() {
    let good = sample().json();
    let cases: [(&str, &str, &str); 8] = [
        ("\"nodes\":[9,", "\"nodes\":[x,", "expected a whole number, found `x`"),
        ("],\n\"trace_function", ",5],\n\"trace_function", "the last edge has 1 of 3 fields"),
        ("\"edges\":[", "\"edge\":[", "the section \"edges\" is missing"),
        ("\"edge_count\",", "\"edges\",", "no field `edge_count`"),
        ("{\"snapshot\"", "[\"snapshot\"", "it starts with `[\"snapshot"),
        ("\"meta\":", "\"beta\":", "no `meta`"),
        ("\"strings\":[\"\"", "\"strings\":[7", "expected a string, found `7`"),
        ("],\n\"strings\"", "]\n\"strings\"", "expected `,` or `}`"),
    ];
    for (from, to, expected) in cases {
        let at = good.find(from).unwrap_or_else(|| panic!("{from}"));
        let error = read(good.replacen(from, to, 1).into_bytes(), 1).map(|_| ()).unwrap_err();
        assert!(error.to_string().contains(expected), "{to}: {error}");
        assert!(error.position().is_some(), "{to}: {error}");
        if expected.contains("found `x`") {
            assert_eq!(error.position(), Some(at as u64 + 9), "{error}");
        }
    }
    let outside = good.replacen("\"edges\":[5,", "\"edges\":[5,1,99999\n,5,", 1);
    assert!(read(outside.into_bytes(), 1).err().unwrap().to_string().contains("an edge to node index 99999"));
}

/// Counts in the header are promises; a small file with large ones must not make us allocate.
#[test]
fn header_counts_are_not_trusted() {
    let text = sample().json();
    let nodes = text.find("\"node_count\":").unwrap();
    let end = text[nodes..].find(',').unwrap() + nodes;
    let lying = format!("{}\"node_count\":999999999999{}", &text[..nodes], &text[end..]);
    let snapshot = read(lying.into_bytes(), 1).unwrap();
    assert!(!snapshot.completeness().counts_match);
    assert_eq!(snapshot.node_count(), 14);
}

/// A snapshot that never ends.
struct Endless<'f> {
    head: &'static [u8],
    read: u64,
    cancel: &'f AtomicBool,
}

impl std::io::Read for Endless<'_> {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        let row = b"1,0,7,0,0\n,";
        for (at, byte) in out.iter_mut().enumerate() {
            let at = self.read as usize + at;
            *byte = match self.head.get(at) {
                Some(&byte) => byte,
                None => row[(at - self.head.len()) % row.len()],
            };
        }
        self.read += out.len() as u64;
        if self.read > 5 << 20 {
            self.cancel.store(true, Ordering::Relaxed);
        }
        assert!(self.read < 32 << 20, "reading goes on");
        Ok(out.len())
    }
}

#[test]
fn reading_can_be_cancelled() {
    let head = br#"{"snapshot":{"meta":{"node_fields":["type","name","id","self_size","edge_count"],"node_types":[["hidden","object"],"string","number","number","number"],"edge_fields":["type","name_or_index","to_node"],"edge_types":[["context"],"string_or_number","node"]}},"nodes":["#;
    for threads in [1, 2] {
        static CANCEL: AtomicBool = AtomicBool::new(false);
        CANCEL.store(false, Ordering::Relaxed);
        let options = ReadOptions { threads, cancel: Some(&CANCEL), ..ReadOptions::default() };
        let endless = Endless { head, read: 0, cancel: &CANCEL };
        let error = stillheap_snapshot::read(endless, options).map(Snapshot::new).err().unwrap();
        assert_eq!(error.kind(), ErrorKind::Cancelled, "{error}");
        // The flag is looked at before anything is read.
        let options = ReadOptions { threads, cancel: Some(&CANCEL), ..ReadOptions::default() };
        let again =
            stillheap_snapshot::read(std::io::Cursor::new(sample().json()), options).map(Snapshot::new);
        assert_eq!(again.err().map(|error| error.kind()), Some(ErrorKind::Cancelled));
    }
}
