//! The addon. Nothing here is public to users: index.js is, and it alone calls these functions (`exports`, `watch`).
//!
//! Nothing prints with the standard macros: they panic where stderr is closed.
//!
//! Unsafe code lives in `crates/v8`, `crates/frozen` and `src/sys`, and nowhere else.

mod capture;
mod exit;
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
