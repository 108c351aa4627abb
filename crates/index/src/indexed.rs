//! Opened snapshots that may have an index.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use stillheap_analysis::{Completeness, Header, Packing, Salvage, Snapshot};
use stillheap_corefile::CoreOptions;
use stillheap_snapshot::ReadOptions;

use crate::load::load;
use crate::place::{IndexOptions, IndexTarget};
use crate::source::Source;
use crate::write;

/// What has become of a snapshot's index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IndexStatus {
    /// None was asked for, or the input cannot have one: not a file, or a small one.
    Off,
    /// There is none that fits; why. [`Indexed::write_index`] makes one.
    Missing(String),
    /// The answers come from it.
    Used,
    /// The answers come from it, but parts of it were damaged and came from the snapshot instead.
    Damaged,
    /// Parts of it were damaged, and the snapshot could not be read again: there are no more answers.
    Lost,
    /// It has been written; its size in bytes.
    Written(u64),
    /// It could not be written, or must not be; why.
    NotWritten(String),
}

/// A snapshot, and what is known about its index.
pub struct Indexed {
    snapshot: Snapshot,
    /// Where it is or should be; None: not at all.
    wanted: Option<IndexTarget>,
    /// The index in use.
    source: Option<Arc<Source>>,
    status: Mutex<IndexStatus>,
}

/// Opens a file with options; through its index, if one is wanted and there is one that fits.
///
/// # Errors
/// The file can't be read, or is no snapshot.
pub fn open(
    path: impl AsRef<Path>,
    options: ReadOptions<'_>,
    index: Option<&IndexOptions>,
) -> stillheap_analysis::Result<Indexed> {
    let (file, size) = stillheap_snapshot::open_file(path.as_ref())?;
    if stillheap_corefile::is_core(path.as_ref()) {
        return open_core(path, &CoreOptions::default());
    }
    let Some(wanted) = IndexTarget::new(path.as_ref(), &file, index) else {
        let data = stillheap_snapshot::read_sized(Box::new(file), size, options)?;
        return Ok(Indexed::from(Snapshot::new(data)));
    };
    match load(&wanted) {
        Ok((snapshot, source)) => Ok(Indexed {
            snapshot,
            wanted: None,
            source: Some(source),
            status: Mutex::new(IndexStatus::Used),
        }),
        Err(why) => {
            let data = stillheap_snapshot::read_sized(Box::new(file), size, options)?;
            let status = Mutex::new(IndexStatus::Missing(why));
            Ok(Indexed { snapshot: Snapshot::new(data), wanted: Some(wanted), source: None, status })
        }
    }
}

/// Opens a core file as a snapshot. It gets no index: an index holds what can be read again from the file by itself,
/// and a core needs the program beside it.
///
/// # Errors
/// The file can't be read, or its heap is not read; the message says what to do.
pub fn open_core(path: impl AsRef<Path>, options: &CoreOptions) -> stillheap_analysis::Result<Indexed> {
    let data = stillheap_corefile::read(path.as_ref(), options)?;
    Ok(Indexed::from(Snapshot::new(data)))
}

impl From<Snapshot> for Indexed {
    fn from(snapshot: Snapshot) -> Indexed {
        Indexed { snapshot, wanted: None, source: None, status: Mutex::new(IndexStatus::Off) }
    }
}

/// Neither the index nor the snapshot can be read any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lost {
    /// Which of the snapshots that were asked about.
    pub which: usize,
}

/// Asks about snapshots. This is the only way to what is in them: a block that can neither be read from the index
/// nor from the snapshot ends the question at once ([`crate`]), and the answer is [`Lost`].
///
/// # Errors
/// One of the snapshots cannot be read any more.
pub fn ask_all<T>(all: &[&Indexed], question: impl FnOnce(&[&Snapshot]) -> T) -> Result<T, Lost> {
    let snapshots: Vec<&Snapshot> = all.iter().map(|indexed| &indexed.snapshot).collect();
    let lost = || all.iter().position(|indexed| indexed.is_lost()).map(|which| Lost { which });
    // Passes keep a result only when it is complete, so an unwound one leaves nothing half-done.
    let answer = catch_unwind(AssertUnwindSafe(|| question(&snapshots)));
    match (lost(), answer) {
        (Some(lost), _) => Err(lost),
        (None, Ok(answer)) => Ok(answer),
        (None, Err(panic)) => resume_unwind(panic),
    }
}

impl Indexed {
    /// Asks about the snapshot; see [`ask_all`].
    ///
    /// # Errors
    /// The snapshot cannot be read any more.
    pub fn ask<T>(&self, question: impl FnOnce(&Snapshot) -> T) -> Result<T, Lost> {
        ask_all(&[self], |snapshots| question(snapshots[0]))
    }

    fn is_lost(&self) -> bool {
        self.source.as_ref().is_some_and(|source| source.lost())
    }

    /// The file's header.
    pub fn header(&self) -> &Header {
        self.snapshot.header()
    }

    /// How the input was packed.
    pub fn packing(&self) -> Packing {
        self.snapshot.packing()
    }

    /// What is missing, if the input was truncated.
    pub fn salvage(&self) -> Option<&Salvage> {
        self.snapshot.salvage()
    }

    /// Whether the file is whole.
    pub fn completeness(&self) -> &Completeness {
        self.snapshot.completeness()
    }

    /// Bytes of memory that the graph takes; results of passes and what is still in a file aside.
    pub fn memory(&self) -> usize {
        self.snapshot.data().graph.memory()
    }

    /// Nodes in the file.
    pub fn node_count(&self) -> u32 {
        self.snapshot.node_count()
    }

    /// Edges in the file.
    pub fn edge_count(&self) -> u32 {
        self.snapshot.edge_count()
    }

    /// Writes the index, if one was asked for, fits the input and is not there yet; call it when the user has the
    /// answer. It holds what the `devtools` model's summary, inspections and retainers need; what of that has not
    /// been computed yet is computed now. Never an error: the status has the result.
    pub fn write_index(&self) -> IndexStatus {
        let Some(wanted) = &self.wanted else { return self.index_status() };
        let mut status = self.status.lock().unwrap_or_else(PoisonError::into_inner);
        if matches!(*status, IndexStatus::Missing(_)) {
            *status = match write::write(wanted, &self.snapshot) {
                Ok(bytes) => IndexStatus::Written(bytes),
                Err(why) => IndexStatus::NotWritten(why),
            };
        }
        status.clone()
    }

    /// What has become of the index so far.
    pub fn index_status(&self) -> IndexStatus {
        match &self.source {
            Some(_) if self.is_lost() => return IndexStatus::Lost,
            Some(source) if source.damaged() => return IndexStatus::Damaged,
            _ => {}
        }
        self.status.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
