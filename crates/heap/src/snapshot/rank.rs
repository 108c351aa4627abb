//! The ordinal of an object: the number of marked words before its own.
//!
//! From a bit per word and, per 512 words, a count of those before and seven counts of 9 bits within: rank9 of Vigna,
//! "Broadword implementation of rank/select queries" (2008). 16 bytes per 4096 of the heap, and one word to count bits in.

use crate::heap::Heap;
use crate::mark::Place;

/// Positions of set bits by rank.
pub(crate) struct Ranked {
    /// Ordinal of the page's first.
    pub(crate) base: u32,
    groups: Vec<Group>,
}

/// 8 words of bits.
#[derive(Clone, Copy)]
struct Group {
    /// Set bits of the page before the group.
    before: u32,
    /// Set bits of the group before each of its words but the first, 9 bits each.
    within: u64,
}

const GROUP: usize = 8;

impl Group {
    fn new(before: u32, words: &[u64]) -> (Group, u32) {
        let (mut within, mut count) = (0, 0);
        for (index, word) in words.iter().enumerate() {
            if index > 0 {
                within |= u64::from(count) << (9 * (index - 1));
            }
            count += word.count_ones();
        }
        (Group { before, within }, before + count)
    }

    /// Set bits of the page before a word of the group.
    #[inline(always)]
    fn before(self, index: usize) -> u32 {
        // The first word's shift is over the last one's bits: 63, of which there are none.
        let shift = 9 * (index.wrapping_sub(1) % GROUP);
        self.before + (self.within >> shift & 0x1ff) as u32
    }
}

pub(crate) fn rank(bits: &[Vec<u64>], first: u32) -> (Vec<Ranked>, u32) {
    let mut next = first;
    let pages = bits
        .iter()
        .map(|words| {
            let base = next;
            let mut before = 0;
            let groups = words
                .chunks(GROUP)
                .map(|words| {
                    let (group, after) = Group::new(before, words);
                    before = after;
                    group
                })
                .collect();
            next = next.saturating_add(before);
            Ranked { base, groups }
        })
        .collect();
    (pages, next)
}

/// The ordinal of an address whose bit is set.
#[inline(always)]
pub(crate) fn ordinal(heap: &Heap<'_>, bits: &[Vec<u64>], ranked: &[Ranked], address: u64) -> Option<u32> {
    let page = heap.space.page_index(address)?;
    let word = address.wrapping_sub(heap.space.pages[page].base) as usize >> 3;
    if bits[page].get(word >> 6)? >> (word & 63) & 1 == 0 {
        return None;
    }
    Some(ordinal_of(bits, ranked, Place { page: page as u32, word: word as u32 }))
}

/// The ordinal of what is known to be marked.
#[inline(always)]
pub(crate) fn ordinal_of(bits: &[Vec<u64>], ranked: &[Ranked], place: Place) -> u32 {
    let (words, ranked) = (&bits[place.page as usize], &ranked[place.page as usize]);
    let (index, bit) = (place.word as usize >> 6, place.word & 63);
    let in_word = (words[index] & ((1 << bit) - 1)).count_ones();
    ranked.base + ranked.groups[index / GROUP].before(index % GROUP) + in_word
}

#[cfg(test)]
mod tests {
    use super::{Place, ordinal_of, rank};

    #[test]
    fn an_ordinal_is_the_number_of_bits_before() {
        let full = vec![u64::MAX; 19];
        let odd: Vec<u64> = (0..21).map(|n: u64| n.wrapping_mul(0x9e37_79b9_7f4a_7c15)).collect();
        let bits = vec![full, Vec::new(), odd];
        let (ranked, last) = rank(&bits, 7);
        let mut expected = 7;
        for (page, words) in bits.iter().enumerate() {
            for word in crate::mark::bits(words) {
                assert_eq!(
                    ordinal_of(&bits, &ranked, Place { page: page as u32, word: word as u32 }),
                    expected
                );
                expected += 1;
            }
        }
        assert_eq!(last, expected);
    }
}
