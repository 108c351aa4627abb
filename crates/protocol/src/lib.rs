//! Requests, results and failures of captures: one definition, which the addon, the sink and the forked child share
//! and which travels to JavaScript as JSON. index.d.ts has the public description of each field.
#![forbid(unsafe_code)]
#![warn(clippy::disallowed_macros)]

mod compression;
mod failure;
mod header;
mod path;
mod request;
mod result;
mod time;

pub use compression::Compression;
pub use failure::Failure;
pub use header::{Header, Origin, Usage};
pub use path::{FilePath, GivenPath, LossyPath, path_bytes};
pub use request::{CaptureRequest, EngineChoice, Fallback, Mode, Redaction, Scratch, Trigger};
pub use result::{
    CaptureResult, FallbackDir, ForkFigures, ForkMemory, PauseParts, RefusedCall, Thaw, outcome_json,
};
pub use time::{milliseconds, timestamp};
