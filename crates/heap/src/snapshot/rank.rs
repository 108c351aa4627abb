//! The ordinal of an object: the number of marked words before its own, from a bit per word and a count per 512 words.

use crate::heap::Heap;

/// Positions of set bits by rank.
pub(crate) struct Ranked {
    /// Ordinal of the page's first.
    pub(crate) base: u32,
    /// Set bits before each group of 8 words.
    groups: Vec<u32>,
}

const GROUP: usize = 8;

pub(crate) fn rank(bits: &[Vec<u64>], first: u32) -> (Vec<Ranked>, u32) {
    let mut next = first;
    let pages = bits
        .iter()
        .map(|words| {
            let base = next;
            let mut before = 0;
            let groups = words
                .chunks(GROUP)
                .map(|group| {
                    let here = before;
                    before += group.iter().map(|w| w.count_ones()).sum::<u32>();
                    here
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
    let words = &bits[page];
    let here = *words.get(word >> 6)?;
    if here >> (word & 63) & 1 == 0 {
        return None;
    }
    let group = word >> 6 & !(GROUP - 1);
    let before: u32 = words[group..word >> 6].iter().map(|w| w.count_ones()).sum();
    let in_word = (here & ((1 << (word & 63)) - 1)).count_ones();
    Some(ranked[page].base + ranked[page].groups[(word >> 6) / GROUP] + before + in_word)
}
