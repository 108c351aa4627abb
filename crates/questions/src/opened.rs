//! An opened snapshot, and what every answer about it carries.

use serde::Serialize;
use stillheap_analysis::{Analysis, Header, Model, NodeOrdinal, Salvage, Snapshot};
use stillheap_index::Indexed;

use crate::failure::Failure;
use crate::id::Id;

/// Counts up when a field of an answer changes its meaning or goes away; new fields don't count.
pub const SCHEMA_VERSION: u32 = 1;

/// An opened snapshot and how it is looked at. What is in it is reached by [`Opened::ask`] only, so that an answer
/// out of a file that can no longer be read is an error, and never an answer.
pub struct Opened {
    indexed: Indexed,
    /// The model whose numbers are given.
    pub model: Model,
    /// The file's name as the user gave it.
    pub file: String,
}

/// A snapshot that can be read, for the length of a question. The questions are its methods.
#[derive(Clone, Copy)]
pub struct View<'s> {
    pub(crate) snapshot: &'s Snapshot,
    pub(crate) model: Model,
    pub(crate) file: &'s str,
}

impl Opened {
    /// A snapshot under a model, and its file's name for people.
    pub fn new(indexed: impl Into<Indexed>, model: Model, file: impl Into<String>) -> Opened {
        Opened { indexed: indexed.into(), model, file: file.into() }
    }

    /// Asks about the snapshot.
    ///
    /// # Errors
    /// The question's own; `EIO` if the index is damaged and the snapshot cannot be read again.
    pub fn ask<T>(&self, question: impl FnOnce(View<'_>) -> Result<T, Failure>) -> Result<T, Failure> {
        ask_all(&[self], |views| question(views[0]))
    }

    /// The answer with what every answer carries.
    pub fn report<T: Serialize>(&self, answer: T) -> Envelope<T> {
        Envelope {
            schema_version: SCHEMA_VERSION,
            model: self.model.name(),
            file: Some(self.file.clone()),
            salvage: self.salvage().cloned(),
            answer,
        }
    }

    /// What is missing, if the input was truncated.
    pub fn salvage(&self) -> Option<&Salvage> {
        self.indexed.salvage()
    }

    /// The file's header.
    pub fn header(&self) -> &Header {
        self.indexed.header()
    }

    /// Nodes and edges in the file.
    pub fn counts(&self) -> (u32, u32) {
        (self.indexed.node_count(), self.indexed.edge_count())
    }

    /// Writes the index if one is wanted and is not there; see [`Indexed::write_index`].
    pub fn write_index(&self) {
        self.indexed.write_index();
    }
}

/// Asks about several snapshots together.
///
/// # Errors
/// The question's own; `EIO` if one of the snapshots cannot be read any more.
pub fn ask_all<T>(
    files: &[&Opened],
    question: impl FnOnce(&[View<'_>]) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let indexed: Vec<&Indexed> = files.iter().map(|opened| &opened.indexed).collect();
    let asked = stillheap_index::ask_all(&indexed, |snapshots| {
        let views: Vec<View<'_>> = std::iter::zip(files, snapshots)
            .map(|(opened, &snapshot)| View { snapshot, model: opened.model, file: &opened.file })
            .collect();
        question(&views)
    });
    asked.unwrap_or_else(|lost| {
        let file = &files[lost.which].file;
        let message =
            format!("{file}: its index is damaged, and the snapshot cannot be read again or has changed");
        Err(Failure::new("EIO", message))
    })
}

impl<'s> View<'s> {
    /// The snapshot under the model.
    pub fn analysis(&self) -> Analysis<'s> {
        self.snapshot.analysis(self.model)
    }

    /// The file's name as the user gave it.
    pub fn file(&self) -> &'s str {
        self.file
    }

    /// The node that an id stands for.
    pub(crate) fn node(&self, id: Id) -> Result<NodeOrdinal, Failure> {
        self.snapshot.node_by_id(id.0).ok_or_else(|| {
            Failure::not_found(format!(
                "there is no node @{} in {}; ids are valid in one file only",
                id.0, self.file
            ))
        })
    }
}

/// An answer as it is given out.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Envelope<T> {
    schema_version: u32,
    model: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<String>,
    /// There only if the input was truncated: what is missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    salvage: Option<Salvage>,
    /// The answer itself.
    #[serde(flatten)]
    pub answer: T,
}
