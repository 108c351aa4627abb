//! The allocation call tree of `.heaptimeline` files, in flat columns: 28 bytes per call site.

use crate::column::Column;

/// One call site per row, parents before children.
#[derive(Clone, Debug, Default)]
pub struct TraceTree {
    pub id: Column<u32>,
    pub function: Column<u32>,
    pub count: Column<u64>,
    pub size: Column<u64>,
    /// Row of the caller; `u32::MAX` for the root.
    pub parent: Column<u32>,
}
