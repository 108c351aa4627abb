//! Which blocks glibc's malloc has handed out: its arenas are walked from one block to the next.
//!
//! A pointer that was left over may lead to a block that was freed, or into the middle of one, and both still have the
//! words of what was there before. An arena is used only if the walk ends exactly at its end; otherwise the caller has
//! nothing but the header before the block.

use crate::memory::{MemoryView, Region, short_at, word_at};

/// Bytes before a block: the size of the previous one, if that is free, and its own.
const HEADER: u64 = 16;
const LEAST: u64 = 0x20;
const GRANULE: u64 = 16;

/// Bits of the size.
const PREVIOUS_IN_USE: u64 = 1;
const OWN_MAPPING: u64 = 2;
const OF_THREAD: u64 = 4;
const FLAGS: u64 = 7;

/// Where the arenas of threads begin (HEAP_MAX_SIZE), and the most bytes that glibc's own state takes there.
const THREAD_ARENA: u64 = 64 << 20;
const MOST_STATE: u64 = 0x1000;

/// A larger arena is not walked: the table would take more than 4 MiB.
const LARGEST: u64 = 512 << 20;

/// The size of the block of a thread's list of small free blocks (tcache_perthread_struct), since glibc 2.30.
const TCACHE: u64 = 0x290;
const TCACHE_LISTS: u64 = 64;

struct Arena {
    start: u64,
    end: u64,
    /// A bit for each 16 bytes: whether a block that is in use begins there.
    used: Vec<u64>,
}

impl Arena {
    fn walk(region: &Region<'_>, first: u64) -> Option<Arena> {
        let bytes = region.bytes();
        let length = bytes.len() as u64;
        let word = |at: u64| word_at(bytes, at as usize);
        if length < region.end - region.start {
            return None;
        }
        let of_thread = if first == 0 { 0 } else { OF_THREAD };
        if word(first + 8) & OF_THREAD != of_thread {
            return None;
        }
        let mut arena = Arena { start: region.start, end: region.end, used: Vec::new() };
        let mut at = first;
        loop {
            let header = word(at + 8);
            let size = header & !FLAGS;
            if size < LEAST || !size.is_multiple_of(GRANULE) || header & OWN_MAPPING != 0 {
                return None;
            }
            let next = at.checked_add(size)?;
            // The last one is what has not been handed out yet.
            if next == length {
                break;
            }
            if next + HEADER > length {
                return None;
            }
            if word(next + 8) & PREVIOUS_IN_USE != 0 {
                arena.mark(at, length);
            }
            at = next;
        }
        if word(first + 8) & !FLAGS == TCACHE {
            arena.free_small(bytes, first + HEADER);
        }
        Some(arena)
    }

    fn mark(&mut self, at: u64, length: u64) {
        if self.used.is_empty() {
            self.used = vec![0; (length / GRANULE).div_ceil(64) as usize];
        }
        self.used[(at / GRANULE / 64) as usize] |= 1 << (at / GRANULE % 64);
    }

    fn is_used(&self, at: u64) -> bool {
        self.used.get((at / GRANULE / 64) as usize).is_some_and(|word| word >> (at / GRANULE % 64) & 1 != 0)
    }

    /// Small blocks that a thread keeps for its next calls look as if they were in use.
    fn free_small(&mut self, bytes: &[u8], lists: u64) {
        for list in 0..TCACHE_LISTS {
            let count = short_at(bytes, (lists + 2 * list) as usize);
            let mut block = word_at(bytes, (lists + 2 * TCACHE_LISTS + 8 * list) as usize);
            for _ in 0..count {
                let Some(at) = block.checked_sub(self.start + HEADER).filter(|at| self.is_used(*at)) else {
                    break;
                };
                self.used[(at / GRANULE / 64) as usize] &= !(1 << (at / GRANULE % 64));
                // The link is mixed with its own place (safe-linking, glibc 2.32).
                block = word_at(bytes, (at + HEADER) as usize) ^ (block >> 12);
            }
        }
    }
}

#[derive(Default)]
pub(crate) struct Arenas(Vec<Arena>);

impl Arenas {
    pub(crate) fn find(view: &MemoryView<'_>, is_page: impl Fn(u64) -> bool) -> Arenas {
        let candidates = view.regions.iter().filter(|region| {
            region.writable
                && region.file.is_none()
                && region.end - region.start <= LARGEST
                && !is_page(region.start)
        });
        let walked = candidates.filter_map(|region| {
            Arena::walk(region, 0).or_else(|| {
                let state = region.start.is_multiple_of(THREAD_ARENA).then_some(LEAST..MOST_STATE)?;
                state.step_by(GRANULE as usize).find_map(|first| Arena::walk(region, first))
            })
        });
        Arenas(walked.collect())
    }

    /// Whether a block that is in use begins at an address; none if no arena has it.
    pub(crate) fn has(&self, address: u64) -> Option<bool> {
        let after = self.0.partition_point(|arena| arena.start <= address);
        let arena = self.0.get(after.checked_sub(1)?)?;
        if address >= arena.end {
            return None;
        }
        let at = address.checked_sub(arena.start + HEADER);
        Some(address.is_multiple_of(GRANULE) && at.is_some_and(|at| arena.is_used(at)))
    }
}

#[cfg(test)]
mod tests {
    use super::{Arenas, TCACHE};
    use crate::memory::{Mapping, Memory, MemoryView, Thread};

    const START: u64 = 0x5000_0000;

    struct Fake(Vec<Mapping>, Vec<u8>);

    impl Memory for Fake {
        fn mappings(&self) -> &[Mapping] {
            &self.0
        }

        fn bytes(&self, _: usize) -> &[u8] {
            &self.1
        }

        fn threads(&self) -> &[Thread] {
            &[]
        }

        fn main_thread(&self) -> Option<u32> {
            None
        }
    }

    /// Blocks of these sizes and whether they are in use; the rest of the 4 KiB is the top.
    fn heap(blocks: &[(u64, bool)]) -> Fake {
        let mut bytes = vec![0; 4096];
        let mut at = 0;
        let mut previous = true;
        for &(size, used) in blocks.iter().chain([&(0, true)]) {
            let size = if size == 0 { 4096 - at as u64 } else { size };
            bytes[at + 8..at + 16].copy_from_slice(&(size | u64::from(previous)).to_le_bytes());
            at += size as usize;
            previous = used;
        }
        Fake(vec![Mapping { start: START, end: START + 4096, writable: true, file: None }], bytes)
    }

    fn used(fake: &Fake) -> Vec<u64> {
        let arenas = Arenas::find(&MemoryView::new(fake), |_| false);
        (START..START + 4096).filter(|&at| arenas.has(at) == Some(true)).map(|at| at - START).collect()
    }

    #[test]
    fn blocks_in_use_are_told_from_freed_ones_and_from_their_middle() {
        assert_eq!(used(&heap(&[(0x40, true), (0x100, false), (0x20, true)])), [0x10, 0x150]);
    }

    #[test]
    fn what_is_no_arena_says_nothing() {
        let mut fake = heap(&[(0x40, true), (0x100, true)]);
        // A block of 8 bytes: none is so small.
        fake.1[0x48] = 8;
        fake.1[0x49] = 0;
        let arenas = Arenas::find(&MemoryView::new(&fake), |_| false);
        assert_eq!(arenas.has(START + 0x10), None);
        assert_eq!(arenas.has(START - 0x10), None);
        assert!(used(&fake).is_empty());
    }

    #[test]
    fn small_blocks_that_a_thread_keeps_are_free() {
        let mut fake = heap(&[(TCACHE, true), (0x40, true), (0x40, true), (0x40, true)]);
        let block = |n: u64| START + TCACHE + 0x40 * n + 0x10;
        // Two of size 0x40 are listed: the third, then the first.
        fake.1[0x10 + 4] = 2;
        fake.1[0x10 + 128 + 16..][..8].copy_from_slice(&block(2).to_le_bytes());
        let link = block(0) ^ (block(2) >> 12);
        fake.1[(block(2) - START) as usize..][..8].copy_from_slice(&link.to_le_bytes());
        assert_eq!(used(&fake), [0x10, block(1) - START]);
    }
}
