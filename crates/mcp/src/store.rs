//! Snapshots that stay open between calls, so that only the first question waits for the reading.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use stillheap_analysis::Model;
use stillheap_index::IndexOptions;

use stillheap_questions::{Failure, Opened};
use stillheap_snapshot::ReadOptions;

/// Snapshots open at a time.
const MOST_OPEN: usize = 6;
/// Bytes of their files; an open one takes about two and a half times as much.
const MOST_BYTES: u64 = 2_000_000_000;

/// Which file, as it was when it was read.
#[derive(Clone, PartialEq, Eq)]
struct Identity {
    path: PathBuf,
    bytes: u64,
    modified: Option<SystemTime>,
}

struct Entry {
    identity: Identity,
    model: Model,
    opened: Arc<Opened>,
}

/// The open snapshots.
pub struct Store {
    /// The one used last is at the end.
    open: Mutex<Vec<Entry>>,
    index: Option<IndexOptions>,
}

impl Store {
    /// A store whose snapshots have index files as the options say.
    pub fn new(index: Option<IndexOptions>) -> Store {
        Store { open: Mutex::default(), index }
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
        make_room(&mut open, identity.bytes);
        let snapshot = stillheap_index::open(file, ReadOptions::default(), self.index.as_ref())
            .map_err(|error| Failure::of_file(&error, file))?;
        let opened = Arc::new(Opened::new(snapshot, model, file));
        open.push(Entry { identity, model, opened: Arc::clone(&opened) });
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

/// Closes what was used longest ago, until one more has room.
fn make_room(open: &mut Vec<Entry>, bytes: u64) {
    let taken = |open: &[Entry]| open.iter().map(|entry| entry.identity.bytes).sum::<u64>();
    while !open.is_empty() && (open.len() >= MOST_OPEN || taken(open) + bytes > MOST_BYTES) {
        open.remove(0);
    }
}

fn identity(file: &str) -> Result<Identity, Failure> {
    let path = std::path::absolute(file)
        .map_err(|error| Failure::argument(format!("'{file}' is not the path of a file: {error}")))?;
    let Ok(metadata) = std::fs::metadata(&path) else {
        // Reading it will fail, too, and say why.
        return Ok(Identity { path, bytes: 0, modified: None });
    };
    if !metadata.is_file() {
        return Err(Failure::argument(format!("'{file}' is not a regular file")));
    }
    Ok(Identity { path, bytes: metadata.len(), modified: metadata.modified().ok() })
}
