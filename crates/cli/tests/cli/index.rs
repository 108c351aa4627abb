//! The index file as the command line uses it; what it does to answers is tested in the core.

use std::fs::{self, File, OpenOptions};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use stillheap_analysis::Model;
use stillheap_index::{IndexOptions, IndexPlace};
use stillheap_questions::{DiffRequest, LeaksRequest, Opened, Scripts, answer, diff, leaks};
use stillheap_report::OutputFile;
use stillheap_snapshot::ReadOptions;
use stillheap_synth::{Workload, WorkloadShape};

use crate::scratch::Scratch;
use crate::stillheap;

/// Just large enough to get an index.
const SIZE: u64 = 17 << 20;

/// A snapshot that was written an hour ago: one written just now gets no index.
fn snapshot(scratch: &Scratch, seed: u64) -> PathBuf {
    let path = PathBuf::from(scratch.at("a.heapsnapshot"));
    Workload::with_bytes(WorkloadShape::Mixed, seed, SIZE).write(File::create(&path).unwrap()).unwrap();
    assert!(fs::metadata(&path).unwrap().len() >= 16 << 20);
    let then = SystemTime::now() - Duration::from_secs(3600);
    OpenOptions::new().append(true).open(&path).unwrap().set_modified(then).unwrap();
    path
}

fn summary(path: &Path, args: &[&str], environment: &[(&str, &str)]) -> serde_json::Value {
    let path = path.to_str().unwrap();
    let mut command = stillheap(&[&["summary", path, "--json", "--limit", "50"], args].concat());
    for name in ["STILLHEAP_INDEX", "STILLHEAP_NO_INDEX", "STILLHEAP_INDEX_DIR"] {
        command.env_remove(name);
    }
    let output = command.envs(environment.iter().copied()).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).unwrap();
    let mut names: Vec<String> = entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn it_is_kept_where_one_wants_it_or_not_at_all() {
    let scratch = Scratch::new("index-place");
    let path = snapshot(&scratch, 1);
    let index = PathBuf::from(scratch.at(".a.heapsnapshot.stillheap-index"));
    let expected = summary(&path, &[], &[]);
    assert!(!index.exists(), "nobody has asked for one");
    type Asked = (&'static [&'static str], &'static [(&'static str, &'static str)]);
    let refused: [Asked; 4] = [
        (&["--no-index"], &[("STILLHEAP_INDEX", "1")]),
        (&["--index"], &[("STILLHEAP_NO_INDEX", "1")]),
        (&[], &[("STILLHEAP_NO_INDEX", "1"), ("STILLHEAP_INDEX_DIR", "/nowhere")]),
        (&[], &[("STILLHEAP_INDEX", "0")]),
    ];
    for (args, environment) in refused {
        assert_eq!(summary(&path, args, environment), expected);
        assert!(!index.exists(), "{args:?} {environment:?}");
    }
    let folder = scratch.at("all");
    assert_eq!(summary(&path, &[], &[("STILLHEAP_INDEX_DIR", &folder)]), expected);
    assert_eq!(names(Path::new(&folder)).len(), 1);
    assert!(!index.exists(), "STILLHEAP_INDEX_DIR has it");
    assert_eq!(summary(&path, &[], &[("STILLHEAP_INDEX", "1"), ("STILLHEAP_NO_INDEX", "0")]), expected);
    assert!(index.exists());
    fs::remove_file(&index).unwrap();
    assert_eq!(summary(&path, &["--index"], &[]), expected);
    assert_eq!(summary(&path, &["--index"], &[]), expected);
    assert_eq!(names(path.parent().unwrap()), [".a.heapsnapshot.stillheap-index", "a.heapsnapshot", "all"]);
}

#[test]
fn one_that_is_damaged_or_of_another_file_changes_no_answer() {
    let scratch = Scratch::new("index-damage");
    let path = snapshot(&scratch, 1);
    let index = PathBuf::from(scratch.at(".a.heapsnapshot.stillheap-index"));
    let expected = summary(&path, &["--index"], &[]);
    let mut bytes = fs::read(&index).unwrap();
    for at in (100..bytes.len()).step_by(20_000) {
        bytes[at] ^= 0x55;
    }
    fs::write(&index, &bytes).unwrap();
    assert_eq!(summary(&path, &["--index"], &[]), expected);
    fs::write(&index, &bytes[..bytes.len() / 2]).unwrap();
    assert_eq!(summary(&path, &["--index"], &[]), expected);
    // Another snapshot under the same name, beside the index of the first.
    summary(&path, &["--index"], &[]);
    let path = snapshot(&scratch, 2);
    let other = summary(&path, &[], &[]);
    assert_ne!(other, expected);
    assert_eq!(summary(&path, &["--index"], &[]), other);
}

#[test]
fn nothing_is_answered_out_of_lost_blocks() {
    let scratch = Scratch::new("index-lost");
    let path = snapshot(&scratch, 1);
    summary(&path, &["--index"], &[]);
    let index = IndexOptions { place: IndexPlace::Beside, ..IndexOptions::default() };
    let open = || {
        let snapshot = stillheap_index::open(&path, ReadOptions::default(), Some(&index)).unwrap();
        Opened::new(snapshot, Model::Devtools, "a.heapsnapshot")
    };
    let all = [open(), open()];
    for file in [scratch.at(".a.heapsnapshot.stillheap-index"), scratch.at("a.heapsnapshot")] {
        OpenOptions::new().write(true).open(file).unwrap().set_len(10).unwrap();
    }
    let files: Vec<&Opened> = all.iter().collect();
    let place = OutputFile { output: scratch.at("report.html").into(), overwrite: false };
    let scripts = Scripts::new(None);
    let refused = [
        answer(files[0], "containment", "{}").err(),
        diff(&files, &DiffRequest::default()).err(),
        leaks(&files, &LeaksRequest::default(), &scripts).err(),
        stillheap_report::write(&files, false, &place, &scripts).err(),
    ];
    for (question, failure) in refused.into_iter().enumerate() {
        let failure = failure.unwrap_or_else(|| panic!("question {question} was answered"));
        assert_eq!(failure.code, "EIO");
        assert!(failure.message.starts_with("a.heapsnapshot: "), "{}", failure.message);
    }
    assert!(!place.output.exists(), "no page is written");
}
