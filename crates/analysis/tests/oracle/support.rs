//! Where the oracle is and how to read it.

use std::io::Read;
use std::path::PathBuf;

use serde_json::Value;
use stillheap_analysis::Snapshot;
use stillheap_snapshot::ReadOptions;

/// The oracle's folder: `$STILLHEAP_SHARED/oracle`, by default `../shared/oracle` beside the repository.
pub fn oracle() -> PathBuf {
    let shared = std::env::var_os("STILLHEAP_SHARED")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared"), PathBuf::from);
    let oracle = shared.join("oracle");
    assert!(
        oracle.join("README.md").exists(),
        "the oracle is not at {}: set STILLHEAP_SHARED to the folder that holds oracle/",
        oracle.display()
    );
    oracle
}

pub fn gunzip(path: &std::path::Path) -> Vec<u8> {
    let mut out = Vec::new();
    let file = std::fs::File::open(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    flate2::read::GzDecoder::new(file).read_to_end(&mut out).unwrap();
    out
}

pub fn expected(name: &str) -> Value {
    let path = oracle().join("expected").join(name);
    let text = std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    serde_json::from_slice(&text).unwrap()
}

pub fn open(name: &str) -> Snapshot {
    stillheap_snapshot::open(
        oracle().join("snapshots").join(format!("{name}.heapsnapshot.gz")),
        Default::default(),
    )
    .map(Snapshot::new)
    .unwrap()
}

pub fn parse(bytes: Vec<u8>) -> stillheap_analysis::Result<Snapshot> {
    stillheap_snapshot::read(std::io::Cursor::new(bytes), ReadOptions::default()).map(Snapshot::new)
}

/// Name and contents of every file of fuzz.tar.gz.
pub fn fuzz_files() -> Vec<(String, Vec<u8>)> {
    let tar = gunzip(&oracle().join("fuzz.tar.gz"));
    let mut files = Vec::new();
    let mut at = 0;
    while at + 512 <= tar.len() && tar[at] != 0 {
        let header = &tar[at..at + 512];
        let text = |range: std::ops::Range<usize>| {
            let field = &header[range];
            let end = field.iter().position(|b| *b == 0).unwrap_or(field.len());
            String::from_utf8_lossy(&field[..end]).trim().to_owned()
        };
        let size = usize::from_str_radix(&text(124..136), 8).unwrap();
        at += 512;
        if header[156] == b'0' || header[156] == 0 {
            let name = text(0..100);
            let name = name.rsplit('/').next().unwrap().to_owned();
            files.push((name, tar[at..at + size].to_vec()));
        }
        at += size.div_ceil(512) * 512;
    }
    files
}
