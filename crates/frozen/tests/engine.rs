//! The child path with an engine that is not V8: the seam holds without Node.
#![cfg(all(target_os = "linux", target_env = "gnu", any(target_arch = "x86_64", target_arch = "aarch64")))]

mod common;

use std::sync::atomic::AtomicBool;
use std::time::Instant;

use common::{Double, capture, names, prepare};
use stillheap_frozen::{Ending, watch};
use stillheap_protocol::Failure;

#[test]
fn the_heap_is_written_as_it_was_at_the_fork() {
    let directory = tempfile::tempdir().unwrap();
    let mut forked = prepare(directory.path(), false);
    let mut engine = Double { heap: vec![b'x'; 10_000], first: || Ok(()) };
    forked.fork(Instant::now(), &mut engine).unwrap();
    engine.heap.fill(b'y');
    assert!(matches!(watch(&mut forked, &AtomicBool::new(false), |_| ()), Ending::Done));
    let finished = forked.finish().unwrap();
    assert_eq!((finished.nodes, finished.bytes, finished.fork.attempts), (7, 10_000, 1));
    assert_eq!(finished.path.as_deref(), Some(&*directory.path().join("a")));
    assert_eq!(std::fs::read(directory.path().join("a")).unwrap(), vec![b'x'; 10_000]);
    assert_eq!(names(directory.path()), ["a"]);
}

#[test]
fn what_the_engine_says_is_told_and_nothing_is_left() {
    let directory = tempfile::tempdir().unwrap();
    let failed = capture(directory.path(), false, || Err(Failure::own("ERR_STILLHEAP_V8", "can't be read")));
    assert_eq!(failed.err().unwrap().message, "can't be read");
    assert_eq!(names(directory.path()), Vec::<String>::new());
}
