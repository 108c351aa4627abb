//! One quantity over time: when it becomes a leak, and when it ceases to be one.

use crate::event::Settling;
use crate::judge::{GrowthEstimate, Terms, judge};
use crate::options::Options;
use crate::series::Tier;
use crate::slope::{Point, slope};

/// The resolution whose window is the minimum time; those below it are for when the limit is near.
const NORMAL: usize = 3;
/// Up to 256 times the minimum time, for what grows slowly or is seldom measured.
const TIERS: usize = 12;
/// Spans that the minimum time has: three quarters of a window, so that a window holds it however the samples lie.
pub const SPANS: f64 = 48.0;
/// A shorter window suffices if the limit is at most this many windows away.
const URGENCY: f64 = 4.0;
/// A leak that has become this much faster is told again.
const FASTER: f64 = 2.0;
/// Growth that is so much faster in the second half of a window is judged when the window is full of it, unless
/// the limit is near or the window very long.
const FRESHEST: f64 = 1.3;
/// Growth that was so much faster before is slowing down.
const SLOWER: f64 = 1.3;
/// One that has become slower than this share of its speed has stopped.
const STOPPED: f64 = 0.2;

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Change {
    Leak { growth: GrowthEstimate, again: bool, time_to_limit: Option<f64> },
    Settled { at: f64, how: Settling, level: f64 },
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum TrackState {
    Quiet,
    Leaking { growth: GrowthEstimate, tier: usize },
}

#[derive(Clone, Debug)]
pub struct Track {
    tiers: Vec<Tier>,
    state: TrackState,
    velocity: Option<f64>,
    /// Thresholds on size are multiplied by this.
    scale: f64,
}

fn span_of(tier: usize, options: &Options) -> f64 {
    options.min_time * 2_f64.powi(tier as i32 - NORMAL as i32)
}

impl Track {
    pub fn new(options: &Options, scale: f64) -> Self {
        let tiers = (0..TIERS).map(|tier| Tier::new(span_of(tier, options) / SPANS)).collect();
        Self { tiers, state: TrackState::Quiet, velocity: None, scale }
    }

    pub fn is_leaking(&self) -> bool {
        matches!(self.state, TrackState::Leaking { .. })
    }

    /// Bytes per millisecond; `None` while too little is known.
    pub fn velocity(&self) -> Option<f64> {
        self.velocity
    }

    /// Adds a value. `room` is what is left to the nearest limit, in bytes.
    pub fn add(&mut self, at: f64, value: f64, room: Option<f64>, options: &Options) -> Option<Change> {
        let ended: Vec<usize> = self
            .tiers
            .iter_mut()
            .enumerate()
            .filter_map(|(n, tier)| tier.add(Point { at, value }).then_some(n))
            .collect();
        if ended.contains(&NORMAL) {
            self.measure(options);
        }
        match self.state {
            TrackState::Quiet => {
                let (tier, growth) =
                    ended.into_iter().find_map(|n| Some((n, self.judge(n, room, options)?)))?;
                self.state = TrackState::Leaking { growth, tier: tier.max(NORMAL) };
                self.velocity = Some(growth.velocity);
                Some(Change::Leak { growth, again: false, time_to_limit: time_to_limit(&growth, room) })
            }
            TrackState::Leaking { growth, tier } if ended.contains(&tier) => {
                self.follow(growth, tier, room, options)
            }
            TrackState::Leaking { .. } => None,
        }
    }

    /// The speed over the shortest window that has enough samples.
    fn measure(&mut self, options: &Options) {
        let enough = (options.min_samples / 2).max(4);
        let found = self.tiers[NORMAL..].iter().find_map(|tier| {
            let points = tier.window();
            (points.len() >= enough).then(|| slope(&points))
        });
        self.velocity = found.or(self.velocity);
    }

    fn judge(&self, tier: usize, room: Option<f64>, options: &Options) -> Option<GrowthEstimate> {
        let min_time = span_of(tier, options);
        // The shorter the window, the more it must look like a straight line: a cache's filling does, too, as
        // long as one looks at a small part of it.
        let strictness = match tier {
            0..=NORMAL => 0.5,
            4 => 0.75,
            _ => 1.0,
        };
        let min_steadiness = options.min_steadiness.powf(strictness);
        let max_steadiness = if (NORMAL..=NORMAL + 3).contains(&tier) { FRESHEST } else { f64::INFINITY };
        let terms = Terms { options, min_time, min_steadiness, max_steadiness, scale: self.scale };
        let highest =
            |from, to| self.tiers[tier..].iter().filter_map(|tier| tier.highest(from, to)).reduce(f64::max);
        let growth = judge(&self.tiers[tier].window(), terms, highest)?;
        if tier < NORMAL && time_to_limit(&growth, room)? > URGENCY * min_time {
            return None;
        }
        (!self.slows_down(tier, &growth)).then_some(growth)
    }

    /// Whether growth was faster in the time before the window, which is as long: a cache's first part fills fast,
    /// and the longer one looks, the clearer that is.
    fn slows_down(&self, tier: usize, growth: &GrowthEstimate) -> bool {
        let Some(wider) = self.tiers.get(tier + 1) else { return false };
        let mut before = wider.window();
        before.retain(|point| point.at < growth.start);
        before.len() >= 4 && slope(&before) > SLOWER * growth.velocity
    }

    fn follow(
        &mut self,
        told: GrowthEstimate,
        tier: usize,
        room: Option<f64>,
        options: &Options,
    ) -> Option<Change> {
        let points = self.tiers[tier].since(told.end);
        let last = *points.last()?;
        let half = told.level - told.growth / 2.0;
        let (&[.., a, b, c], true) = (points.as_slice(), points.len() >= 3) else { return None };
        if [a, b, c].iter().all(|point| point.value < half) {
            return Some(self.settle(last, Settling::Released));
        }
        let span = span_of(tier, options);
        if points.len() < 4 || last.at - told.end < span / 2.0 {
            return None;
        }
        let begin = points.partition_point(|point| point.at < last.at - span);
        let recent = &points[begin..];
        let now = slope(recent);
        self.velocity = Some(now);
        if now < STOPPED * told.velocity {
            return Some(self.settle(last, Settling::Stopped));
        }
        if now >= FASTER * told.velocity {
            let terms = Terms {
                options,
                min_time: span / 2.0,
                min_steadiness: options.min_steadiness,
                max_steadiness: FRESHEST,
                scale: self.scale,
            };
            let growth = judge(recent, terms, |_, _| None)?;
            self.state = TrackState::Leaking { growth, tier };
            return Some(Change::Leak { growth, again: true, time_to_limit: time_to_limit(&growth, room) });
        }
        None
    }

    fn settle(&mut self, last: Point, how: Settling) -> Change {
        self.state = TrackState::Quiet;
        Change::Settled { at: last.at, how, level: last.value }
    }
}

fn time_to_limit(growth: &GrowthEstimate, room: Option<f64>) -> Option<f64> {
    Some(room?.max(0.0) / growth.velocity)
}
