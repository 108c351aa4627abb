//! The child path with an engine that is not V8: the seam holds without Node.
#![cfg(all(target_os = "linux", target_env = "gnu", any(target_arch = "x86_64", target_arch = "aarch64")))]

use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use stillheap_frozen::{Ending, Engine, Forked, Order, Output, watch};
use stillheap_limits::{HeapSize, Need};
use stillheap_protocol::{Compression, Failure, Scratch};
use stillheap_sink::{Destination, Opened};

/// Writes what it holds, in pieces, and then does what `end` does.
struct Double<F> {
    heap: Vec<u8>,
    end: F,
}

impl<F: FnMut() -> Result<(), Failure>> Engine for Double<F> {
    fn runtime(&self) -> Option<usize> {
        None
    }

    fn heap(&self) -> HeapSize {
        HeapSize { ordinary: self.heap.len() as u64, large: 0 }
    }

    fn need(&self, heap: HeapSize, _before: Option<(HeapSize, u64)>, _on_disk: bool) -> Need {
        Need(heap.total())
    }

    fn write(&mut self, out: &mut Output<'_>) -> Result<(), Failure> {
        out.progress().generating(1, 2);
        out.generated(7);
        for piece in self.heap.chunks(1000) {
            out.write(piece)?;
        }
        (self.end)()
    }
}

fn forked(directory: &Path) -> Forked {
    let destination = Destination { path: directory.join("a"), overwrite: false, generated: false };
    let order = Order {
        directory: directory.to_owned(),
        scratch: Scratch::Memory,
        force: false,
        time_limit: Some(Duration::from_secs(60)),
        outlive: false,
        address_space: None,
    };
    let opened = Opened::create(destination, Compression::None).unwrap();
    Forked::prepare(Instant::now(), order, opened, None).unwrap()
}

fn names(directory: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(directory).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

#[test]
fn the_heap_is_written_as_it_was_at_the_fork() {
    let directory = tempfile::tempdir().unwrap();
    let mut forked = forked(directory.path());
    let mut engine = Double { heap: vec![b'x'; 10_000], end: || Ok(()) };
    forked.fork(Instant::now(), &mut engine).unwrap();
    engine.heap.fill(b'y');
    match watch(&mut forked, &AtomicBool::new(false), |_| ()) {
        Ending::Done(done) => {
            let finished = forked.finish(done);
            assert_eq!((finished.nodes, finished.done.bytes, finished.fork.attempts), (7, 10_000, 1));
        }
        Ending::Again(failure) | Ending::Failed(failure) => panic!("{failure}"),
    }
    assert_eq!(std::fs::read(directory.path().join("a")).unwrap(), vec![b'x'; 10_000]);
    assert_eq!(names(directory.path()), ["a"]);
}

#[test]
fn what_the_engine_says_is_told_and_nothing_is_left() {
    let directory = tempfile::tempdir().unwrap();
    let mut forked = forked(directory.path());
    let mut engine =
        Double { heap: vec![1; 10], end: || Err(Failure::own("ERR_STILLHEAP_V8", "can't be read")) };
    forked.fork(Instant::now(), &mut engine).unwrap();
    match watch(&mut forked, &AtomicBool::new(false), |_| ()) {
        Ending::Failed(failure) => assert_eq!(failure.message, "can't be read"),
        Ending::Done(_) | Ending::Again(_) => panic!("it failed"),
    }
    drop(forked);
    assert_eq!(names(directory.path()), Vec::<String>::new());
}
