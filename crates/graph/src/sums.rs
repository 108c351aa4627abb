//! Sums of sizes and counts that come out of files.
//!
//! Sizes are up to 2^64 in the format and nobody vouches for them, so every sum of them stops at the largest value
//! instead of starting over. Real sums are far below.

#[inline(always)]
pub fn add(total: &mut u64, more: u64) {
    *total = total.saturating_add(more);
}

#[inline]
pub fn sum(numbers: impl IntoIterator<Item = u64>) -> u64 {
    numbers.into_iter().fold(0, u64::saturating_add)
}

/// `new` less `old`; differences that don't fit become the largest or smallest that does.
#[inline]
pub fn difference(new: u64, old: u64) -> i64 {
    let apart = i64::try_from(new.abs_diff(old)).unwrap_or(i64::MAX);
    if new < old { -apart } else { apart }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_are_not_passed() {
        let mut total = u64::MAX - 1;
        add(&mut total, 7);
        assert_eq!(total, u64::MAX);
        assert_eq!(sum([1, 2, u64::MAX]), u64::MAX);
        assert_eq!(
            [(5, 7), (7, 5), (u64::MAX, 0), (0, u64::MAX)].map(|(a, b)| difference(a, b)),
            [-2, 2, i64::MAX, -i64::MAX]
        );
    }
}
