//! The addon. Nothing here is public to users: index.js is, and it alone calls these functions (`exports`, `watch`).
//!
//! Unsafe code lives in `crates/v8`, `crates/frozen` and `src/sys`, and nowhere else.

mod capture;
pub mod exports;
mod fault;
mod fork;
mod headroom;
mod isolates;
mod json;
mod near_limit;
mod outstanding;
mod report;
mod request;
mod signal;
mod status;
mod sync;
mod sys;
mod watch;
