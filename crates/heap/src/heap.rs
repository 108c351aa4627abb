//! A heap: the pages of one isolate with the read-only ones, and the maps seen on them.

use std::cell::Cell;

use foldhash::{HashMap, HashMapExt};

use crate::arena::Arenas;
use crate::error::{Refusal, Result};
use crate::kind::Kind;
use crate::layout::Layout;
use crate::memory::{Memory, MemoryView, Thread, half_at, is_strong, short_at, smi, word_at};
use crate::object::{MapInfo, size_of};
use crate::pages::{self, Isolate, Page, PageTable};

/// What doesn't change while a heap is read.
pub(crate) struct Space<'m> {
    pub(crate) view: MemoryView<'m>,
    pub(crate) layout: &'m Layout,
    pub(crate) pages: Vec<Page<'m>>,
    table: PageTable,
    pub(crate) malloc: Arenas,
    pub(crate) heap: u64,
    pub(crate) threads: Vec<Thread>,
    pub(crate) main_thread: Option<u32>,
}

impl<'m> Space<'m> {
    #[inline(always)]
    pub(crate) fn page(&self, address: u64) -> Option<&Page<'m>> {
        self.pages.get(self.table.find(address)?)
    }

    #[inline(always)]
    pub(crate) fn page_index(&self, address: u64) -> Option<usize> {
        self.table.find(address)
    }

    /// The bytes from an address to the end of its page; none of an address outside the heap.
    #[inline(always)]
    pub(crate) fn rest_of_page(&self, address: u64) -> &[u8] {
        match self.page(address) {
            Some(page) => page.bytes.get((address - page.base) as usize..).unwrap_or_default(),
            None => &[],
        }
    }

    /// The word at an address of the heap, 0 outside.
    #[inline(always)]
    pub(crate) fn word(&self, address: u64) -> u64 {
        match self.page(address) {
            Some(page) => word_at(&page.bytes, (address - page.base) as usize),
            None => 0,
        }
    }

    /// Whether a tagged word leads to a map of maps, which is its own map. The read-only space has one, and each native
    /// context may.
    fn is_meta_map(&self, word: u64) -> bool {
        if !is_strong(word) || !(word - 1).is_multiple_of(8) {
            return false;
        }
        let bytes = self.rest_of_page(word - 1);
        word_at(bytes, 0) == word
            && short_at(bytes, self.layout.offsets.instance_type as usize) == self.layout.types.map
    }
}

/// Entries of the cache of maps, each for the map words of one hash.
const RECENT: usize = 1 << 10;

/// The maps met so far, by the tagged word that refers to them.
pub(crate) struct Maps {
    known: HashMap<u64, u32>,
    infos: Vec<MapInfo>,
    /// A cache of `known`: a map word and its position in `infos`. Most objects have one of few maps.
    recent: Box<[Cell<(u64, u32)>]>,
}

const NO_MAP: u32 = u32::MAX;

impl Maps {
    fn new() -> Maps {
        // No map has the address 0, and no object a map word of 0.
        Maps { known: HashMap::new(), infos: Vec::new(), recent: vec![Cell::new((0, NO_MAP)); RECENT].into() }
    }

    /// How many maps have been met; [`MapInfo::number`] is below.
    pub(crate) fn count(&self) -> usize {
        self.infos.len()
    }

    /// The maps met so far.
    pub(crate) fn all(&self) -> &[MapInfo] {
        &self.infos
    }

    #[inline(always)]
    fn recent(&self, word: u64) -> &Cell<(u64, u32)> {
        &self.recent[(word.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) as usize % RECENT]
    }

    /// What the map word of an object says; none if it is no reference to a map.
    #[inline]
    pub(crate) fn learn(&mut self, space: &Space<'_>, word: u64) -> Option<MapInfo> {
        if let Some(info) = self.known(word) {
            return Some(*info);
        }
        self.learn_new(space, word)
    }

    #[cold]
    fn learn_new(&mut self, space: &Space<'_>, word: u64) -> Option<MapInfo> {
        if self.known.contains_key(&word) {
            return None;
        }
        let info = Maps::read(space, word).map(|info| MapInfo { number: self.infos.len() as u32, ..info });
        // Words that are none are only remembered up to a bound, since memory that lies may have any number of them.
        if info.is_some() || self.known.len() < 1 << 20 {
            self.known.insert(word, info.map_or(NO_MAP, |info| info.number));
        }
        self.infos.extend(info);
        info
    }

    #[inline(always)]
    pub(crate) fn known(&self, word: u64) -> Option<&MapInfo> {
        let recent = self.recent(word);
        let (its, number) = recent.get();
        if its == word {
            return self.infos.get(number as usize);
        }
        self.known_long_ago(word)
    }

    #[inline(never)]
    fn known_long_ago(&self, word: u64) -> Option<&MapInfo> {
        let &number = self.known.get(&word)?;
        let info = self.infos.get(number as usize)?;
        self.recent(word).set((word, number));
        Some(info)
    }

    fn read(space: &Space<'_>, word: u64) -> Option<MapInfo> {
        if !is_strong(word) || !(word - 1).is_multiple_of(8) {
            return None;
        }
        let bytes = space.rest_of_page(word - 1).get(..72)?;
        space
            .is_meta_map(word_at(bytes, 0))
            .then(|| MapInfo::read(space.layout, word - 1, bytes))
            .filter(|info| info.kind != Kind::Unknown)
    }
}

/// One isolate's heap, ready to be read.
pub struct Heap<'m> {
    pub(crate) space: Space<'m>,
    pub(crate) maps: Maps,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum IsolateChoice {
    #[default]
    Main,
    /// By position in [`OpenedHeap::isolates`].
    Number(usize),
    /// By the address of V8's Isolate, which code inside the process knows.
    At(u64),
}

/// A heap, and the isolates that the process has.
pub struct OpenedHeap<'m> {
    pub heap: Heap<'m>,
    pub isolates: Vec<Isolate>,
    /// The position of the heap's own among them.
    pub isolate: usize,
}

impl<'m> Heap<'m> {
    /// Finds the isolates and takes one. What it says is only to be believed after [`Heap::verify`].
    pub fn open(memory: &'m dyn Memory, layout: &'m Layout, choice: IsolateChoice) -> Result<OpenedHeap<'m>> {
        let view = MemoryView::new(memory);
        let pages = pages::find(&view, layout);
        let main_thread = memory.main_thread();
        let threads = memory.threads().to_vec();
        let main_stack = threads
            .iter()
            .find(|t| Some(t.id) == main_thread)
            .or(threads.first())
            .map_or(&[][..], |t| stack_of(&view, t.registers.stack));
        let isolates = pages::isolates(&pages, main_stack);
        if isolates.is_empty() {
            return Err(Refusal::new(
                format!("no page of a V8 {} heap is in this memory", layout.v8()),
                "A core without anonymous memory has no heap: see /proc/PID/coredump_filter (it must have bits 0 and 1) and docs/core-dumps.md. Builds with pointer compression can't be read.",
            ));
        }
        let isolate = match choice {
            IsolateChoice::Main => 0,
            IsolateChoice::Number(number) if number < isolates.len() => number,
            IsolateChoice::Number(number) => {
                return Err(Refusal::new(
                    format!("there is no isolate {number}: the process has {}", isolates.len()),
                    "`stillheap info CORE` lists them.",
                ));
            }
            // Isolates may lie closer together than that: its own heap is the next one.
            IsolateChoice::At(address) => (0..isolates.len())
                .filter(|&n| address <= isolates[n].heap)
                .min_by_key(|&n| isolates[n].heap)
                .filter(|&n| isolates[n].heap - address < pages::HEAP_IN_ISOLATE)
                .ok_or_else(|| Refusal::probe(format!("the isolate at {address:#x} owns no pages")))?,
        };
        let heap = isolates[isolate].heap;
        let pages: Vec<Page<'m>> = pages.into_iter().filter(|p| p.read_only || p.heap == heap).collect();
        let table = PageTable::new(&pages);
        let malloc = Arenas::find(&view, |address| table.find(address).is_some());
        let space = Space { view, layout, pages, table, malloc, heap, threads, main_thread };
        if !has_meta_map(&space) {
            return Err(Refusal::probe(format!(
                "there is no map of maps of V8 {}: the process had another V8",
                space.layout.v8()
            )));
        }
        Ok(OpenedHeap { heap: Heap { space, maps: Maps::new() }, isolates, isolate })
    }

    #[inline(always)]
    pub(crate) fn word(&self, address: u64) -> u64 {
        self.space.word(address)
    }

    #[inline(always)]
    pub(crate) fn half(&self, address: u64) -> u32 {
        half_at(self.space.rest_of_page(address), 0)
    }

    pub(crate) fn short(&self, address: u64) -> u16 {
        short_at(self.space.rest_of_page(address), 0)
    }

    /// The map's say about the object at an address, if its map has been met.
    #[inline(always)]
    pub(crate) fn info(&self, address: u64) -> Option<&MapInfo> {
        self.maps.known(self.word(address))
    }

    /// The object's instance type; [`crate::layout::NONE`] of what is no object.
    #[inline]
    pub(crate) fn type_of(&self, address: u64) -> u16 {
        self.info(address).map_or(crate::layout::NONE, |m| m.instance_type)
    }

    /// The type behind a tagged word; none of a small integer.
    #[inline]
    pub(crate) fn type_behind(&self, word: u64) -> u16 {
        if is_strong(word) { self.type_of(word - 1) } else { crate::layout::NONE }
    }

    /// Bytes of an object that has been marked, so that its size is known to be sound.
    pub(crate) fn size(&self, address: u64, map: &MapInfo) -> u64 {
        size_of(self.space.layout, map, self.space.rest_of_page(address)).unwrap_or(0)
    }

    /// The length of an array-like object, no more than its page can hold.
    pub(crate) fn array_length(&self, address: u64) -> u64 {
        let fits = (self.space.rest_of_page(address).len() as u64 / 8).saturating_sub(2);
        u64::try_from(smi(self.word(address + 8))).unwrap_or(0).min(fits)
    }

    pub(crate) fn is_string(&self, word: u64) -> bool {
        self.type_behind(word) < self.space.layout.types.first_nonstring
    }

    pub(crate) fn is_function(&self, word: u64) -> bool {
        let types = &self.space.layout.types;
        (types.first_function..=types.last_function).contains(&self.type_behind(word))
    }

    pub(crate) fn is_context(&self, word: u64) -> bool {
        let types = &self.space.layout.types;
        (types.first_context..=types.last_context).contains(&self.type_behind(word))
    }

    pub fn page_bytes(&self) -> u64 {
        self.space.pages.iter().map(|p| p.end - p.base).sum()
    }

    /// V8's major.minor version.
    pub fn v8(&self) -> &str {
        self.space.layout.v8()
    }
}

/// The used part of the stack with this pointer; the bytes below it are not in use, but for the red zone.
pub(crate) fn stack_of<'m>(view: &MemoryView<'m>, pointer: u64) -> &'m [u8] {
    let from = (pointer & !7).saturating_sub(128);
    match view.region(pointer) {
        Some(region) => {
            let offset = from.max(region.start) - region.start;
            region.bytes().get(offset as usize..).unwrap_or_default()
        }
        None => &[],
    }
}

/// Whether there is a map of maps: in the read-only space, which is looked at first.
fn has_meta_map(space: &Space<'_>) -> bool {
    let (first, rest): (Vec<_>, Vec<_>) = space.pages.iter().filter(|p| !p.large).partition(|p| p.read_only);
    let mut pages = first.into_iter().chain(rest);
    pages.any(|page| (page.start..page.end).step_by(8).any(|at| space.is_meta_map(at + 1)))
}
