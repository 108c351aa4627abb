//! Samples over time, in several resolutions: each keeps the smallest value of every span of time.
//!
//! The smallest, because requests in flight and jobs that come and go only ever add to what lives; a leak lifts
//! the floor. A resolution has spans twice as long as the one below, and keeps 256 of them: 4 windows of 64.
//! Memory: 6 kB per resolution.

use std::collections::VecDeque;

use crate::slope::Point;

/// Spans in a window.
pub const WINDOW: u64 = 64;
/// Spans that are kept: the window, and what was before.
const KEPT: usize = 256;

/// One resolution.
#[derive(Clone, Debug)]
pub struct Tier {
    /// Milliseconds of a span.
    width: f64,
    /// Ended spans that had samples, oldest first, each with its number.
    ended: VecDeque<(u64, Point)>,
    open: Option<(u64, Point)>,
}

impl Tier {
    pub fn new(width: f64) -> Self {
        Self { width: width.max(1.0), ended: VecDeque::new(), open: None }
    }

    /// Adds a sample; says whether a span has ended, so that there is something new to judge.
    pub fn add(&mut self, point: Point) -> bool {
        let number = (point.at / self.width) as u64;
        match &mut self.open {
            Some((open, smallest)) if *open >= number => {
                if point.value < smallest.value {
                    *smallest = point;
                }
                false
            }
            open => {
                let ended = open.replace((number, point));
                if let Some(ended) = ended {
                    if self.ended.len() == KEPT {
                        self.ended.pop_front();
                    }
                    self.ended.push_back(ended);
                }
                ended.is_some()
            }
        }
    }

    fn first_of_window(&self) -> u64 {
        self.ended.back().map_or(0, |(last, _)| (last + 1).saturating_sub(WINDOW))
    }

    /// The ended spans of the latest window.
    pub fn window(&self) -> Vec<Point> {
        let first = self.first_of_window();
        let begin = self.ended.partition_point(|(number, _)| *number < first);
        self.ended.range(begin..).map(|(_, point)| *point).collect()
    }

    /// The ended spans that began after a time.
    pub fn since(&self, at: f64) -> Vec<Point> {
        self.ended.iter().map(|(_, point)| *point).filter(|point| point.at > at).collect()
    }

    /// The highest floor from one time to another, if anything is known of it.
    pub fn highest(&self, from: f64, to: f64) -> Option<f64> {
        self.ended
            .iter()
            .map(|(_, point)| *point)
            // A span that reaches over the end may hold what is to be compared.
            .filter(|point| point.at >= from && point.at + self.width <= to)
            .map(|point| point.value)
            .reduce(f64::max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_the_floor_of_each_span() {
        let mut tier = Tier::new(10.0);
        let ends: Vec<bool> = [(1.0, 5.0), (4.0, 3.0), (9.0, 8.0), (12.0, 7.0), (35.0, 2.0), (41.0, 1.0)]
            .into_iter()
            .map(|(at, value)| tier.add(Point { at, value }))
            .collect();
        assert_eq!(ends, [false, false, false, true, true, true]);
        let values: Vec<f64> = tier.window().iter().map(|point| point.value).collect();
        assert_eq!(values, [3.0, 7.0, 2.0]);
        assert_eq!(tier.highest(0.0, 100.0), Some(7.0));
        assert_eq!(tier.highest(0.0, 20.0), Some(3.0));
        assert_eq!(tier.since(12.0).len(), 1);
    }

    #[test]
    fn stays_small_and_forgets_the_oldest() {
        let mut tier = Tier::new(10.0);
        for i in 0..5000 {
            tier.add(Point { at: f64::from(i) * 10.0, value: f64::from(i) });
        }
        assert_eq!(tier.ended.len(), KEPT);
        assert_eq!(tier.window().len(), WINDOW as usize);
        assert_eq!(tier.window()[0].value, f64::from(4999 - 64));
    }
}
