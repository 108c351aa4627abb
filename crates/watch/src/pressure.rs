//! Whether a limit is near: by share, or by the time that is left at the present speed.

use crate::event::Pressure;
use crate::options::Options;
use crate::text::{size, time};

/// Below this share of the limit, speed alone is no reason for alarm.
const SHARE_FOR_TIME: f64 = 0.5;
/// The alarm is over when the share has fallen this much below its threshold.
const RELIEF: f64 = 0.1;

/// One limit.
#[derive(Clone, Copy, Debug)]
pub struct Gauge {
    limited_by: &'static str,
    raised: bool,
}

impl Gauge {
    pub fn new(limited_by: &'static str) -> Self {
        Self { limited_by, raised: false }
    }

    /// Looks at the limit; once per approach there is an event. `velocity` in bytes per millisecond.
    pub fn look(
        &mut self,
        at: f64,
        used: u64,
        limit: u64,
        velocity: Option<f64>,
        options: &Options,
    ) -> Option<Pressure> {
        if limit == 0 {
            return None;
        }
        let (headroom, share) = (limit.saturating_sub(used), used as f64 / limit as f64);
        let time_to_limit = velocity.filter(|&v| v > 0.0).map(|v| headroom as f64 / v);
        let soon = share >= SHARE_FOR_TIME && time_to_limit.is_some_and(|left| left <= options.pressure_time);
        if share >= options.pressure_share || soon {
            if std::mem::replace(&mut self.raised, true) {
                return None;
            }
            let whose = if self.limited_by == "heap" { "V8's limit" } else { "the control group's limit" };
            let mut reason = format!(
                "{} of {whose} of {} are in use ({:.0} %)",
                size(used as f64),
                size(limit as f64),
                share * 100.0
            );
            if let Some(left) = time_to_limit {
                reason += &format!("; at the present speed it is reached in {}", time(left));
            }
            return Some(Pressure {
                limited_by: self.limited_by,
                at,
                used,
                limit,
                headroom,
                share,
                velocity: velocity.map(|v| v * 3_600_000.0),
                time_to_limit,
                reason,
            });
        }
        if share < (options.pressure_share - RELIEF).min(options.pressure_share * 0.9) {
            self.raised = false;
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn once_per_approach() {
        let options = Options::default();
        let mut gauge = Gauge::new("heap");
        let mut look = |used| gauge.look(0.0, used, 1000, None, &options).is_some();
        assert_eq!(
            [700, 860, 990, 800, 870, 700, 860].map(&mut look),
            [false, true, false, false, false, false, true]
        );
    }

    #[test]
    fn speed_counts_when_half_is_used() {
        let options = Options::default();
        let mut gauge = Gauge::new("group");
        let fast = Some(1.0);
        assert!(gauge.look(0.0, 400_000, 1_000_000, fast, &options).is_none());
        let pressure = gauge.look(0.0, 600_000, 1_000_000, fast, &options).unwrap();
        assert_eq!(pressure.time_to_limit, Some(400_000.0));
        assert!(pressure.reason.ends_with("reached in 7 minutes"), "{}", pressure.reason);
        assert!(gauge.look(0.0, 0, 0, None, &options).is_none());
    }
}
