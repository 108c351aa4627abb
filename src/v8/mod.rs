//! V8's heap profiler, behind a safe interface.
//!
//! V8 has no C interface, and building against its headers would tie a binary to one Node major. All that we
//! need is public C++ API which the `node` executable exports in every major, so it is looked up by its
//! mangled name when the addon is loaded (`symbols`), with one table that says which form a V8 version has
//! (`abi`). Where the version isn't in the table or a symbol is missing, [`V8::get`] says so in a sentence
//! and the caller falls back to `node:v8`: nothing is ever guessed.
//!
//! All unsafe code that concerns V8 is in this folder.

mod abi;
mod allocations;
mod gc;
mod limit;
mod profiler;
mod statistics;
mod streams;
mod symbols;

pub use allocations::Allocations;
pub use gc::{DURATION_BOUNDS, GcFigures, GcKind, GcObserver, GcRecord, HeapFigures};
pub use profiler::{CurrentIsolate, Environment, HeapSnapshot, IsolateHandle, SnapshotOptions, Space};
pub use statistics::Statistics;
pub use symbols::V8;
