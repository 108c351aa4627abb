//! An opened snapshot, and what every answer about it carries.

use serde::Serialize;
use stillheap_analysis::{Analysis, Model, NodeOrdinal, Salvage};
use stillheap_index::{IndexStatus, Indexed};

use crate::failure::Failure;
use crate::id::Id;

/// Counts up when a field of an answer changes its meaning or goes away; new fields don't count.
pub const SCHEMA_VERSION: u32 = 1;

/// An opened snapshot and how it is looked at.
pub struct Opened {
    /// The snapshot.
    pub snapshot: Indexed,
    /// The model whose numbers are given.
    pub model: Model,
    /// The file's name as the user gave it.
    pub file: String,
}

impl Opened {
    /// The core's view under the model.
    pub fn analysis(&self) -> Analysis<'_> {
        self.snapshot.analysis(self.model)
    }

    /// The answer with what every answer carries.
    pub fn report<T: Serialize>(&self, answer: T) -> Report<T> {
        Report {
            schema_version: SCHEMA_VERSION,
            model: self.model.name(),
            file: Some(self.file.clone()),
            salvage: self.snapshot.salvage().cloned(),
            answer,
        }
    }

    /// Why answers given so far must not be shown: the index turned out to be damaged, and the snapshot cannot be
    /// read any more either.
    pub fn lost(&self) -> Option<Failure> {
        (self.snapshot.index_status() == IndexStatus::Lost).then(|| {
            let message =
                format!("{}: its index is damaged, and it cannot be read again or has changed", self.file);
            Failure::new("EIO", message)
        })
    }

    /// The node that an id stands for.
    pub(crate) fn node(&self, id: Id) -> Result<NodeOrdinal, Failure> {
        self.snapshot.node_by_id(id.0).ok_or_else(|| {
            Failure::not_found(format!(
                "no node @{} in {}; ids are the numbers behind the @, and mean something in one file only",
                id.0, self.file
            ))
        })
    }
}

/// An answer as it is given out.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report<T> {
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
