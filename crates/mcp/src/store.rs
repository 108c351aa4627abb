//! Snapshots that stay open between calls, so that only the first question waits for the reading.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use stillheap_analysis::Model;
use stillheap_index::IndexOptions;

use stillheap_questions::{Failure, Opened};
use stillheap_snapshot::{ReadLimits, ReadOptions};

/// Snapshots open at a time.
const MOST_OPEN: usize = 6;
/// Bytes of memory that their graphs take; what questions compute comes on top, about as much again.
const MOST_MEMORY: u64 = 2_000_000_000;
/// Text of a snapshot, after decompression, that is read unless the environment allows more.
const MOST_TEXT: u64 = 4_000_000_000;

/// Which file, as it was when it was read.
#[derive(Clone, PartialEq, Eq)]
struct FileIdentity {
    path: PathBuf,
    bytes: u64,
    modified: Option<SystemTime>,
}

struct OpenSnapshot {
    identity: FileIdentity,
    model: Model,
    memory: u64,
    opened: Arc<Opened>,
}

/// The open snapshots.
pub struct Store {
    /// The one used last is at the end.
    open: Mutex<Vec<OpenSnapshot>>,
    index: Option<IndexOptions>,
    limits: ReadLimits,
}

impl Store {
    /// A store whose snapshots have index files as the options say.
    pub fn new(index: Option<IndexOptions>, limits: Option<ReadLimits>) -> Store {
        let limits = limits.unwrap_or(ReadLimits::of(MOST_TEXT));
        Store { open: Mutex::default(), index, limits }
    }

    /// The snapshot, read if it is not open or has changed since. Calls that come meanwhile wait: reading takes
    /// all cores anyway.
    pub fn open(&self, file: &str, model: Model) -> Result<Arc<Opened>, Failure> {
        let identity = identity(file)?;
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.retain(|entry| entry.identity.path != identity.path || entry.identity == identity);
        if let Some(at) = open.iter().position(|e| e.identity == identity && e.model == model) {
            let entry = open.remove(at);
            let opened = Arc::clone(&entry.opened);
            open.push(entry);
            return Ok(opened);
        }
        // A graph takes less than half of its text; how much it is if it is packed shows only afterwards.
        make_room(&mut open, identity.bytes / 2);
        let options = ReadOptions { limits: self.limits, ..ReadOptions::default() };
        let snapshot = stillheap_index::open(file, options, self.index.as_ref())
            .map_err(|error| Failure::of_file(&error, file))?;
        let memory = snapshot.memory() as u64;
        make_room(&mut open, memory);
        let opened = Arc::new(Opened::new(snapshot, model, file));
        open.push(OpenSnapshot { identity, model, memory, opened: Arc::clone(&opened) });
        Ok(opened)
    }

    /// Lets go of a file; whether it was open.
    pub fn close(&self, file: &str) -> bool {
        let path = std::path::absolute(file).unwrap_or_else(|_| PathBuf::from(file));
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let before = open.len();
        open.retain(|entry| entry.identity.path != path);
        open.len() < before
    }
}

/// Closes what was used longest ago, until one more, of this much memory, has room.
fn make_room(open: &mut Vec<OpenSnapshot>, memory: u64) {
    let taken =
        |open: &[OpenSnapshot]| open.iter().map(|entry| entry.memory).fold(memory, u64::saturating_add);
    while !open.is_empty() && (open.len() >= MOST_OPEN || taken(open) > MOST_MEMORY) {
        open.remove(0);
    }
}

fn identity(file: &str) -> Result<FileIdentity, Failure> {
    let path = std::path::absolute(file)
        .map_err(|error| Failure::argument(format!("'{file}' is not the path of a file: {error}")))?;
    let Ok(metadata) = std::fs::metadata(&path) else {
        // Reading it will fail, too, and say why.
        return Ok(FileIdentity { path, bytes: 0, modified: None });
    };
    if !metadata.is_file() {
        return Err(Failure::argument(format!("'{file}' is not a regular file")));
    }
    Ok(FileIdentity { path, bytes: metadata.len(), modified: metadata.modified().ok() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reading_is_limited_unless_the_environment_allows_more() {
        assert_eq!(Store::new(None, None).limits, ReadLimits::of(MOST_TEXT));
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../cli/tests/fixtures/leak.heapsnapshot");
        let refused = Store::new(None, Some(ReadLimits::of(1000))).open(file, Model::Devtools).err().unwrap();
        assert_eq!(refused.code, "ERR_STILLHEAP_READ_LIMIT");
        assert!(
            refused.message.contains("raise the limit with --read-limit or STILLHEAP_READ_LIMIT"),
            "{}",
            refused.message
        );
        assert!(Store::new(None, None).open(file, Model::Devtools).is_ok());
    }
}
