//! Tells a leak from a heap that merely moves. A pure function of samples: no clock, no Node, no V8; an hour of
//! a service's life is simulated in milliseconds.
//!
//! Samples of the heap directly after full collections, and of what lies outside of it at any time, are kept as
//! minima over spans of time, in several resolutions (`series`). Whenever a span ends, a window of sixty-four
//! of them is judged (`judge`): only growth that is significant, clear of the noise, steady in every quarter,
//! not slowing down, and higher than the heap has been before counts. The nearer the limit, the shorter the
//! window that suffices; the noisier or rarer the samples, the longer the one that it takes (`track`).
//!
//! Time: at most 2,016 slopes per judgement, and at most some hundred judgements per window and series, however
//! many collections there are. Memory: at most 80 kB per series.
#![forbid(unsafe_code)]

mod base;
mod consecutive;
mod detector;
mod event;
mod judge;
mod options;
mod pressure;
mod sample;
mod series;
mod slope;
mod text;
mod track;

pub use detector::Detector;
pub use event::{Collections, Event, Growing, Leak, Memory, Pressure, Settled, Settling, Stats};
pub use options::{Options, Strategy};
pub use sample::{CgroupUsage, Sample};
pub use text::{nice_delta, nice_size};
