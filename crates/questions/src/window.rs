//! Which part of a list.

use serde::{Deserialize, Serialize};
use stillheap_analysis::Page;

/// Rows of a list, unless more are asked for.
pub const DEFAULT_LIMIT: usize = 25;

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
    pub(crate) fn page(self) -> Page {
        Page { offset: self.offset, limit: self.limit }
    }

    pub(crate) fn of(self, total: usize) -> PageInfo {
        PageInfo { offset: self.offset, limit: self.limit, total }
    }

    /// The window's part of a list, and which part it is.
    pub(crate) fn cut<T>(self, list: impl IntoIterator<Item = T>, total: usize) -> (Vec<T>, PageInfo) {
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
