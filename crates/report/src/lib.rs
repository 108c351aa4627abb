//! One HTML page about snapshots: what leaks, what grows, what the heap is made of.
//!
//! [`Report::collect`] asks the core everything that the page shows, bounded however large the heap is; [`page()`]
//! makes one self-contained file of it, which needs no network and works from `file://`. Strings out of a heap
//! are untrusted: they travel in a block of JSON that no parser of HTML can be made to leave, the page's scripts
//! put them into the document as text only, and its Content-Security-Policy lets nothing else run or load.
//!
//! Time: what the passes behind it take, plus a step per node for the tree of dominators. Memory: the report
//! itself, at most a few megabytes.
#![forbid(unsafe_code)]

mod collect;
mod excerpts;
mod page;
mod write;

pub use collect::{
    ClassDetails, ClassSeries, Excerpt, FileInfo, Input, InstanceRow, OtherClasses, Report, RetainerRow,
    SCHEMA_VERSION,
};
pub use page::page;
pub use write::{OutputFile, WrittenReport, make, write};
