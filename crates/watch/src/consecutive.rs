//! memwatch's rule, on request: the heap was larger after each of several collections in a row.

use crate::event::{Growing, Leak};
use crate::text::{nice_delta, nice_size};

/// A share of the heap by which nothing has changed: a call for garbage makes V8 collect twice, and the second
/// collection says no more than the first.
const SAME: f64 = 0.001;

#[derive(Clone, Copy, Debug, Default)]
pub struct Consecutive {
    last: Option<(f64, f64)>,
    /// Where the run began.
    start: (f64, f64),
    count: u32,
}

impl Consecutive {
    /// Adds what lived after a full collection; a leak after `wanted` rises in a row, which then starts anew.
    pub fn add(&mut self, at: f64, used: f64, wanted: u32) -> Option<Leak> {
        let Some(before) = self.last else {
            self.last = Some((at, used));
            return None;
        };
        if (used - before.1).abs() < SAME * before.1 {
            return None;
        }
        self.last = Some((at, used));
        if used < before.1 {
            self.count = 0;
            return None;
        }
        if self.count == 0 {
            self.start = before;
        }
        self.count += 1;
        if self.count < wanted.max(1) {
            return None;
        }
        self.count = 0;
        let (start, from) = self.start;
        let growth = used - from;
        // Two collections can end within the clock's resolution.
        let velocity = growth / (at - start).max(1.0) * 3_600_000.0;
        Some(Leak {
            what: Growing::Heap,
            start,
            end: at,
            growth,
            velocity,
            level: used,
            confidence: 0.1,
            samples: wanted as usize + 1,
            reason: format!(
                "heap growth over {wanted} consecutive GCs ({}) - {}/hr",
                nice_delta(at - start),
                nice_size(velocity)
            ),
            time_to_limit: None,
            again: false,
            provisional: false,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn five_in_a_row_and_no_fewer() {
        let mut rule = Consecutive::default();
        let mut add = |at: f64, used: f64| rule.add(at * 1000.0, used, 5);
        for (at, used) in [(0.0, 100.0), (1.0, 110.0), (2.0, 120.0), (3.0, 90.0)] {
            assert_eq!(add(at, used), None);
        }
        for step in 1..5 {
            assert_eq!(add(3.0 + f64::from(step), 90.0 + f64::from(step)), None);
        }
        let leak = add(8.0, 95.0).unwrap();
        assert_eq!((leak.start, leak.end, leak.growth), (3000.0, 8000.0, 5.0));
        assert_eq!(leak.reason, "heap growth over 5 consecutive GCs (5s) - 3.52 kb/hr");
        assert_eq!(add(9.0, 96.0), None, "starts anew");
        for step in 1..5 {
            assert_eq!(add(9.0 + f64::from(step), 96.0 + f64::from(step)).is_some(), step == 4);
            assert_eq!(add(9.5 + f64::from(step), 95.99 + f64::from(step)), None, "the same again");
        }
    }

    #[test]
    fn the_first_collection_is_no_growth_and_no_time_is_no_infinity() {
        let mut rule = Consecutive::default();
        assert_eq!(rule.add(0.0, 1e9, 1), None);
        assert!(rule.add(0.0, 2e9, 1).unwrap().velocity.is_finite());
    }
}
