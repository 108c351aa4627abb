//! The index: a file that makes reopening a snapshot instant.
//!
//! It holds the graph's columns and the passes' results, packed in blocks with a checksum each, so that a question
//! reads the few blocks that it needs. It belongs to one state of one snapshot (see `identity`) and to one version
//! of this crate; whatever does not fit is ignored, and written anew after the next question.
//!
//! The file: a head of 48 bytes (magic, position, length and checksum of the facts, checksum of the head), the blocks
//! in no particular order, and the facts. It is written under a temporary name, readable by its owner only since
//! it holds the same secrets as the snapshot, and renamed when it is whole; so readers see all of it or nothing, and
//! of two writers the later one wins. What a killed writer leaves under a temporary name, the next one removes. It is trusted as much as the folder that it lies in: a forged one can lie,
//! but neither crash nor hang the reader.
//!
//! Time: some nanoseconds per value when written, on all cores. Size: 30 to 40 bytes per node and 8 to 10 per edge, and
//! the strings.

mod codec;
mod facts;
mod identity;
mod load;
mod sections;
mod source;
mod write;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use xxhash_rust::xxh3::{xxh3_64, xxh3_128};

pub(crate) use identity::Identity;
pub(crate) use load::load;
pub(crate) use sections::Section;
pub(crate) use source::Source;

const MAGIC: [u8; 16] = *b"stillheap index\n";
const HEAD: usize = 48;
/// Largest facts that are believed: a hundred bytes for each of ten million classes.
const MOST_FACTS: u64 = 1 << 30;

/// Whether bytes have their checksum. While fuzzing they all have: what is in a block of a forged file must be met
/// by the code behind this.
#[allow(unexpected_cfgs, reason = "cargo-fuzz sets it")]
fn is_intact(bytes: &[u8], checksum: u64) -> bool {
    cfg!(fuzzing) || xxh3_64(bytes) == checksum
}

/// Whether and where an index is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IndexOptions {
    /// Where the file is.
    pub place: IndexPlace,
    /// Smaller snapshots have none, in bytes: they open fast enough. 16 MiB by default.
    pub smallest: u64,
}

impl Default for IndexOptions {
    fn default() -> Self {
        IndexOptions { place: IndexPlace::default(), smallest: 16 << 20 }
    }
}

/// Where index files are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum IndexPlace {
    /// In the snapshot's folder, as `.NAME.stillheap-index`.
    #[default]
    Beside,
    /// In this folder, which is made if need be, under a name that stands for the snapshot's whole path.
    Directory(PathBuf),
}

/// What has become of a snapshot's index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IndexStatus {
    /// None was asked for, or the input cannot have one: not a file, or a small one.
    Off,
    /// There is none that fits; why. [`crate::Snapshot::write_index`] makes one.
    Missing(String),
    /// The answers come from it.
    Used,
    /// The answers come from it, but parts of it were damaged and came from the snapshot instead.
    Damaged,
    /// Parts of it were damaged, and the snapshot could not be read again: **answers given are not right**.
    Lost,
    /// It has been written; its size in bytes.
    Written(u64),
    /// It could not be written, or must not be; why.
    NotWritten(String),
}

/// What a snapshot knows about its index.
pub(crate) struct Keeper {
    /// Where it is or should be; None: not at all.
    wanted: Option<Wanted>,
    /// The index in use.
    source: Option<std::sync::Arc<Source>>,
    status: Mutex<IndexStatus>,
}

/// An index that is wanted.
pub(crate) struct Wanted {
    path: PathBuf,
    snapshot: File,
    identity: Identity,
}

impl Keeper {
    pub(crate) fn off() -> Keeper {
        Keeper { wanted: None, source: None, status: Mutex::new(IndexStatus::Off) }
    }

    pub(crate) fn missing(wanted: Wanted, why: &str) -> Keeper {
        Keeper {
            wanted: Some(wanted),
            source: None,
            status: Mutex::new(IndexStatus::Missing(why.to_owned())),
        }
    }

    pub(crate) fn status(&self) -> IndexStatus {
        match &self.source {
            Some(source) if source.lost() => return IndexStatus::Lost,
            Some(source) if source.damaged() => return IndexStatus::Damaged,
            _ => {}
        }
        self.status.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).clone()
    }

    pub(crate) fn write(&self, snapshot: &crate::Snapshot) -> IndexStatus {
        let Some(wanted) = &self.wanted else { return self.status() };
        let mut status = self.status.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if matches!(*status, IndexStatus::Missing(_)) {
            *status = match write::write(wanted, snapshot) {
                Ok(bytes) => IndexStatus::Written(bytes),
                Err(why) => IndexStatus::NotWritten(why),
            };
        }
        status.clone()
    }
}

impl Wanted {
    /// None if the options or the file speak against an index.
    pub(crate) fn new(path: &Path, file: &File, options: Option<&IndexOptions>) -> Option<Wanted> {
        let options = options?;
        let meta = file.metadata().ok().filter(|meta| meta.is_file() && meta.len() >= options.smallest)?;
        if meta.len() == 0 {
            return None;
        }
        let index = match &options.place {
            IndexPlace::Beside => {
                let mut name = std::ffi::OsString::from(".");
                name.push(path.file_name()?);
                name.push(".stillheap-index");
                path.with_file_name(name)
            }
            IndexPlace::Directory(directory) => {
                let whole = std::path::absolute(path).ok()?;
                let name = xxh3_128(whole.as_os_str().as_encoded_bytes());
                directory.join(format!("{name:032x}.stillheap-index"))
            }
        };
        let identity = Identity::of(file).ok()?;
        Some(Wanted { path: index, snapshot: file.try_clone().ok()?, identity })
    }
}
