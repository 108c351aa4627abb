//! Which memory a fork leaves out although it is V8's.
//!
//! V8 marks its pages `MADV_DONTFORK`. There are thousands of mappings, but they lie together, so a few ranges
//! cover them. The marks are read before the stop (`smaps` takes tens of milliseconds); what has changed since is
//! found in `maps`, which is fast.

use stillheap_limits::Mapping;

/// Addresses: the first, and the one behind the last.
pub(crate) type Range = (u64, u64);

/// V8's pages begin at multiples of this.
const PAGE: usize = 1 << 18;

/// The ranges whose marks may be taken away and given back: memory of no file that was marked when `before` was read and
/// is still what it was, and pages that V8 has made among it since.
pub(crate) fn marked(before: &[Mapping], now: &[Mapping]) -> Vec<Range> {
    let mut ranges: Vec<Range> = Vec::new();
    let mut joins = false;
    for mapping in now {
        let ours = mapping.anonymous && (was_marked(before, mapping) || is_new_page(before, mapping));
        if ours {
            match ranges.last_mut().filter(|_| joins) {
                Some(last) => last.1 = mapping.end as u64,
                None => ranges.push((mapping.start as u64, mapping.end as u64)),
            }
        }
        // Another mapping in between must not get our marks.
        joins = ours;
    }
    ranges
}

/// The mappings that overlap these addresses.
fn overlapping(all: &[Mapping], start: usize, end: usize) -> &[Mapping] {
    let from = all.partition_point(|m| m.end <= start);
    let to = all.partition_point(|m| m.start < end);
    all.get(from..to).unwrap_or_default()
}

/// Whether each byte was memory of no file that was marked.
fn was_marked(before: &[Mapping], mapping: &Mapping) -> bool {
    let mut at = mapping.start;
    for old in overlapping(before, mapping.start, mapping.end) {
        if old.start > at || !old.dont_fork || !old.anonymous {
            return false;
        }
        at = old.end;
    }
    at >= mapping.end
}

/// Whether V8 must have made this since: nothing was there, it begins like a page, and the mappings on both sides were
/// V8's.
fn is_new_page(before: &[Mapping], mapping: &Mapping) -> bool {
    let after = before.partition_point(|m| m.start < mapping.start);
    let neighbours = after.checked_sub(1).and_then(|i| before.get(i)).zip(before.get(after));
    mapping.start.is_multiple_of(PAGE)
        && overlapping(before, mapping.start, mapping.end).is_empty()
        && neighbours.is_some_and(|(a, b)| a.dont_fork && a.anonymous && b.dont_fork && b.anonymous)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn v8(start: usize, end: usize) -> Mapping {
        Mapping {
            start: start * PAGE,
            end: end * PAGE,
            anonymous: true,
            dont_fork: true,
            ..Mapping::default()
        }
    }

    fn plain(start: usize, end: usize) -> Mapping {
        Mapping { dont_fork: false, ..v8(start, end) }
    }

    /// What `maps` says: the same without the marks.
    fn now(mappings: &[Mapping]) -> Vec<Mapping> {
        mappings.iter().map(|m| Mapping { dont_fork: false, ..*m }).collect()
    }

    fn of(before: &[Mapping], after: &[Mapping]) -> Vec<(usize, usize)> {
        let page = PAGE as u64;
        marked(before, after).into_iter().map(|(a, b)| ((a / page) as usize, (b / page) as usize)).collect()
    }

    #[test]
    fn neighbours_become_one_range_with_the_holes_between() {
        let before = [v8(1, 2), v8(2, 3), v8(5, 6), plain(7, 8), v8(9, 10)];
        assert_eq!(of(&before, &now(&before)), [(1, 6), (9, 10)]);
    }

    #[test]
    fn what_came_since_is_taken_only_among_v8_pages() {
        let before = [v8(1, 2), v8(5, 6), plain(8, 9)];
        let new = Mapping { start: 3 * PAGE, end: 4 * PAGE, ..plain(0, 1) };
        assert_eq!(of(&before, &[now(&before)[0], new, now(&before)[1], now(&before)[2]]), [(1, 6)]);
        let odd = Mapping { start: 3 * PAGE + 4096, ..new };
        assert_eq!(of(&before, &[now(&before)[0], odd, now(&before)[1]]), [(1, 2), (5, 6)]);
        let beside = plain(7, 8);
        assert_eq!(of(&before, &[now(&before)[0], now(&before)[1], beside, plain(8, 9)]), [(1, 6)]);
    }

    #[test]
    fn what_is_gone_or_another_is_left_alone() {
        let before = [v8(1, 3), plain(3, 4), v8(6, 8)];
        // Merged with what was not marked, cut, gone.
        assert_eq!(of(&before, &[plain(1, 4), plain(6, 7)]), [(6, 7)]);
        let file = Mapping { anonymous: false, ..plain(6, 8) };
        assert_eq!(of(&before, &[plain(1, 3), file]), [(1, 3)]);
        let device = Mapping { anonymous: false, ..v8(1, 3) };
        assert_eq!(of(&[device], &now(&[device])), []);
    }
}
