//! What is taken for a leak. Every threshold can be set.

use serde::Deserialize;

/// Which rule decides.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Strategy {
    /// Robust trend over windows of time.
    #[default]
    Trend,
    /// memwatch's: the heap was larger after each of several consecutive full collections.
    Consecutive,
}

/// Thresholds. Bytes, milliseconds, and shares from 0 to 1.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Options {
    /// The rule.
    pub strategy: Strategy,
    /// What is measured before this does not count.
    pub warmup: f64,
    /// How long growth must last. When the limit is near, as little as an eighth of it will do.
    pub min_time: f64,
    /// How much must have been added: bytes.
    pub min_growth: f64,
    /// And as a share of what was there.
    pub min_share: f64,
    /// How many samples the window must hold.
    pub min_samples: usize,
    /// How much of the first half's speed the second half must have; less is a cache that fills.
    pub min_steadiness: f64,
    /// How sure the judgement must be.
    pub min_confidence: f64,
    /// How many times the noise the growth must be.
    pub min_clarity: f64,
    /// Strategy `consecutive`: how many collections in a row.
    pub consecutive: u32,
    /// Ask for a full collection when the old generation has grown and V8 has not had one for `min_time`.
    pub request_full_gc: bool,
    /// Pressure: share of the limit.
    pub pressure_share: f64,
    /// Pressure: time to the limit at the present speed.
    pub pressure_time: f64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            strategy: Strategy::Trend,
            warmup: 60_000.0,
            min_time: 600_000.0,
            min_growth: 4_194_304.0,
            min_share: 0.03,
            min_samples: 8,
            min_steadiness: 0.7,
            min_confidence: 0.5,
            min_clarity: 4.0,
            consecutive: 5,
            request_full_gc: true,
            pressure_share: 0.85,
            pressure_time: 600_000.0,
        }
    }
}
