//! Whether the points of a window are a leak's.
//!
//! What else makes a heap grow, and what tells it from a leak: requests in flight and jobs (the floor of a span
//! doesn't rise, the line isn't significant, the growth isn't clear of the noise), start-up and one large load
//! (a step: three quarters of the window are flat), a cache that fills (it slows down), load that comes and goes
//! (the heap has been as high before).

use crate::options::Options;
use crate::slope::{Line, Point, line, median, slope};

/// Growth that has passed every test.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GrowthEstimate {
    /// When the window's first and last samples were taken: milliseconds.
    pub start: f64,
    pub end: f64,
    /// Bytes, on the line.
    pub growth: f64,
    /// The line's value at the end: bytes.
    pub level: f64,
    /// Bytes per millisecond.
    pub velocity: f64,
    /// From 0 to 1.
    pub confidence: f64,
    pub samples: usize,
}

/// How much of an even rise each quarter must show at least; the floor of a quarter is the floor of few samples.
const QUARTER_SHARE: f64 = 0.25;
/// Fewer standard deviations from chance than this is chance.
const MIN_Z: f64 = 2.5;
const MIN_TAU: f64 = 0.5;
/// So many standard errors is the ratio of the halves' speeds taken to be lower than it seems: in doubt, wait.
const DOUBT: f64 = 1.0;
/// Where the second half is so much faster than the first, its speed is the present one.
const FRESH: f64 = 1.3;

/// What a window is judged by beside its points.
#[derive(Clone, Copy, Debug)]
pub struct Terms<'a> {
    pub options: &'a Options,
    /// How long the points must reach, in milliseconds.
    pub min_time: f64,
    /// The second half's speed as a share of the first's, at least.
    pub min_steadiness: f64,
    /// And at most: much more, and the growth has only begun within the window. To wait gives the right speed.
    pub max_steadiness: f64,
    /// Thresholds on size are multiplied by this.
    pub scale: f64,
}

/// Judges; `highest(from, to)` is the highest floor that was reached in a span of time.
pub fn judge(
    points: &[Point],
    terms: Terms<'_>,
    highest: impl Fn(f64, f64) -> Option<f64>,
) -> Option<GrowthEstimate> {
    let Terms { options, min_time, min_steadiness, max_steadiness, scale } = terms;
    let (start, end) = (points.first()?.at, points.last()?.at);
    if points.len() < options.min_samples.max(4) || end - start < min_time {
        return None;
    }
    // First what is quick to see: most windows of a healthy service end here.
    let floors = quarters(points, start, end)?;
    let even = (floors[3] - floors[0]) / 3.0;
    let least = options.min_growth * scale;
    if even <= 0.0
        || even * 4.0 < least / 2.0
        || floors.windows(2).any(|pair| pair[1] - pair[0] < QUARTER_SHARE * even)
    {
        return None;
    }
    let line = line(points)?;
    let growth = line.last - line.first;
    let wanted = least.max(options.min_share * line.first.max(0.0));
    if growth < wanted || growth < options.min_clarity * line.noise || line.z < MIN_Z || line.tau < MIN_TAU {
        return None;
    }
    let halves = Halves::of(points, start, end, line.noise);
    if halves.ratio - DOUBT * halves.error < min_steadiness || halves.ratio > max_steadiness {
        return None;
    }
    let (late, above) = without_first_quarter(points, start, end, line.noise);
    if max_steadiness.is_finite() && above > 0.05 * growth {
        return None;
    }
    // Sixteen windows back: a peak further away than that says nothing about what is normal.
    if highest(start - 16.0 * (end - start), start).is_some_and(|before| floors[3] <= before) {
        return None;
    }
    // Where the growth began within the window, what came before it is no part of its speed.
    let velocity = if halves.ratio > FRESH {
        halves.late
    } else if late > 1.05 * line.slope {
        late
    } else {
        line.slope
    };
    let confidence = confidence(&line, growth, halves.ratio, (end - start) / options.min_time);
    (confidence >= options.min_confidence).then_some(GrowthEstimate {
        start,
        end,
        growth,
        level: line.last,
        velocity,
        confidence,
        samples: points.len(),
    })
}

/// The lowest value of each quarter of the time; `None` if one has no samples.
fn quarters(points: &[Point], start: f64, end: f64) -> Option<[f64; 4]> {
    let mut floors = [f64::INFINITY; 4];
    for point in points {
        let quarter = (((point.at - start) / (end - start) * 4.0) as usize).min(3);
        floors[quarter] = floors[quarter].min(point.value);
    }
    floors.iter().all(|floor| floor.is_finite()).then_some(floors)
}

/// The slopes of the window's halves.
struct Halves {
    late: f64,
    /// The second's as a share of the first's.
    ratio: f64,
    /// The standard error of that.
    error: f64,
}

impl Halves {
    fn of(points: &[Point], start: f64, end: f64, noise: f64) -> Self {
        let middle = points.partition_point(|point| point.at < start.midpoint(end));
        let (early, late) = (slope(&points[..middle]), slope(&points[middle..]));
        if early <= 0.0 {
            return Self { late, ratio: if late > 0.0 { f64::INFINITY } else { 0.0 }, error: 0.0 };
        }
        let ratio = late / early;
        // A line's slope through n evenly spread points is as uncertain as this (least squares' formula, which is
        // close enough for the median of slopes).
        let uncertain = |n: usize| noise / ((end - start) / 2.0) * (12.0 / n.max(1) as f64).sqrt();
        let (of_early, of_late) = (uncertain(middle) * ratio, uncertain(points.len() - middle));
        Self { late, ratio, error: of_early.hypot(of_late) / early }
    }
}

/// The slope without the first quarter, and by how much that quarter lies higher than the rest, drawn backwards,
/// would have it, beyond what noise explains: then the growth began only after it.
fn without_first_quarter(points: &[Point], start: f64, end: f64, noise: f64) -> (f64, f64) {
    let cut = points.partition_point(|point| point.at < start + (end - start) / 4.0);
    let (early, late) = points.split_at(cut);
    let velocity = slope(late);
    let level = |points: &[Point]| {
        median(&mut points.iter().map(|p| p.value - velocity * (p.at - start)).collect::<Vec<f64>>())
    };
    let explained = 1.5 * noise / (early.len().max(1) as f64).sqrt();
    (velocity, level(early) - level(late) - explained)
}

/// The geometric mean of how ordered the samples are, how clear of the noise, how steady, and how long.
fn confidence(line: &Line, growth: f64, steadiness: f64, windows: f64) -> f64 {
    let clarity = growth / (growth + 2.0 * line.noise);
    (line.tau * clarity * steadiness.min(1.0) * windows.min(1.0)).max(0.0).powf(0.25)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MB: f64 = 1e6;

    fn judged(value: impl Fn(f64) -> f64) -> Option<GrowthEstimate> {
        let options = Options::default();
        let points: Vec<Point> = (0..61)
            .map(|i| Point { at: f64::from(i) * 10_000.0, value: value(f64::from(i) / 60.0) })
            .collect();
        let terms = Terms {
            options: &options,
            min_time: options.min_time,
            min_steadiness: options.min_steadiness,
            max_steadiness: f64::INFINITY,
            scale: 1.0,
        };
        judge(&points, terms, |_, _| None)
    }

    #[test]
    fn even_growth_is_a_leak() {
        let growth = judged(|x| 50.0 * MB + 20.0 * MB * x).unwrap();
        assert!((growth.growth - 20.0 * MB).abs() < 1.0);
        assert!((growth.velocity * 3_600_000.0 - 120.0 * MB).abs() < 10.0);
        assert!(growth.confidence > 0.99, "{growth:?}");
    }

    #[test]
    fn growth_that_gathers_speed_is_one_too() {
        assert!(judged(|x| 50.0 * MB + 40.0 * MB * (0.6 * x + 0.4 * x * x)).is_some());
    }

    #[test]
    fn what_else_grows_is_not() {
        assert_eq!(judged(|_| 50.0 * MB), None, "flat");
        assert_eq!(judged(|x| 50.0 * MB + 2.0 * MB * x), None, "little");
        assert_eq!(judged(|x| 2000.0 * MB + 40.0 * MB * x), None, "little of what is there");
        assert_eq!(judged(|x| 50.0 * MB + 20.0 * MB * (1.0 - (-3.0 * x).exp())), None, "a cache that fills");
        assert_eq!(judged(|x| 50.0 * MB + 40.0 * MB * (2.0 * x).min(1.0)), None, "one that has filled");
        assert_eq!(judged(|x| 50.0 * MB + if x > 0.5 { 80.0 * MB } else { 0.0 }), None, "a step");
        assert_eq!(judged(|x| 50.0 * MB + if x > 0.95 { 80.0 * MB } else { 0.0 }), None, "a late step");
        assert_eq!(judged(|x| 80.0 * MB - 20.0 * MB * x), None, "falling");
        let saw = |x: f64| 50.0 * MB + 40.0 * MB * (x * 3.0).fract();
        assert_eq!(judged(saw), None, "a saw");
    }

    #[test]
    fn as_high_as_before_is_not() {
        let options = Options::default();
        let points: Vec<Point> =
            (0..61).map(|i| Point { at: f64::from(i) * 10_000.0, value: f64::from(i) * MB }).collect();
        let terms = Terms {
            options: &options,
            min_time: 600_000.0,
            min_steadiness: 0.7,
            max_steadiness: 1.3,
            scale: 1.0,
        };
        assert!(judge(&points, terms, |_, _| Some(40.0 * MB)).is_some());
        assert!(judge(&points, terms, |_, _| Some(70.0 * MB)).is_none());
    }
}
