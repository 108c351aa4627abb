//! V8's `.heapsnapshot` format: reading, whatever the packing, whole or truncated; and writing, row by row.
#![forbid(unsafe_code)]

mod input;
mod limits;
mod pool;
mod read;
mod rows;
mod scan;
mod text;
mod trace;
mod write;

pub use limits::ReadLimits;
pub use read::{ReadOptions, open, open_file, open_unpacked, read, read_sized, unpack};
pub use write::{EdgeWriter, LocationWriter, NodeWriter, StringWriter};
