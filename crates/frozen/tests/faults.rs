//! Whatever breaks in the child, and wherever: the file is whole or not there, and what is said of it is true.
#![cfg(all(target_os = "linux", target_env = "gnu", any(target_arch = "x86_64", target_arch = "aarch64")))]

mod common;

use std::sync::atomic::AtomicBool;
use std::time::Instant;

use common::{Double, capture, names, prepare};
use stillheap_frozen::{Ending, fault, watch};

/// One after the other: what is armed is armed for the process.
#[test]
fn at_every_phase() {
    whole_or_not_there();
    a_child_that_may_outlive_removes_its_file();
}

/// Its parent may have been killed in the same moment, and be its parent still.
fn a_child_that_may_outlive_removes_its_file() {
    for (outlive, left) in [(false, 1), (true, 0)] {
        let directory = tempfile::tempdir().unwrap();
        let mut forked = prepare(directory.path(), outlive);
        let mut engine = Double { heap: vec![b'x'; 10_000], first: || Ok(()) };
        assert!(fault::arm("read", "panic", 1));
        forked.fork(Instant::now(), &mut engine).unwrap();
        assert!(matches!(watch(&mut forked, &AtomicBool::new(false), |_| ()), Ending::Again(_)));
        assert_eq!(names(directory.path()).len(), left, "outlive {outlive}");
        assert!(fault::arm("read", "panic", 0));
        drop(forked);
        assert!(names(directory.path()).is_empty(), "outlive {outlive}");
    }
}

fn whole_or_not_there() {
    let points = ["forked", "guest", "confine", "start", "write", "read", "complete", "published", "end"];
    for outlive in [false, true] {
        for point in points {
            for what in ["panic", "kill", "eio", "enospc"] {
                let case = format!("{what} at {point}, outlive {outlive}");
                for times in [1, 9] {
                    let directory = tempfile::tempdir().unwrap();
                    assert!(fault::arm(point, what, times));
                    let outcome = capture(directory.path(), outlive, || Ok(()));
                    assert!(fault::arm(point, what, 0));
                    let left = names(directory.path());
                    match &outcome {
                        Ok(finished) => {
                            assert_eq!(left, ["a"], "{case}");
                            let bytes = std::fs::read(directory.path().join("a")).unwrap();
                            assert_eq!(bytes, vec![b'x'; 10_000], "{case}");
                            assert_eq!(finished.bytes, 10_000, "{case}");
                        }
                        Err(failure) => {
                            assert!(left.is_empty(), "{case}: {left:?} beside '{}'", failure.message);
                            let expected = match what {
                                "eio" if point != "confine" && point != "guest" || point == "write" => "EIO",
                                _ => "",
                            };
                            assert!(failure.code.contains(expected), "{case}: {}", failure.message);
                        }
                    }
                    // What comes after the file has its name, or is complete and needs nothing but one, is no loss.
                    if point == "end" || point == "published" {
                        assert!(outcome.is_ok(), "{case}: {:?}", outcome.err());
                    }
                    // A panic is tried again.
                    if what == "panic" && times == 1 {
                        assert!(outcome.is_ok(), "{case}: {:?}", outcome.err());
                    }
                }
            }
        }
    }
}
