//! The passes, one file each. All are plain functions from columns to columns; [`crate::Snapshot`] caches them.

pub(crate) mod aggregates;
pub(crate) mod classes;
pub(crate) mod distances;
pub(crate) mod dominators;
pub(crate) mod duplicates;
pub(crate) mod ephemerons;
pub(crate) mod essential;
pub(crate) mod filters;
pub(crate) mod fold;
pub(crate) mod names;
pub(crate) mod native_contexts;
pub(crate) mod retainers;
pub(crate) mod ropes;
pub(crate) mod scripts;
pub(crate) mod shapes;
pub(crate) mod statistics;
pub(crate) mod table;
