//! Where the collector starts: found by what the memory looks like, since no symbol tells.
//!
//! - Global handles: V8 keeps them in blocks of 256 nodes of 32 bytes, each of which has its number in a byte.
//! - The isolate: its bytes from before the table of roots to behind the heap, and what lies in blocks of glibc's
//!   malloc that can be reached from it in a few steps (handle scopes, caches, tasks).
//! - The stacks of all threads, from their stack pointers up.
//!
//! Words that are no reference to an object of this heap don't count. A stale one may keep an object that is dead;
//! measured against V8's own snapshots that is less than one object in a thousand.

use foldhash::{HashSet, HashSetExt};

use crate::heap::{Heap, Maps, Space, stack_of};
use crate::kind::Kind;
use crate::memory::{is_strong, word_at};

/// What holds a root, as the snapshot names it. The names are V8's where the category is V8's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Category {
    GlobalHandles,
    Isolate,
    Stack,
}

impl Category {
    pub(crate) const ALL: [Category; 3] = [Category::GlobalHandles, Category::Isolate, Category::Stack];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Category::GlobalHandles => "(Global handles)",
            Category::Isolate => "(Isolate)",
            Category::Stack => "(Stack roots)",
        }
    }
}

pub(crate) struct Root {
    pub(crate) object: u64,
    pub(crate) category: Category,
}

const NODE: usize = 32;
const NODES: usize = 256;
const BLOCK: usize = NODE * NODES;

/// Steps from the isolate's bytes through blocks of malloc.
const DEPTH: u8 = 3;

/// The largest block of malloc that is looked through.
const LARGEST_BLOCK: u64 = 0x8010;

/// Bytes of a worker's stack that are looked at; Node's workers have 4 MiB.
const STACK: usize = 16 << 20;

struct Finder<'h, 'm> {
    space: &'h Space<'m>,
    maps: &'h mut Maps,
    seen: HashSet<u64>,
    roots: Vec<Root>,
}

impl Finder<'_, '_> {
    fn add(&mut self, word: u64, category: Category) {
        if !is_strong(word) || !(word - 1).is_multiple_of(8) {
            return;
        }
        let object = word - 1;
        let Some(page) = self.space.page(object) else { return };
        if object < page.start || object + 8 > page.end || page.read_only || page.evacuated {
            return;
        }
        if self.seen.contains(&object) {
            return;
        }
        let map = self.maps.learn(self.space, word_at(&page.bytes, (object - page.base) as usize));
        if map.is_some_and(|m| !matches!(m.kind, Kind::FreeSpace | Kind::Filler)) {
            self.seen.insert(object);
            self.roots.push(Root { object, category });
        }
    }
}

pub(crate) fn find(heap: &mut Heap<'_>) -> Vec<Root> {
    let Heap { space, maps } = heap;
    let mut finder = Finder { space, maps, seen: HashSet::new(), roots: Vec::new() };
    let blocks = handle_blocks(space);
    for (_, block) in &blocks {
        for node in block.chunks_exact(NODE) {
            // State 1 is a strong handle.
            if node[11] & 3 == 1 {
                finder.add(word_at(node, 0), Category::GlobalHandles);
            }
        }
    }
    isolate(&mut finder, &blocks);
    for thread in &space.threads {
        let stack = stack_of(&space.view, thread.registers.stack);
        let used =
            if Some(thread.id) == space.main_thread { stack } else { &stack[..stack.len().min(STACK)] };
        for word in used.chunks_exact(8) {
            finder.add(word_at(word, 0), Category::Stack);
        }
    }
    finder.roots
}

/// GlobalHandles' blocks: 256 nodes whose eleventh byte is their number.
fn handle_blocks<'m>(space: &Space<'m>) -> Vec<(u64, &'m [u8])> {
    let mut blocks = Vec::new();
    for region in space.view.regions.iter().filter(|r| r.writable && r.file.is_none()) {
        if space.page(region.start).is_some_and(|p| p.base == region.start && p.end <= region.end && !p.large)
        {
            continue;
        }
        let bytes = region.bytes();
        let mut at = 0;
        while at + BLOCK <= bytes.len() {
            let numbered = bytes[at + 10] == 0
                && bytes[at + 42] == 1
                && bytes[at + 74] == 2
                && (3..NODES).all(|n| bytes[at + n * NODE + 10] == n as u8);
            if numbered {
                blocks.push((region.start + at as u64, &bytes[at..at + BLOCK]));
                at += BLOCK;
            } else {
                at += 8;
            }
        }
    }
    blocks
}

/// The isolate's own bytes: from before its table of roots, whose first entries lead into the read-only space.
fn isolate_range(space: &Space<'_>) -> (u64, u64) {
    let heap = space.heap & !7;
    let leads_to_read_only = |at: u64| {
        let word = space.view.word(at).unwrap_or(0);
        is_strong(word) && space.page(word - 1).is_some_and(|p| p.read_only)
    };
    let lowest = heap.saturating_sub(0x20000);
    let first = (lowest..heap).step_by(8).find(|&at| leads_to_read_only(at)).unwrap_or(heap);
    (first.saturating_sub(0x1800), heap.saturating_add(0x10000))
}

fn isolate(finder: &mut Finder<'_, '_>, blocks: &[(u64, &[u8])]) {
    let space = finder.space;
    let (from, to) = isolate_range(space);
    let in_handles = |address: u64| {
        let after = blocks.partition_point(|(start, _)| start.saturating_sub(64) <= address);
        after > 0 && address < blocks[after - 1].0 + BLOCK as u64
    };
    let mut ranges = vec![(from, to, 0)];
    let mut seen = HashSet::new();
    let mut next = 0;
    while let Some(&(from, to, depth)) = ranges.get(next) {
        next += 1;
        for at in (from..to).step_by(8) {
            let Some(word) = space.view.word(at) else { break };
            if word & 1 == 1 {
                finder.add(word, Category::Isolate);
            } else if depth < DEPTH
                && word & 15 == 0
                && !(from..to).contains(&word)
                && let Some(size) = malloc_block(space, word)
                && !in_handles(word)
                && seen.insert(word)
            {
                ranges.push((word, word + size - 8, depth + 1));
            }
        }
    }
}

/// The size in the header that glibc's malloc puts before a block.
fn malloc_block(space: &Space<'_>, address: u64) -> Option<u64> {
    let region = space.view.region(address)?;
    if !region.writable || region.file.is_some() || space.page(address).is_some() {
        return None;
    }
    let size = space.view.word(address.checked_sub(8)?)? & !15;
    let fits =
        (0x20..=LARGEST_BLOCK).contains(&size) && space.view.bytes(address, size as usize - 8).is_some();
    fits.then_some(size)
}
