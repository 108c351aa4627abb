//! The questions, each a request and an answer: what `--json` prints and what JavaScript gets.
//!
//! Pure: an opened snapshot and a request go in, plain data that serialises comes out; nothing is printed, and
//! nothing is read but scripts and source maps ([`Scripts`]) and
//! the times of files without a header. A request is filled by the command line's parser or out of JavaScript's JSON. Each costs
//! what the core's passes behind it cost, plus its own page; where more is kept, the file says so.

#![forbid(unsafe_code)]

mod closures;
mod diff;
mod dispatch;
mod fail_on;
mod failure;
mod id;
mod inspect;
mod instances;
mod language;
mod leaks;
mod number;
mod opened;
mod order;
mod pattern;
mod query;
mod retainers;
mod scripts;
mod strings;
mod summary;
mod timeline;
mod trees;
mod verify;
mod window;

pub use closures::*;
pub use diff::*;
pub use dispatch::answer;
pub use fail_on::*;
pub use failure::Failure;
pub use id::Id;
pub use inspect::*;
pub use instances::*;
pub use language::Expression;
pub use leaks::*;
pub use number::parse_number;
pub use opened::{Envelope, Opened, SCHEMA_VERSION, View, ask_all};
pub use order::{OrderedBy, arrange_one};
pub use pattern::Pattern;
pub use query::*;
pub use retainers::*;
pub use scripts::Scripts;
pub use strings::*;
pub use summary::*;
pub use timeline::*;
pub use trees::*;
pub use verify::*;
pub use window::{DEFAULT_LIMIT, PageInfo, Window};
