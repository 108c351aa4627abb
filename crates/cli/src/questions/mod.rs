//! The questions, each a request and an answer: what `--json` prints and what JavaScript gets.
//!
//! Pure: an opened snapshot and a request go in, plain data that serialises comes out; nothing is printed and
//! nothing is read. A request is filled by the command line's parser or out of JavaScript's JSON. Each costs
//! what the core's passes behind it cost, plus its own page; where more is kept, the file says so.

mod closures;
mod diff;
mod dispatch;
mod fail_on;
mod failure;
mod holders;
mod inspect;
mod instances;
mod leaks;
mod merged;
mod pattern;
mod query;
mod strings;
mod summary;
mod timeline;
mod trees;
mod verify;

use serde::{Deserialize, Serialize};
use stillheap_core::{Analysis, IndexStatus, Model, NodeOrdinal, Page, Salvage, Snapshot};

pub use closures::*;
use diff::salvaged;
pub use diff::*;
pub use dispatch::answer;
pub use fail_on::*;
pub use failure::Failure;
pub use holders::*;
pub use inspect::*;
pub use instances::*;
pub use leaks::*;
pub use merged::*;
pub use pattern::Pattern;
pub use query::*;
pub use strings::*;
pub use summary::*;
pub use timeline::*;
pub use trees::*;
pub use verify::*;

/// Counts up when a field of an answer changes its meaning or goes away; new fields don't count.
pub const SCHEMA_VERSION: u32 = 1;

/// Rows of a list, unless more are asked for.
pub const DEFAULT_LIMIT: usize = 25;

/// An opened snapshot and how it is looked at.
pub struct Opened {
    /// The snapshot.
    pub snapshot: Snapshot,
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
    fn node(&self, id: Id) -> Result<NodeOrdinal, Failure> {
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

/// A node's id, written `@123`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, schemars::JsonSchema)]
#[serde(try_from = "String")]
#[schemars(with = "String")]
pub struct Id(pub u64);

impl std::str::FromStr for Id {
    type Err = String;

    fn from_str(text: &str) -> Result<Id, String> {
        let digits = text.strip_prefix('@').unwrap_or(text);
        digits.parse().map(Id).map_err(|_| "an id is a number, with or without @ before it: @123".to_owned())
    }
}

impl TryFrom<String> for Id {
    type Error = String;

    fn try_from(text: String) -> Result<Id, String> {
        text.parse()
    }
}

/// Which part of a list.
#[derive(Clone, Copy, Debug, Deserialize, schemars::JsonSchema, clap::Args)]
#[serde(default)]
pub struct Window {
    /// Rows to show; 0 shows all
    #[arg(long, value_name = "N", default_value_t = DEFAULT_LIMIT)]
    pub limit: usize,
    /// Rows to leave out at the start
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true)]
    pub offset: usize,
}

impl Default for Window {
    fn default() -> Self {
        Window { limit: DEFAULT_LIMIT, offset: 0 }
    }
}

impl Window {
    fn page(self) -> Page {
        Page { offset: self.offset, limit: self.limit }
    }

    fn of(self, total: usize) -> PageInfo {
        PageInfo { offset: self.offset, limit: self.limit, total }
    }

    /// The window's part of a list, and which part it is.
    fn cut<T>(self, list: impl IntoIterator<Item = T>, total: usize) -> (Vec<T>, PageInfo) {
        let limit = if self.limit == 0 { usize::MAX } else { self.limit };
        (list.into_iter().skip(self.offset).take(limit).collect(), self.of(total))
    }
}

/// Which part of a list an answer holds.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct PageInfo {
    /// Rows left out at the start.
    pub offset: usize,
    /// Rows asked for; 0 is all.
    pub limit: usize,
    /// Rows of the whole list.
    pub total: usize,
}

impl PageInfo {
    /// How many rows come after those shown.
    pub fn left(&self, shown: usize) -> usize {
        self.total.saturating_sub(self.offset.saturating_add(shown))
    }
}

/// Filters that all must match.
fn patterns(texts: &[String]) -> Result<Vec<Pattern>, Failure> {
    texts.iter().map(|text| Pattern::parse(text)).collect()
}
