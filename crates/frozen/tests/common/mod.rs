//! An engine that is not V8, and what runs it in a child.
#![allow(dead_code, reason = "each test uses a part of it")]

use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use stillheap_frozen::{Ending, Engine, Finished, ForkRequest, Forked, Output, watch};
use stillheap_limits::{HeapSize, Need};
use stillheap_protocol::{Compression, Failure, Scratch};
use stillheap_sink::{Destination, OpenedFile};

/// Does what `first` does, as a finalizer would, and then writes what it holds, in pieces.
pub struct Double<F> {
    pub heap: Vec<u8>,
    pub first: F,
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
        (self.first)()?;
        out.generated(7);
        for piece in self.heap.chunks(1000) {
            out.write(piece)?;
        }
        Ok(())
    }
}

pub fn prepare(directory: &Path, outlive: bool) -> Forked {
    let destination = Destination { path: directory.join("a"), overwrite: false, generated: false };
    let order = ForkRequest {
        directory: directory.to_owned(),
        scratch: Scratch::Memory,
        force: false,
        time_limit: Some(Duration::from_secs(60)),
        outlive,
        address_space: None,
    };
    let opened = OpenedFile::create(destination, Compression::None).unwrap();
    Forked::prepare(Instant::now(), order, opened, None).unwrap()
}

/// Captures, with as many children as it takes, three at most.
pub fn capture(
    directory: &Path,
    outlive: bool,
    first: impl FnMut() -> Result<(), Failure>,
) -> Result<Finished, Failure> {
    let mut forked = prepare(directory, outlive);
    let mut engine = Double { heap: vec![b'x'; 10_000], first };
    loop {
        forked.fork(Instant::now(), &mut engine)?;
        match watch(&mut forked, &AtomicBool::new(false), |_| ()) {
            Ending::Done => return forked.finish(),
            Ending::Failed(failure) => return Err(failure),
            Ending::Again(failure) if forked.attempts() == 3 => return Err(failure),
            Ending::Again(failure) => {
                forked.failed(failure.message);
                forked.prepare_again()?;
            }
        }
    }
}

pub fn names(directory: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(directory).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}
