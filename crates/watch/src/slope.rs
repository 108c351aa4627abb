//! Robust lines through points: a quarter of the samples may be anything without moving them.
//!
//! Theil (1950), Sen (1968): the median of all pairs' slopes; Kendall (1938), Mann (1945): whether later points
//! lie higher more often than chance would have it. Time and memory are quadratic in the points, at most 64 here.

/// A point: milliseconds, bytes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    pub at: f64,
    pub value: f64,
}

/// The line, and how well it describes the points.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Line {
    /// Bytes per millisecond.
    pub slope: f64,
    /// The value at the first point's time.
    pub first: f64,
    /// The value at the last point's time.
    pub last: f64,
    /// Standard deviation of the points around the line, estimated from their median deviation.
    pub noise: f64,
    /// Kendall's tau, from -1 to 1: 1 if every later point is higher.
    pub tau: f64,
    /// Mann and Kendall's z: by how many standard deviations tau differs from chance.
    pub z: f64,
}

/// The median; 0 of nothing.
pub fn median(values: &mut [f64]) -> f64 {
    if values.is_empty() {
        return 0.0;
    }
    let (middle, odd) = (values.len() / 2, values.len() % 2 == 1);
    let (below, &mut upper, _) = values.select_nth_unstable_by(middle, f64::total_cmp);
    if odd {
        return upper;
    }
    let lower = below.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    lower.midpoint(upper)
}

/// The slope alone; 0 for fewer than two points.
pub fn slope(points: &[Point]) -> f64 {
    let mut slopes = Vec::with_capacity(points.len() * points.len().saturating_sub(1) / 2);
    for (i, a) in points.iter().enumerate() {
        slopes.extend(
            points[i + 1..].iter().filter(|b| b.at > a.at).map(|b| (b.value - a.value) / (b.at - a.at)),
        );
    }
    median(&mut slopes)
}

/// The line through points in the order of time; `None` for fewer than three.
pub fn line(points: &[Point]) -> Option<Line> {
    let (&start, &end) = (points.first()?, points.last()?);
    let n = points.len();
    if n < 3 || end.at <= start.at {
        return None;
    }
    let mut sign = 0_i64;
    for (i, a) in points.iter().enumerate() {
        for b in &points[i + 1..] {
            sign += match b.value.partial_cmp(&a.value) {
                Some(std::cmp::Ordering::Greater) => 1,
                Some(std::cmp::Ordering::Less) => -1,
                _ => 0,
            };
        }
    }
    let slope = slope(points);
    let mut levels: Vec<f64> = points.iter().map(|p| p.value - slope * (p.at - start.at)).collect();
    let first = median(&mut levels);
    let mut deviations: Vec<f64> = levels.iter().map(|level| (level - first).abs()).collect();
    // The median deviation of a normal distribution is 0.6745 standard deviations.
    let noise = median(&mut deviations) / 0.6745;
    let count = n as f64;
    let spread = (count * (count - 1.0) * (2.0 * count + 5.0) / 18.0).sqrt();
    let sign = sign as f64;
    Some(Line {
        slope,
        first,
        last: first + slope * (end.at - start.at),
        noise,
        tau: sign / (count * (count - 1.0) / 2.0),
        z: (sign - sign.signum()) / spread,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn points(values: &[f64]) -> Vec<Point> {
        values.iter().enumerate().map(|(i, &value)| Point { at: i as f64 * 10.0, value }).collect()
    }

    #[test]
    fn a_straight_line_is_found_exactly() {
        let line = line(&points(&[5.0, 7.0, 9.0, 11.0, 13.0, 15.0])).unwrap();
        assert!((line.slope - 0.2).abs() < 1e-12);
        assert!((line.first - 5.0).abs() < 1e-9 && (line.last - 15.0).abs() < 1e-9);
        assert_eq!((line.tau, line.noise), (1.0, 0.0));
        assert!(line.z > 2.6);
    }

    #[test]
    fn outliers_do_not_move_it() {
        let mut values: Vec<f64> = (0..20).map(f64::from).collect();
        values[3] = 900.0;
        values[17] = -900.0;
        let line = line(&points(&values)).unwrap();
        assert!((line.slope - 0.1).abs() < 0.005, "{line:?}");
    }

    #[test]
    fn no_trend_no_significance() {
        let line = line(&points(&[3.0, 1.0, 4.0, 1.0, 5.0, 9.0, 2.0, 6.0, 5.0, 3.0])).unwrap();
        assert!(line.z < 2.0, "{line:?}");
        assert!(!line.z.is_nan());
    }

    #[test]
    fn too_little_gives_nothing() {
        assert_eq!(line(&points(&[1.0, 2.0])), None);
        assert_eq!(line(&[Point { at: 1.0, value: 1.0 }; 5]), None);
        assert_eq!(slope(&[]), 0.0);
    }
}
