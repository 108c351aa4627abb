//! memwatch's figures: moving averages of what lives, and its extremes.

const RECENT: f64 = 10.0;
const ANCIENT: f64 = 120.0;
/// The first collections say more about loading than about the service.
const SETTLED: u64 = 3;

#[derive(Clone, Copy, Debug, Default)]
pub struct Base {
    count: u64,
    recent: f64,
    ancient: f64,
    min: Option<u64>,
    max: Option<u64>,
}

impl Base {
    pub fn add(&mut self, used: u64) {
        let value = used as f64;
        let n = self.count as f64;
        // How many past collections the average stands for. At first few, so that start-up is soon forgotten.
        let (recent, ancient) = if n < RECENT {
            (n * (n / RECENT).powf(2.5), n * (n / RECENT).powf(2.4))
        } else {
            (RECENT - 1.0, n.min(ANCIENT) - 1.0)
        };
        self.recent = (self.recent * recent + value) / (recent + 1.0);
        self.ancient = (self.ancient * ancient + value) / (ancient + 1.0);
        self.count += 1;
        if self.count >= SETTLED {
            self.min = Some(self.min.map_or(used, |min| min.min(used)));
            self.max = Some(self.max.map_or(used, |max| max.max(used)));
        }
    }

    pub fn base(&self) -> f64 {
        self.recent.round()
    }

    pub fn min(&self) -> Option<u64> {
        self.min
    }

    pub fn max(&self) -> Option<u64> {
        self.max
    }

    /// Per cent, to a tenth.
    pub fn trend(&self) -> f64 {
        if self.ancient > 0.0 {
            ((self.recent - self.ancient) / self.ancient * 1000.0).round() / 10.0
        } else {
            0.0
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn averages_follow_and_extremes_leave_loading_out() {
        let mut base = Base::default();
        base.add(500);
        base.add(400);
        assert_eq!((base.min(), base.max()), (None, None));
        (0..200).for_each(|_| base.add(100));
        assert_eq!((base.base(), base.min(), base.max()), (100.0, Some(100), Some(100)));
        base.add(200);
        assert_eq!(base.base(), 110.0);
        assert_eq!(base.trend(), 9.1);
    }

    #[test]
    fn nothing_yet_is_no_trend() {
        assert_eq!(Base::default().trend(), 0.0);
    }
}
