//! An index file with bytes replaced, whose checksums count as right: it may lie, but neither crash nor hang.
#![no_main]

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::{Duration, SystemTime};

use libfuzzer_sys::fuzz_target;
use stillheap_index::{IndexOptions, IndexStatus, Indexed};
use stillheap_snapshot::ReadOptions;

/// The snapshot's file, and its index as it was written.
struct Case {
    snapshot: PathBuf,
    index: PathBuf,
    good: Vec<u8>,
}

fn open(snapshot: &Path) -> Indexed {
    let index = IndexOptions { smallest: 0, ..IndexOptions::default() };
    let options = ReadOptions { threads: 1, ..ReadOptions::default() };
    stillheap_index::open(snapshot, options, Some(&index)).expect("the snapshot itself is good")
}

fn case() -> Case {
    let folder = std::env::temp_dir().join(format!("stillheap-fuzz-index-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    let snapshot = folder.join("a.heapsnapshot");
    let bytes: Vec<u8> = (0..1500_u32).map(|n| (n * n / 7 + n) as u8).collect();
    fs::write(&snapshot, stillheap_fuzz::graph(&bytes).to_json()).unwrap();
    // One that was written just now gets no index.
    let file = OpenOptions::new().append(true).open(&snapshot).unwrap();
    file.set_modified(SystemTime::now() - Duration::from_secs(3600)).unwrap();
    let status = open(&snapshot).write_index();
    assert!(matches!(status, IndexStatus::Written(_)), "{status:?}");
    let index = folder.join(".a.heapsnapshot.stillheap-index");
    let good = fs::read(&index).unwrap();
    Case { snapshot, index, good }
}

fuzz_target!(|input: (Vec<(u16, u8)>, Option<u16>)| {
    static CASE: OnceLock<Case> = OnceLock::new();
    let case = CASE.get_or_init(case);
    let mut bytes = case.good.clone();
    for (place, byte) in input.0.into_iter().take(16) {
        let at = usize::from(place) % bytes.len();
        bytes[at] = byte;
    }
    bytes.truncate(input.1.map_or(usize::MAX, usize::from));
    let file = File::options().write(true).create(true).truncate(true).open(&case.index).unwrap();
    file.write_all_at(&bytes, 0).unwrap();
    let snapshot = open(&case.snapshot);
    stillheap_fuzz::ask_all(&stillheap_fuzz::opened(snapshot));
});
