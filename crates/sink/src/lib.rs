//! Puts a stream of snapshot bytes into a file so that nobody ever sees half of one.
//!
//! The producer (V8, on the JavaScript thread) hands chunks over; a writer thread compresses them and
//! writes them to a temporary name beside the target, syncs, and renames. The first failure stops the
//! whole and is reported with its errno; the temporary file is gone after any failure.
//!
//! Memory: at most [`QUEUED_CHUNKS`] + 2 chunks are alive at a time, whatever the size of the snapshot.
//! Time on the producing thread: one copy per chunk, plus waiting when the disk is slower than V8.
#![forbid(unsafe_code)]

mod direct;
mod encoder;
mod name;
mod outcome;
mod place;
mod writer;

pub use direct::{Direct, OpenedFile};
pub use name::{NameContext, NameTemplate, TemplateError};
pub use outcome::{Spooled, Written};
pub use place::{Destination, available_space, create_private_file, remove_temporary_files};
pub use stillheap_protocol::{Compression, Failure};
pub use writer::{Canceller, QUEUED_CHUNKS, Sink};
