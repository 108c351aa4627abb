//! Which memory the child gets.
//!
//! V8 marks its heap `MADV_DONTFORK`, so that a child forked in the usual way dies of the first touch. The
//! marks are taken off for the fork and put back after it. `smaps` alone knows them, and takes as long to
//! read as the fork itself; so it is read beforehand, by another thread, and at the last moment only the cheap
//! `maps` is compared with it. What is new by then gets its mark taken off, if it had one, and not put back:
//! that costs the application's own later forks a little time, while a mark too many could cost them memory
//! that they need.
//!
//! Such a mark could also come about when another thread unmaps a marked range between the look at `maps` and the
//! end of the fork, and somebody else's new mapping gets its address. V8 asks for its addresses, at random all over
//! the lower half of the address space; a mapping without a hint gets the highest free one (or the lowest, as the system
//! is set up) next to the libraries, terabytes away. So the marks of ranges in that neighbourhood, where V8 lands
//! when its wish can't be met, are not put back either.

use std::io;

use stillheap_limits::{Mapping, maps, smaps};

/// A part of the address space: start and end.
type Range = (usize, usize);

/// What `smaps` said.
pub struct Prepared {
    mappings: Vec<Mapping>,
}

/// The parts whose marks change.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Ranges {
    /// Ranges that were marked before, and get their mark again.
    marked: Vec<Range>,
    /// Came after `smaps` was read, perhaps marked; or lies where the system puts mappings of its choice.
    new: Vec<Range>,
}

/// No mapping of the system's choice is farther than this from the next: whatever anybody asks for in the
/// milliseconds of a fork fits into a gap of this size.
const GAP: usize = 1 << 36;

/// The neighbourhood in which the system puts mappings of its choice, `inside` being one of them.
fn neighbourhood(now: &[Mapping], inside: usize) -> Range {
    let at = now.partition_point(|mapping| mapping.end <= inside);
    let (below, from) = now.split_at(at);
    let own = from.first().map_or(inside, |mapping| mapping.start.min(inside));
    let start = below.iter().rev().try_fold(own, |start, mapping| {
        if start.saturating_sub(mapping.end) < GAP { Ok(mapping.start) } else { Err(start) }
    });
    let end = from.iter().try_fold(inside, |end, mapping| {
        if mapping.start.saturating_sub(end) < GAP { Ok(mapping.end) } else { Err(end) }
    });
    (start.unwrap_or_else(|start| start), end.unwrap_or_else(|end| end))
}

impl Prepared {
    /// Reads `smaps`; on any thread.
    pub fn read() -> io::Result<Self> {
        let mut mappings = smaps(&std::fs::read("/proc/self/smaps")?);
        mappings.retain(|mapping| mapping.anonymous);
        Ok(Self { mappings })
    }

    /// Compares with `maps`; at the last moment. `chosen` is an address in a mapping for which the system has
    /// chosen the place.
    pub fn compare(&self, chosen: usize) -> io::Result<Ranges> {
        Ok(self.compare_with(&maps(&std::fs::read("/proc/self/maps")?), chosen))
    }

    fn compare_with(&self, now: &[Mapping], chosen: usize) -> Ranges {
        let mut ranges = Ranges::default();
        let (low, high) = neighbourhood(now, chosen);
        let mut before = self.mappings.iter().peekable();
        for mapping in now.iter().filter(|mapping| mapping.anonymous) {
            let mut at = mapping.start;
            while at < mapping.end {
                while before.peek().is_some_and(|old| old.end <= at) {
                    before.next();
                }
                match before.peek() {
                    Some(old) if old.start <= at => {
                        let end = old.end.min(mapping.end);
                        if old.dont_fork {
                            let reusable = low <= at && end <= high;
                            push(if reusable { &mut ranges.new } else { &mut ranges.marked }, (at, end));
                        }
                        at = end;
                    }
                    next => {
                        let end = next.map_or(mapping.end, |old| old.start.min(mapping.end));
                        if mapping.accessible {
                            push(&mut ranges.new, (at, end));
                        }
                        at = end;
                    }
                }
            }
        }
        ranges
    }
}

/// Adds a range, to the last one if they touch: fewer system calls.
fn push(ranges: &mut Vec<Range>, range: Range) {
    match ranges.last_mut() {
        Some(last) if last.1 == range.0 => last.1 = range.1,
        _ => ranges.push(range),
    }
}

impl Ranges {
    /// Takes the marks off.
    pub fn include(&self) {
        advise(&self.marked, libc::MADV_DOFORK);
        advise(&self.new, libc::MADV_DOFORK);
    }

    /// Puts them back.
    pub fn restore(&self) {
        advise(&self.marked, libc::MADV_DONTFORK);
    }
}

fn advise(ranges: &[Range], advice: libc::c_int) {
    for &(start, end) in ranges {
        // SAFETY: the two pieces of advice change nothing but whether a child gets the pages. A range that
        // another thread has unmapped meanwhile gives an error, which is of no consequence.
        unsafe { libc::madvise(start as *mut libc::c_void, end - start, advice) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Where the tests' system puts mappings of its choice.
    const FAR: usize = 1 << 46;

    fn mapping(start: usize, end: usize, dont_fork: bool) -> Mapping {
        Mapping { start, end, anonymous: true, accessible: true, dont_fork, ..Mapping::default() }
    }

    #[test]
    fn only_what_was_marked_is_marked_again() {
        let before = Prepared {
            mappings: vec![
                mapping(10, 20, true),
                mapping(20, 30, false),
                mapping(30, 40, true),
                mapping(50, 60, true),
            ],
        };
        // As it was.
        let same: Vec<Mapping> = before.mappings.iter().map(|m| Mapping { dont_fork: false, ..*m }).collect();
        let ranges = before.compare_with(&same, FAR);
        assert_eq!(ranges, Ranges { marked: vec![(10, 20), (30, 40), (50, 60)], new: vec![] });
        // One gone, one cut, one grown at both ends, one new, one merged with its neighbour.
        let now =
            [mapping(15, 20, false), mapping(20, 40, false), mapping(45, 65, false), mapping(90, 99, false)];
        let ranges = before.compare_with(&now, FAR);
        assert_eq!(
            ranges,
            Ranges { marked: vec![(15, 20), (30, 40), (50, 60)], new: vec![(45, 50), (60, 65), (90, 99)] }
        );
    }

    #[test]
    fn where_the_system_chooses_no_mark_is_put_back() {
        const NEAR: usize = FAR + 3 * GAP;
        let before = Prepared { mappings: vec![mapping(10, 20, true), mapping(NEAR, NEAR + 9, true)] };
        let library = Mapping { anonymous: false, ..mapping(NEAR + 20, NEAR + 30, false) };
        let stack = Mapping { anonymous: false, ..mapping(NEAR + 30 + GAP, NEAR + 40 + GAP, false) };
        let now = [mapping(10, 20, false), mapping(NEAR, NEAR + 9, false), library, stack];
        assert_eq!(neighbourhood(&now, NEAR + 25), (NEAR, NEAR + 30));
        assert_eq!(neighbourhood(&now, 15), (10, 20));
        let ranges = before.compare_with(&now, NEAR + 25);
        assert_eq!(ranges, Ranges { marked: vec![(10, 20)], new: vec![(NEAR, NEAR + 9)] });
    }

    #[test]
    fn reservations_and_files_are_left_alone() {
        let before = Prepared { mappings: vec![] };
        let now = [
            Mapping { accessible: false, ..mapping(10, 20, false) },
            Mapping { anonymous: false, ..mapping(30, 40, false) },
        ];
        assert_eq!(before.compare_with(&now, FAR), Ranges::default());
    }

    #[test]
    fn touching_ranges_are_one_call() {
        let before = Prepared { mappings: vec![mapping(10, 20, true), mapping(20, 30, true)] };
        let now = [mapping(10, 30, false)];
        assert_eq!(before.compare_with(&now, FAR).marked, [(10, 30)]);
    }

    #[test]
    fn a_mark_can_be_taken_off_and_put_back() {
        const SIZE: usize = 1 << 20;
        // SAFETY: this test's own new mappings, unmapped at the end; the first where V8 has its own.
        let map = |wish: usize| unsafe {
            let address = libc::mmap(
                wish as *mut libc::c_void,
                SIZE,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
                -1,
                0,
            );
            assert_eq!(libc::madvise(address, SIZE, libc::MADV_DONTFORK), 0);
            address
        };
        let (address, elsewhere) = (map(0x1a_0000_0000), map(0));
        let is_marked = |address: *mut libc::c_void| {
            let now = Prepared::read().unwrap();
            let has_it = |m: &&Mapping| (m.start..m.end).contains(&(address as usize));
            now.mappings.iter().find(has_it).is_some_and(|m| m.dont_fork)
        };
        let marked = || is_marked(address);
        assert!(marked() && is_marked(elsewhere));
        let ranges = Prepared::read().unwrap().compare(elsewhere as usize).unwrap();
        ranges.include();
        assert!(!marked() && !is_marked(elsewhere));
        ranges.restore();
        assert!(marked());
        assert!(!is_marked(elsewhere), "where anybody's next mapping may come to lie");
        // SAFETY: ours, and nobody else knows them.
        unsafe {
            libc::munmap(address, SIZE);
            libc::munmap(elsewhere, SIZE);
        }
    }
}
