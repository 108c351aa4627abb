//! The addon. Nothing here is public to users: index.js is, and it alone calls these functions (`exports`, `watch`).
//!
//! Nothing prints with the standard macros: they panic where stderr is closed.
//!
//! Of this package, only `src/sys` has unsafe code (ARCHITECTURE.md).

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
