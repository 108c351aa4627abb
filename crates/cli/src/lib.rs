//! The command line.
#![forbid(unsafe_code)]
#![warn(missing_docs)]
pub mod questions;
mod language;
/// x
pub fn run(_: impl IntoIterator<Item = std::ffi::OsString>) -> i32 { 0 }
