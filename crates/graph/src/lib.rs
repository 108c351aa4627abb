//! The heap as a graph in flat columns, for every reader.
//!
//! [`Graph`] has 17 bytes per node, 9 per edge and the strings' text; [`SnapshotData`] adds what the file's header
//! and its reader say. Nothing here reads or writes; columns may come block by block from elsewhere ([`Blocks`]).
#![forbid(unsafe_code)]

mod builder;
pub mod column;
mod data;
mod detached;
mod error;
mod graph;
mod meta;
mod rows;
mod settle;
pub mod strings;
pub mod sums;
mod trace;
pub mod types;
pub mod wtf8;

pub use builder::{GraphBuilder, NewNode};
pub use column::{Blocks, Column};
pub use data::{Completeness, Packing, Salvage, SnapshotData};
pub use error::{Error, ErrorKind, Result, reason};
pub use graph::{Graph, Location, Locations};
pub use meta::{EdgeLayout, Fields, Header, HeaderSpec, NodeLayout};
pub use rows::NodeRows;
pub use strings::StringTable;
pub use trace::TraceTree;
pub use types::LOST_STRING;
