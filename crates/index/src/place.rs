//! Where an index is, and whether there is to be one.

use std::fs::File;
use std::path::{Path, PathBuf};

use xxhash_rust::xxh3::xxh3_128;

use crate::identity::Identity;

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
    /// In this folder, which is created if missing, under a name that stands for the snapshot's whole path.
    Directory(PathBuf),
}

/// An index that is wanted.
pub(crate) struct IndexTarget {
    pub(crate) path: PathBuf,
    pub(crate) snapshot: File,
    pub(crate) identity: Identity,
}

impl IndexTarget {
    /// None if the options or the file rule out an index.
    pub(crate) fn new(path: &Path, file: &File, options: Option<&IndexOptions>) -> Option<IndexTarget> {
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
        Some(IndexTarget { path: index, snapshot: file.try_clone().ok()?, identity })
    }
}
