//! The index: a file that makes reopening a snapshot instant.
//!
//! It holds the graph's columns and the passes' results, packed in blocks with a checksum each, so that a question
//! reads the few blocks that it needs. It belongs to one state of one snapshot (see `identity`) and to one version
//! of this crate; whatever does not fit is ignored, and written anew after the next question.
//!
//! The file: a head of 48 bytes (magic, position, length and checksum of the metadata, checksum of the head), the blocks
//! in no particular order, and the metadata. It is written under a temporary name, readable by its owner only since
//! it holds the same secrets as the snapshot, and renamed when it is whole; so readers see all of it or nothing, and
//! of two writers the later one wins. What a killed writer leaves under a temporary name, the next one removes. It is trusted as much as the folder that it lies in: a forged one can lie,
//! but neither crash nor hang the reader.
//!
//! Time: some nanoseconds per value when written, on all cores. Size: 30 to 40 bytes per node and 8 to 10 per edge, and
//! the strings.

#![forbid(unsafe_code)]

mod codec;
mod files;
mod head;
mod identity;
mod indexed;
mod load;
mod metadata;
mod place;
mod sections;
mod source;
mod write;

pub use indexed::{IndexStatus, Indexed, Lost, ask_all, open, open_core};
pub use place::{IndexOptions, IndexPlace};
