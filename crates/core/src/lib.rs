//! Reads V8 heap snapshots and answers questions about them with Chrome DevTools' exact numbers.
//!
//! Data flows one way: bytes → columns ([`Snapshot`]) → passes → answers ([`Analysis`]). Every pass is computed
//! when first asked for and kept. Opening costs about two nanoseconds per number in the file on each core;
//! memory is 17 bytes per node, 9 per edge and the strings' text, plus what the passes asked for keep (each
//! file under `passes/` says how much). Nothing prints and nothing reads the environment.
//!
//! ```no_run
//! use stillheap_core::{ClassSort, Model, Page, Snapshot};
//! let snapshot = Snapshot::open("app.heapsnapshot")?;
//! let analysis = snapshot.analysis(Model::Devtools);
//! for class in analysis.classes(None).sorted(ClassSort::RetainedSize, Page::first(10)).items {
//!     println!("{} {} {}", class.retained_size, class.count, class.name);
//! }
//! # Ok::<(), stillheap_core::Error>(())
//! ```
#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod bits;
mod column;
mod compare;
mod error;
mod graph;
mod index;
mod meta;
mod passes;
mod query;
mod read;
mod scratch;
mod snapshot;
mod strings;
pub mod types;

pub use compare::*;
pub use error::{Error, ErrorKind, Result};
pub use graph::Location;
pub use index::{IndexOptions, IndexPlace, IndexStatus};
pub use meta::Header;
pub use passes::distances::{SYSTEM as SYSTEM_DISTANCE, UNREACHABLE as UNREACHABLE_DISTANCE};
pub use passes::filters::Filter;
pub use passes::statistics::{NativeStatistics, Statistics, V8HeapStatistics};
pub use query::*;
pub use read::{Completeness, LOST_STRING, Packing, ReadOptions, Salvage, open_unpacked, unpack};
pub use snapshot::{Analysis, EdgeOrdinal, Model, NodeOrdinal, Snapshot};
