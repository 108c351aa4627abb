//! What the tests of several crates share. A dev-dependency only.
#![forbid(unsafe_code)]

pub mod devtools;
pub mod nodes;
pub mod skip;
