//! V8's heap profiler, behind a safe interface.
//!
//! V8 has no C interface, and building against its headers would tie a binary to one Node major. All that we
//! need is public C++ API which the `node` executable exports in every major, so it is looked up by its
//! mangled name when the addon is loaded (`symbols`), with one table that says which form a V8 version has
//! (`abi`). Where the version isn't in the table or a symbol is missing, [`V8::get`] says so in a sentence
//! and the caller falls back to `node:v8`: nothing is ever guessed.
//!
//! No napi: a Node-API environment is an address, and the few Node-API functions that are needed are looked up
//! like V8's.

mod abi;
mod allocations;
#[cfg(target_os = "linux")]
mod constants;
mod environment;
mod gc;
#[cfg(test)]
mod headers;
mod interrupt;
mod limit;
mod profiler;
mod statistics;
mod streams;
mod symbols;

pub use allocations::Allocations;
#[cfg(target_os = "linux")]
pub use constants::debug_constants;
pub use environment::Environment;
pub use gc::{DURATION_BOUNDS, GcFigures, GcKind, GcObserver, GcRecord, HeapFigures};
pub use interrupt::Interrupts;
pub use profiler::{CurrentIsolate, HeapSnapshot, IsolateHandle, SnapshotOptions, SpaceStatistics};
pub use statistics::Statistics;
pub use symbols::V8;
