//! Writes synthetic `.heapsnapshot` files for tests and benchmarks.
//!
//! Three ways in, from small to large:
//! - [`Snapshot`] builds a graph by hand, node by node, in any of the [`Variant`]s of the format, and
//!   [`Damage`] then spoils the text in ways that real files are spoiled;
//! - [`random_graph`] makes small graphs from a seed that hold every oddity we know of;
//! - [`Workload`] streams files of any size that look like a Node process, with known answers.
//!
//! A [`Snapshot`] costs about 60 bytes a node and 24 an edge; a [`Workload`] needs the same few kilobytes for
//! a file of one megabyte and of ten gigabytes, because every part of it can be made again from its number.
//!
//! Nothing here uses the core's own types: a mistake in the layout must not be made twice and so go unseen.
#![forbid(unsafe_code)]

mod builder;
mod damage;
mod json;
mod meta;
mod prelude;
mod random;
mod rng;
mod units;
mod workload;

pub use builder::{EdgeName, Node, NodeId, Snapshot, TraceFunction, TraceNode};
pub use damage::{Damage, Expectation, mutate};
pub use json::TextLayout;
pub use meta::{Meta, Variant};
pub use random::{RandomOptions, random_graph, random_pair};
pub use rng::Rng;
pub use units::WorkloadShape;
pub use workload::{Expected, Workload};
