//! Answers questions about heap snapshots with Chrome DevTools' exact numbers.
//!
//! Columns ([`stillheap_graph`]) → passes → answers ([`Analysis`]). Every pass is computed when first asked for and
//! kept: memory is the graph's plus what the passes asked for keep (each file under `passes/` says how much).
//! Nothing prints, and nothing reads files or the environment.
//!
//! ```no_run
//! use stillheap_analysis::{ClassSort, Model, Page, Snapshot};
//! let snapshot = Snapshot::new(stillheap_snapshot::open("app.heapsnapshot", Default::default())?);
//! let analysis = snapshot.analysis(Model::Devtools);
//! for class in analysis.classes(None).sorted(ClassSort::RetainedSize, Page::first(10)).items {
//!     println!("{} {} {}", class.retained_size, class.count, class.name);
//! }
//! # Ok::<(), stillheap_graph::Error>(())
//! ```
#![forbid(unsafe_code)]

mod bits;
mod compare;
mod page;
mod passes;
mod query;
mod results;
mod scratch;
mod snapshot;
mod threads;

pub use compare::*;
pub use page::{Page, Paged};
pub use passes::classes::Class;
pub use passes::distances::{SYSTEM as SYSTEM_DISTANCE, UNREACHABLE as UNREACHABLE_DISTANCE};
pub use passes::duplicates::Sameness;
pub use passes::filters::Filter;
pub use passes::ropes::TextIdentity;
pub use passes::scripts::TraceFunction;
pub use passes::statistics::{NativeStatistics, Statistics, V8HeapStatistics};
pub use passes::table::{ClassRow, ClassSort, ClassTable};
pub use query::*;
pub use results::{Results, ResultsRef};
pub use snapshot::{Analysis, EdgeOrdinal, Model, NodeOrdinal, Snapshot};
pub use stillheap_graph::{
    Completeness, Error, ErrorKind, Header, LOST_STRING, Location, Packing, Result, Salvage, types,
};
