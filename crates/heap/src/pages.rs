//! V8's pages: found by their header, grouped by the heap that owns them.
//!
//! Every page starts at a multiple of 256 KiB. A header must agree with itself (area inside the page, page inside
//! the memory, owner readable) to count; what only looks like one is found out by the objects on it.

use std::borrow::Cow;
use std::collections::BTreeMap;

use crate::layout::Layout;
use crate::memory::{MemoryView, word_at};
use crate::shape::PageHeader;

/// Fewer pages are no isolate: V8 begins one with new space, old space and code.
const LEAST_PAGES: usize = 3;

/// The heap is a part of the isolate, at less than this from its start.
pub(crate) const HEAP_IN_ISOLATE: u64 = 0x20000;

/// Pages are aligned to this.
pub(crate) const PAGE: u64 = 1 << 18;

/// MemoryChunk::FROM_PAGE: the half of the young generation that has been evacuated.
const FROM_PAGE: u64 = 1 << 3;
/// MemoryChunk::FROM_PAGE and TO_PAGE together.
const YOUNG: u64 = 3 << 3;

/// No page of V8 is larger: an array of 2^27 elements.
const LARGEST: u64 = 1 << 32;

pub(crate) struct Page<'m> {
    pub(crate) base: u64,
    /// Where objects may lie.
    pub(crate) start: u64,
    pub(crate) end: u64,
    pub(crate) heap: u64,
    pub(crate) read_only: bool,
    pub(crate) evacuated: bool,
    pub(crate) young: bool,
    pub(crate) large: bool,
    /// From `base` to `end`.
    pub(crate) bytes: Cow<'m, [u8]>,
}

/// A heap of the process: the main thread's or a worker's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Isolate {
    /// The address of V8's Heap; only good for telling isolates apart.
    pub heap: u64,
    /// Pages of the heap itself, without the read-only ones that all share.
    pub pages: usize,
    /// The bytes of those pages.
    pub bytes: u64,
    /// Whether the main thread's stack refers to it.
    pub main: bool,
}

struct Header {
    size: u64,
    flags: u64,
    heap: u64,
    area_start: u64,
    area_end: u64,
    owner: u64,
}

fn header(view: &MemoryView<'_>, layout: &Layout, base: u64) -> Option<Header> {
    let page = view.bytes(base, 96)?;
    let at = |bytes: &[u8], index: usize| word_at(bytes, index * 8);
    match layout.shape.page {
        PageHeader::OnPage { size, flags, heap, area_start, area_end, owner } => Some(Header {
            size: at(page, size),
            flags: at(page, flags),
            heap: at(page, heap),
            area_start: at(page, area_start),
            area_end: at(page, area_end),
            owner: at(page, owner),
        }),
        PageHeader::Beside { flags, metadata, size, heap, area_start, area_end, owner } => {
            let metadata = view.bytes(at(page, metadata), 96)?;
            Some(Header {
                size: at(metadata, size),
                flags: at(page, flags),
                heap: at(metadata, heap),
                area_start: at(metadata, area_start),
                area_end: at(metadata, area_end),
                owner: at(metadata, owner),
            })
        }
    }
}

/// All pages of all isolates, in order of their addresses.
pub(crate) fn find<'m>(view: &MemoryView<'m>, layout: &Layout) -> Vec<Page<'m>> {
    let mut pages = Vec::new();
    // A page ends before the next begins, whatever headers claim: the work is bounded by the memory.
    let mut free_from = 0;
    for region in view.regions.iter().filter(|r| r.file.is_none()) {
        let mut base = region.start.next_multiple_of(PAGE).max(free_from);
        while base.saturating_add(0x1000) <= region.end {
            match header(view, layout, base).and_then(|header| page(view, base, &header, region.writable)) {
                Some(page) => {
                    free_from = page.end.next_multiple_of(PAGE);
                    pages.push(page);
                }
                None => free_from = base + PAGE,
            }
            base = free_from;
        }
    }
    pages
}

fn page<'m>(view: &MemoryView<'m>, base: u64, header: &Header, writable: bool) -> Option<Page<'m>> {
    let Header { size, flags, heap, area_start, area_end, owner } = *header;
    let sound = area_start > base
        && area_start < base + 0x4000
        && area_start % 8 == 0
        && area_end > area_start
        && (0x1000..=LARGEST).contains(&size)
        && area_end <= base + size
        && (heap == 0 && owner == 0 || is_heap(view, heap));
    // Read-only pages have no owner, and since they are sealed they can't be written to. Pages in V8's pool have no
    // owner either.
    let read_only = owner == 0;
    if !sound || read_only && writable {
        return None;
    }
    Some(Page {
        base,
        start: area_start,
        end: area_end,
        heap,
        read_only,
        evacuated: flags & FROM_PAGE != 0,
        young: flags & YOUNG != 0,
        large: size > PAGE,
        bytes: joined(view, base, area_end)?,
    })
}

/// Whether an address can be that of a heap, which is a part of an object that V8 writes to.
fn is_heap(view: &MemoryView<'_>, heap: u64) -> bool {
    heap.is_multiple_of(8) && view.region(heap).is_some_and(|region| region.writable)
}

/// The bytes between two addresses, copied only where they lie in several mappings (pages with code).
fn joined<'m>(view: &MemoryView<'m>, from: u64, to: u64) -> Option<Cow<'m, [u8]>> {
    let length = usize::try_from(to - from).ok()?;
    if let Some(bytes) = view.bytes(from, length) {
        return Some(Cow::Borrowed(bytes));
    }
    let mut all = Vec::new();
    while (all.len() as u64) < to - from {
        let address = from + all.len() as u64;
        let Some(region) = view.region(address) else {
            // What is missing at the end reads as zeros, as far as the last byte that is there.
            break;
        };
        let there = region.bytes().get((address - region.start) as usize..).unwrap_or_default();
        let there = &there[..there.len().min(length - all.len())];
        if there.is_empty() {
            break;
        }
        all.extend_from_slice(there);
    }
    (all.len() > 0x1000).then_some(Cow::Owned(all))
}

/// The heaps that own pages. `main` is the one that the main thread's stack refers to most.
pub(crate) fn isolates(pages: &[Page<'_>], main_stack: &[u8]) -> Vec<Isolate> {
    let mut heaps: BTreeMap<u64, (usize, u64)> = BTreeMap::new();
    for page in pages.iter().filter(|p| !p.read_only) {
        let entry = heaps.entry(page.heap).or_default();
        entry.0 += 1;
        entry.1 += page.end - page.base;
    }
    let mut isolates: Vec<Isolate> =
        heaps.into_iter().map(|(heap, (pages, bytes))| Isolate { heap, pages, bytes, main: false }).collect();
    let references = |heap: u64| {
        main_stack
            .chunks_exact(8)
            .filter(|word| {
                let word = word_at(word, 0);
                word <= heap.saturating_add(0x10000) && word.saturating_add(HEAP_IN_ISOLATE) >= heap
            })
            .count()
    };
    let counts: Vec<usize> = isolates.iter().map(|i| references(i.heap)).collect();
    let most = (0..isolates.len()).max_by_key(|&n| (counts[n], isolates[n].pages));
    if let Some(most) = most {
        isolates[most].main = true;
    }
    // What only looks like a page, or was one, makes no isolate.
    isolates.retain(|isolate| isolate.main || isolate.pages >= LEAST_PAGES);
    isolates.sort_by_key(|i| (!i.main, i.heap));
    isolates
}

/// From an address to its page: a hash table with open addressing. V8 asks for addresses at random all over the lower
/// half of the address space, so a tree of arrays would have an almost empty leaf for each page.
pub(crate) struct PageTable {
    /// Number of a piece of memory as large as a page, counted from 1, and the page's index.
    slots: Vec<(u32, u32)>,
    shift: u32,
}

impl PageTable {
    pub(crate) fn new(pages: &[Page<'_>]) -> PageTable {
        let pieces: u64 = pages.iter().map(|p| p.end.div_ceil(PAGE) - p.base / PAGE).sum();
        // At most half of them are taken, so every search ends.
        let bits = (2 * pieces + 2).next_power_of_two().ilog2();
        let mut table = PageTable { slots: vec![(0, 0); 1 << bits], shift: u32::BITS - bits.min(31) };
        for (index, page) in pages.iter().enumerate() {
            for number in page.base / PAGE..page.end.div_ceil(PAGE) {
                let Some(key) = key(number) else { continue };
                let mut at = table.slot(key);
                while table.slots[at].0 != 0 && table.slots[at].0 != key {
                    at = (at + 1) & (table.slots.len() - 1);
                }
                table.slots[at] = (key, index as u32);
            }
        }
        table
    }

    #[inline(always)]
    fn slot(&self, key: u32) -> usize {
        (key.wrapping_mul(0x9e37_79b9) >> self.shift) as usize & (self.slots.len() - 1)
    }

    #[inline(always)]
    pub(crate) fn find(&self, address: u64) -> Option<usize> {
        let key = key(address / PAGE)?;
        let mut at = self.slot(key);
        loop {
            match self.slots[at] {
                (found, index) if found == key => return Some(index as usize),
                (0, _) => return None,
                _ => at = (at + 1) & (self.slots.len() - 1),
            }
        }
    }
}

/// No address of a process is above 2^47, so a number fits.
#[inline(always)]
fn key(number: u64) -> Option<u32> {
    u32::try_from(number).ok()?.checked_add(1)
}
