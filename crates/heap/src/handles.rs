//! V8's handles and tables of roots, found by their shape in the isolate's memory.
//!
//! What is recognised here needs several facts that agree: a pointer, a length and the size that malloc noted for the
//! block. What isn't recognised stays with the isolate's other words (`roots.rs`).

use crate::heap::{Maps, Space};
use crate::memory::is_strong;
use crate::pages::PAGE;

/// Bytes of a node of GlobalHandles, and nodes of a block.
pub(crate) const NODE: usize = 32;
const NODES: usize = 256;
pub(crate) const BLOCK: usize = NODE * NODES;

/// The states of a node that are in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HandleState {
    Strong,
    Weak,
}

/// GlobalHandles' blocks: 256 nodes whose eleventh byte is their number.
pub(crate) struct GlobalHandles<'m> {
    /// By address.
    blocks: Vec<(u64, &'m [u8])>,
}

impl<'m> GlobalHandles<'m> {
    pub(crate) fn find(space: &Space<'m>) -> GlobalHandles<'m> {
        let mut blocks = Vec::new();
        for region in space.view.regions.iter().filter(|r| r.writable && r.file.is_none()) {
            let bytes = region.bytes();
            let mut at = 0;
            while at + BLOCK <= bytes.len() {
                let address = region.start + at as u64;
                // No block is on a page of V8, which most of the memory may be.
                if (at == 0 || address.is_multiple_of(PAGE))
                    && let Some(page) = space.page(address)
                {
                    at = (page.end.next_multiple_of(8) - region.start) as usize;
                    continue;
                }
                let numbered = bytes[at + 10] == 0
                    && bytes[at + 42] == 1
                    && bytes[at + 74] == 2
                    && (3..NODES).all(|n| bytes[at + n * NODE + 10] == n as u8);
                if numbered {
                    blocks.push((address, &bytes[at..at + BLOCK]));
                    at += BLOCK;
                } else {
                    at += 8;
                }
            }
        }
        GlobalHandles { blocks }
    }

    /// All nodes that are in use: what they refer to, and how.
    pub(crate) fn all(&self) -> impl Iterator<Item = (u64, HandleState)> + use<'_, 'm> {
        self.blocks.iter().flat_map(|(_, block)| block.chunks_exact(NODE)).filter_map(node)
    }

    /// The node at an address.
    pub(crate) fn at(&self, address: u64) -> Option<(u64, HandleState)> {
        let after = self.blocks.partition_point(|&(start, _)| start <= address);
        let (start, block) = self.blocks.get(after.checked_sub(1)?)?;
        let offset = usize::try_from(address - start).ok()?;
        if !offset.is_multiple_of(NODE) {
            return None;
        }
        node(block.get(offset..offset + NODE)?)
    }

    /// Whether an address is in a block, or in what malloc puts before one.
    pub(crate) fn contain(&self, address: u64) -> bool {
        let after = self.blocks.partition_point(|(start, _)| start.saturating_sub(64) <= address);
        after > 0 && address < self.blocks[after - 1].0 + BLOCK as u64
    }
}

fn node(node: &[u8]) -> Option<(u64, HandleState)> {
    let state = match node.get(11)? & 3 {
        1 => HandleState::Strong,
        2 => HandleState::Weak,
        _ => return None,
    };
    Some((crate::memory::word_at(node, 0), state))
}

/// Words of a block of handle scopes (`HandleBlockSize`), and the bytes that malloc needs for it.
const SCOPE_BLOCK: u64 = 1022 * 8;
const SCOPE_BLOCK_MALLOC: u64 = 0x2000;

/// What a thread has of handle scopes (`HandleScopeImplementer`).
pub(crate) struct Scopes {
    /// The list of the blocks, which has stale entries behind its end.
    pub(crate) list: Vector,
    /// The used parts of all blocks.
    pub(crate) blocks: Vec<Vector>,
    /// The contexts that were entered, and those that were left meanwhile.
    pub(crate) contexts: Vec<Vector>,
    /// The block that is kept for the next scopes. It has handles of scopes that are closed.
    pub(crate) spare: Option<u64>,
}

/// Words of a `HandleScopeImplementer` from its list of blocks on, generously.
const IMPLEMENTER: u64 = 32;

impl Scopes {
    /// What belongs to the list of blocks at an address.
    pub(crate) fn at(
        space: &Space<'_>,
        address: u64,
        current: Option<Vector>,
        sealed: &[u64],
    ) -> Option<Scopes> {
        let list = Vector::detachable(space, address)?;
        let blocks = scope_blocks(space, list, current, sealed)?;
        let contexts =
            [3, 6].into_iter().filter_map(|n| Vector::detachable(space, address + 8 * n)).collect();
        let spare = (3..IMPLEMENTER).find_map(|n| {
            let block = space.view.word(address + 8 * n)?;
            let used = blocks.iter().any(|used| used.begin == block);
            (!used && is_scope_block(space, block)).then_some(block)
        });
        Some(Scopes { list, blocks, contexts, spare })
    }
}

fn is_scope_block(space: &Space<'_>, begin: u64) -> bool {
    begin & 15 == 0 && malloc_block(space, begin, SCOPE_BLOCK_MALLOC) == Some(SCOPE_BLOCK_MALLOC)
}

/// Words of a block of eternal handles, and the bytes that malloc needs for it.
const ETERNAL_BLOCK: u64 = 256 * 8;
const ETERNAL_BLOCK_MALLOC: u64 = 0x810;

/// Longer lists of blocks are none.
const MOST_BLOCKS: u64 = 1 << 16;

/// A cache of the snapshot that Node started from has more entries than any other list of the isolate's.
const LEAST_CACHED: u64 = 1000;

/// A vector as three pointers say it: begin, end, end of the room.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Vector {
    pub(crate) begin: u64,
    pub(crate) end: u64,
}

impl Vector {
    /// The vector whose three pointers are at an address: all in one block of malloc's.
    pub(crate) fn at(space: &Space<'_>, address: u64) -> Option<Vector> {
        let word = |n: u64| space.view.word(address + 8 * n);
        let (begin, end, room) = (word(0)?, word(1)?, word(2)?);
        if begin & 15 != 0 || begin >= end || end > room || end % 8 != 0 || room % 8 != 0 {
            return None;
        }
        let size = malloc_block(space, begin, MOST_BLOCKS * 8)?;
        (room - begin <= size - 8).then_some(Vector { begin, end })
    }

    /// The `DetachableVector` at an address: where it begins, its room and its length.
    pub(crate) fn detachable(space: &Space<'_>, address: u64) -> Option<Vector> {
        let word = |n: u64| space.view.word(address + 8 * n);
        let (begin, room, length) = (word(0)?, word(1)?, word(2)?);
        if begin & 15 != 0 || !(1..=room).contains(&length) || room > MOST_BLOCKS {
            return None;
        }
        let size = malloc_block(space, begin, MOST_BLOCKS * 8 + 16)?;
        (8 * room <= size - 8).then_some(Vector { begin, end: begin + 8 * length })
    }

    pub(crate) fn words<'s>(self, space: &'s Space<'_>) -> impl Iterator<Item = u64> + use<'s> {
        let bytes = space.view.bytes(self.begin, (self.end - self.begin) as usize).unwrap_or_default();
        bytes.chunks_exact(8).map(|word| crate::memory::word_at(word, 0))
    }

    pub(crate) fn len(self) -> u64 {
        (self.end - self.begin) / 8
    }
}

/// The size in the header that glibc's malloc puts before a block that is in use, if it is at most `most`.
pub(crate) fn malloc_block(space: &Space<'_>, address: u64, most: u64) -> Option<u64> {
    let region = space.view.region(address)?;
    if !region.writable || region.file.is_some() || space.page(address).is_some() {
        return None;
    }
    let header = space.view.word(address.checked_sub(8)?)?;
    let size = header & !15;
    if !(0x20..=most).contains(&size) || space.view.bytes(address, size as usize - 8).is_none() {
        return None;
    }
    let freed = match space.malloc.has(address) {
        Some(in_use) => !in_use,
        // The next block's header says whether this one is in use (PREV_INUSE), unless it has a mapping of its own.
        None => header & 2 == 0 && space.view.word(address + size - 8).is_some_and(|next| next & 1 == 0),
    };
    (!freed).then_some(size)
}

/// The block of handle scopes that is in use, and where its used part ends: HandleScopeData's `next` and `limit`.
pub(crate) fn current_scope(space: &Space<'_>, from: u64, to: u64) -> Option<Vector> {
    (from..to).step_by(8).find_map(|at| {
        let (next, limit) = (space.view.word(at)?, space.view.word(at + 8)?);
        let begin = limit.checked_sub(SCOPE_BLOCK)?;
        let sound = begin & 15 == 0
            && next % 8 == 0
            && (begin..=limit).contains(&next)
            && malloc_block(space, begin, SCOPE_BLOCK_MALLOC)? == SCOPE_BLOCK_MALLOC;
        sound.then_some(Vector { begin, end: next })
    })
}

/// Where the used part of a sealed block may end: words of the isolate's that stand twice, as HandleScopeData's `next` and
/// `limit` do while nothing may be added (SealHandleScope: Node's event loop waits in one).
pub(crate) fn sealed_ends(space: &Space<'_>, from: u64, to: u64) -> Vec<u64> {
    let at_end =
        |at: u64| space.view.word(at).filter(|next| next % 8 == 0 && space.view.word(at + 8) == Some(*next));
    let mut ends: Vec<u64> =
        (from..to).step_by(8).filter_map(at_end).filter(|&next| space.view.region(next).is_some()).collect();
    ends.sort_unstable();
    ends.dedup();
    ends
}

/// The used parts of all blocks of handle scopes, if this is the list of them: its last is the one in use.
fn scope_blocks(
    space: &Space<'_>,
    list: Vector,
    current: Option<Vector>,
    sealed: &[u64],
) -> Option<Vec<Vector>> {
    if list.len() > MOST_BLOCKS {
        return None;
    }
    let last = space.view.word(list.end - 8)?;
    let last = match current {
        Some(current) => (current.begin == last).then_some(current)?,
        None => {
            let after = sealed.partition_point(|&end| end < last);
            let end = *sealed.get(after).filter(|&&end| end <= last + SCOPE_BLOCK)?;
            Vector { begin: last, end }
        }
    };
    if !is_scope_block(space, last.begin) {
        return None;
    }
    let full = list.words(space).take(list.len() as usize - 1);
    let mut all: Vec<Vector> = full
        .map(|begin| is_scope_block(space, begin).then_some(Vector { begin, end: begin + SCOPE_BLOCK }))
        .collect::<Option<_>>()?;
    all.push(last);
    Some(all)
}

/// The used parts of the blocks of eternal handles, if this is the list of them: their number is in the word before.
pub(crate) fn eternal(space: &Space<'_>, list: Vector, at: u64) -> Option<Vec<Vector>> {
    let blocks = list.len();
    let count = space.view.word(at.checked_sub(8)?)? & 0xffff_ffff;
    if blocks > MOST_BLOCKS || count > 256 * blocks || count <= 256 * (blocks - 1) {
        return None;
    }
    let mut left = count * 8;
    list.words(space)
        .map(|begin| {
            let size = malloc_block(space, begin, ETERNAL_BLOCK_MALLOC)?;
            let used = left.min(ETERNAL_BLOCK);
            left -= used;
            (size == ETERNAL_BLOCK_MALLOC).then_some(Vector { begin, end: begin + used })
        })
        .collect()
}

/// A queue of microtasks (`MicrotaskQueue`). Only those that wait count: the rest of its ring are some that have run.
pub(crate) struct Microtasks {
    pub(crate) ring: u64,
    capacity: u64,
    start: u64,
    size: u64,
    /// The next queue of the isolate; the last one's is the first.
    pub(crate) next: u64,
}

/// The largest ring that is believed, in bytes.
const MOST_MICROTASKS: u64 = 1 << 30;

impl Microtasks {
    /// The queue at an address: the number that wait, the room, the first, the ring, and two neighbours that name it as theirs.
    pub(crate) fn at(space: &Space<'_>, address: u64) -> Option<Microtasks> {
        let word = |n: u64| space.view.word(address.checked_add(8 * n)?);
        let (size, capacity, start, ring) = (word(1)?, word(2)?, word(3)?, word(4)?);
        let (next, previous) = (word(6)?, word(7)?);
        let sound = capacity.is_power_of_two()
            && size <= capacity
            && start < capacity
            && space.view.word(next.checked_add(56)?)? == address
            && space.view.word(previous.checked_add(48)?)? == address
            && malloc_block(space, ring, MOST_MICROTASKS)? - 8 >= capacity.checked_mul(8)?;
        sound.then_some(Microtasks { ring, capacity, start, size, next })
    }

    pub(crate) fn len(&self) -> u64 {
        self.size
    }

    pub(crate) fn waiting<'s>(&self, space: &'s Space<'_>) -> impl Iterator<Item = u64> + use<'s> {
        let (ring, mask, start) = (self.ring, self.capacity - 1, self.start);
        (0..self.size).filter_map(move |n| space.view.word(ring + 8 * ((start + n) & mask)))
    }
}

/// What a cache of the snapshot has: strings only where isolates share it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cache {
    Shareable,
    Startup,
}

/// Whether a vector is one of the two caches that the snapshot left in the isolate.
pub(crate) fn cache(space: &Space<'_>, maps: &mut Maps, vector: Vector) -> Option<Cache> {
    if vector.len() < LEAST_CACHED {
        return None;
    }
    let mut only_strings = true;
    for word in vector.words(space) {
        if !is_strong(word) {
            return None;
        }
        let map = maps.learn(space, space.word(word - 1))?;
        // The list ends with undefined.
        only_strings &= map.instance_type < space.layout.types.first_nonstring
            || map.instance_type == space.layout.types.oddball;
    }
    Some(if only_strings { Cache::Shareable } else { Cache::Startup })
}
