//! How results and headers show time.

use std::time::Instant;

use chrono::{DateTime, SecondsFormat, Utc};

/// ISO 8601, UTC, with milliseconds.
pub fn timestamp(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// Milliseconds from `since` to now, to the microsecond.
pub fn milliseconds(since: Instant) -> f64 {
    (since.elapsed().as_secs_f64() * 1e6).round() / 1e3
}
