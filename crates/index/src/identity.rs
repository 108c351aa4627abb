//! Which file an index belongs to.
//!
//! Size, time of change to the nanosecond, inode, and a checksum of samples of the contents: the first and last
//! 128 KB and 64 blocks of 8 KB spread over the rest. A change that keeps all four goes unnoticed; it takes somebody
//! who edits a few bytes in place and then sets the time back. Reading it all would find that too, but would
//! take longer than everything else that is done with the index.

use std::fs::{File, Metadata};
use std::io;
use std::time::{SystemTime, UNIX_EPOCH};

use xxhash_rust::xxh3::Xxh3;

use crate::files::read_exact_at;

const ENDS: u64 = 128 << 10;
const SAMPLE: u64 = 8 << 10;
const SAMPLES: u64 = 64;

/// A change within this time before reading might not show in the file's time.
const CLOCK_TICK_NS: i128 = 50_000_000;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) size: u64,
    /// Nanoseconds since 1970.
    pub(crate) modified: i64,
    pub(crate) inode: u64,
    pub(crate) samples: u64,
}

impl Identity {
    pub(crate) fn of(file: &File) -> io::Result<Identity> {
        let meta = file.metadata()?;
        Ok(Identity {
            size: meta.len(),
            modified: nanoseconds(meta.modified()?),
            inode: inode(&meta),
            samples: samples(file, meta.len())?,
        })
    }

    /// Whether the file was changed so shortly before now that a further change might keep its time.
    pub(crate) fn is_fresh(&self) -> bool {
        (nanoseconds(SystemTime::now()) as i128 - self.modified as i128).abs() < CLOCK_TICK_NS
    }
}

fn nanoseconds(time: SystemTime) -> i64 {
    match time.duration_since(UNIX_EPOCH) {
        Ok(since) => since.as_nanos() as i64,
        Err(before) => -(before.duration().as_nanos() as i64),
    }
}

#[cfg(unix)]
fn inode(meta: &Metadata) -> u64 {
    std::os::unix::fs::MetadataExt::ino(meta)
}

#[cfg(not(unix))]
fn inode(_: &Metadata) -> u64 {
    0
}

fn samples(file: &File, size: u64) -> io::Result<u64> {
    let mut hash = Xxh3::new();
    let mut buffer = vec![0; ENDS as usize];
    let mut take = |from: u64, len: u64| -> io::Result<()> {
        let part = &mut buffer[..len.min(size - from) as usize];
        read_exact_at(file, part, from)?;
        hash.update(part);
        Ok(())
    };
    take(0, ENDS)?;
    take(size.saturating_sub(ENDS), ENDS)?;
    for i in 1..=SAMPLES {
        take(size / (SAMPLES + 1) * i, SAMPLE)?;
    }
    Ok(hash.digest())
}
