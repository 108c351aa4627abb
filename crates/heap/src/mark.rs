//! What is alive: a bit for each word of the heap at which a reachable object starts.
//!
//! V8's own mark bits can't be used, since the sweeper clears them. Weak references don't keep their target; a
//! WeakMap's value lives as long as its key and the map do. Time is linear in the bytes of live objects.

use foldhash::{HashMap, HashMapExt, HashSet, HashSetExt};

use crate::dispatch::DispatchTable;
use crate::error::{Refusal, Result};
use crate::heap::{Heap, Maps, Space};
use crate::kind::Kind;
use crate::layout::NONE;
use crate::memory::{half_at, is_strong, smi, word_at};
use crate::object::{MapInfo, size_of, tagged_part};
use crate::progress::{Step, Watcher, tell};
use crate::roots::Root;

/// Per page, a bit per word.
pub(crate) struct Marks {
    pub(crate) bits: Vec<Vec<u64>>,
    /// The strings among them that have a place of their own in a table of strings: all but ropes and slices, which
    /// have no name.
    pub(crate) string_bits: Vec<Vec<u64>>,
    /// What was met on the way.
    pub(crate) landmarks: Landmarks,
    /// Live WeakMaps' and WeakSets' tables.
    pub(crate) tables: Vec<u64>,
    pub(crate) objects: u64,
    pub(crate) bytes: u64,
    /// References that led to no object.
    pub(crate) invalid: u64,
    /// Objects that a collection was moving when the process stopped.
    pub(crate) forwarded: u64,
    /// Where functions' code is found by their handle.
    pub(crate) dispatch: Option<DispatchTable>,
}

/// A marked object: its page, and the number of its first word there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) page: u32,
    pub(crate) word: u32,
}

impl Marks {
    #[inline(always)]
    pub(crate) fn contains(&self, space: &Space<'_>, address: u64) -> bool {
        self.place(space, address).is_some()
    }

    /// Where a marked object is; none if the address isn't marked.
    #[inline(always)]
    pub(crate) fn place(&self, space: &Space<'_>, address: u64) -> Option<Place> {
        let index = space.page_index(address)?;
        let word = address.wrapping_sub(space.pages[index].base) as usize >> 3;
        let marked = self.bits[index].get(word >> 6)? >> (word & 63) & 1 == 1;
        (marked && address & 7 == 0).then_some(Place { page: index as u32, word: word as u32 })
    }

    /// Sets the bit; false if it was set, or there is no such word.
    #[inline(always)]
    fn insert(&mut self, space: &Space<'_>, address: u64) -> bool {
        let Some(index) = space.page_index(address) else { return false };
        let page = &space.pages[index];
        if address < page.start || address >= page.end || address & 7 != 0 {
            return false;
        }
        let word = (address - page.base) as usize >> 3;
        match self.bits[index].get_mut(word >> 6) {
            Some(bits) if *bits >> (word & 63) & 1 == 0 => {
                *bits |= 1 << (word & 63);
                true
            }
            _ => false,
        }
    }

    fn remove(&mut self, space: &Space<'_>, address: u64) {
        if let Some(index) = space.page_index(address) {
            let word = (address - space.pages[index].base) as usize >> 3;
            self.bits[index][word >> 6] &= !(1 << (word & 63));
        }
    }

    /// Notes what later steps ask for, so that none has to look through all objects for it.
    #[inline(always)]
    fn note(&mut self, space: &Space<'_>, address: u64, map: &MapInfo, bytes: &[u8]) {
        let types = &space.layout.types;
        let it = map.instance_type;
        if it < types.first_nonstring {
            if matches!(map.kind, Kind::ConsString | Kind::SlicedString) {
                return;
            }
            if let Some(index) = space.page_index(address) {
                let word = (address - space.pages[index].base) as usize >> 3;
                self.string_bits[index][word >> 6] |= 1 << (word & 63);
            }
            if it == INTERNALIZED {
                self.landmarks.string(address, bytes);
            }
        } else if it == types.native_context {
            self.landmarks.contexts.push(address);
        } else if it == types.js_map && self.landmarks.maps.len() < MOST_LANDMARKS {
            self.landmarks.maps.push(address);
        }
    }

    /// Every marked address of a page, in order.
    pub(crate) fn of_page(&self, space: &Space<'_>, page: usize) -> impl Iterator<Item = u64> + use<'_> {
        let base = space.pages[page].base;
        bits(&self.bits[page]).map(move |word| base + 8 * word as u64)
    }
}

/// The positions of set bits.
pub(crate) fn bits(words: &[u64]) -> impl Iterator<Item = usize> + use<'_> {
    words.iter().enumerate().flat_map(|(index, &bits)| {
        std::iter::successors((bits != 0).then_some(bits), |bits| {
            let rest = bits & (bits - 1);
            (rest != 0).then_some(rest)
        })
        .map(move |bits| index * 64 + bits.trailing_zeros() as usize)
    })
}

/// INTERNALIZED_ONE_BYTE_STRING_TYPE, by its bits.
const INTERNALIZED: u16 = 8;

/// Objects of a kind that are noted at most, where there may be any number.
const MOST_LANDMARKS: usize = 100;

/// Internalized strings that the reader looks properties up by.
pub(crate) const LANDMARK_STRINGS: [&str; 12] = [
    "constructor",
    "name",
    "version",
    "versions",
    "v8",
    "argv",
    "nextTick",
    "Object",
    "Array",
    "Map",
    "Promise",
    "Error",
];

/// Objects that the reader asks for again.
#[derive(Default)]
pub(crate) struct Landmarks {
    /// Tagged, in the order of [`LANDMARK_STRINGS`]; 0 where there is none.
    strings: [u64; LANDMARK_STRINGS.len()],
    pub(crate) contexts: Vec<u64>,
    /// Some of the Maps.
    pub(crate) maps: Vec<u64>,
}

impl Landmarks {
    /// The tagged address of one of [`LANDMARK_STRINGS`], 0 if the heap has no such string.
    pub(crate) fn named(&self, text: &str) -> u64 {
        let index = LANDMARK_STRINGS.iter().position(|name| *name == text);
        index.map_or(0, |index| self.strings[index])
    }

    fn string(&mut self, address: u64, bytes: &[u8]) {
        let length = half_at(bytes, 12) as usize;
        if !(2..=11).contains(&length) {
            return;
        }
        let text = bytes.get(16..16 + length).unwrap_or_default();
        if let Some(index) = LANDMARK_STRINGS.iter().position(|name| name.as_bytes() == text) {
            self.strings[index] = address + 1;
        }
    }
}

struct Marker<'h, 'm> {
    space: &'h Space<'m>,
    maps: &'h mut Maps,
    marks: Marks,
    work: Vec<u64>,
    /// Objects that `work` may hold; more are found again on their pages.
    most_work: usize,
    /// Pages with marked objects that had no room in `work`.
    overflowed: Vec<bool>,
    /// Whether pages are looked through again, so that objects have been counted.
    again: bool,
    /// By their number, the maps that are marked.
    marked_maps: Vec<bool>,
    /// The marked tables of WeakMaps, each once.
    tables: HashSet<u64>,
    /// Values of WeakMaps by the key that has to live for them, once the first marking is done.
    waiting: HashMap<u64, Vec<u64>>,
    most_bytes: u64,
    dispatch: Option<DispatchTable>,
    watcher: Watcher<'h>,
}

/// Objects that may wait to be marked at least, whatever the size of the heap.
const LEAST_WORK: usize = 1 << 16;

/// Objects between two words to the watcher.
const TELL_EVERY: u64 = 1 << 16;

/// Marks everything that the roots reach. Unless the caller wants less, a 128th of the heap is for what waits.
pub(crate) fn mark(
    heap: &mut Heap<'_>,
    roots: &[Root],
    watcher: Watcher<'_>,
    most_work: Option<usize>,
) -> Result<Marks> {
    let share = usize::try_from(heap.page_bytes() / 1024).unwrap_or(usize::MAX);
    let most_work = most_work.unwrap_or(share.max(LEAST_WORK));
    let page_bytes = heap.page_bytes();
    let Heap { space, maps } = heap;
    let bits: Vec<Vec<u64>> = space.pages.iter().map(|p| vec![0; p.bytes.len().div_ceil(8 * 64)]).collect();
    let marks = Marks {
        string_bits: bits.clone(),
        bits,
        landmarks: Landmarks::default(),
        tables: Vec::new(),
        objects: 0,
        bytes: 0,
        invalid: 0,
        forwarded: 0,
        dispatch: None,
    };
    let mut marker = Marker {
        overflowed: vec![false; space.pages.len()],
        space,
        maps,
        marks,
        work: Vec::new(),
        most_work,
        again: false,
        marked_maps: Vec::new(),
        tables: HashSet::new(),
        waiting: HashMap::new(),
        most_bytes: page_bytes,
        dispatch: None,
        watcher,
    };
    marker.read_only()?;
    for root in roots.iter().filter(|root| !root.weak) {
        marker.push(root.object);
    }
    marker.drain()?;
    marker.dispatch()?;
    marker.ephemerons()?;
    if marker.again {
        marker.recount(page_bytes)?;
    }
    // Objects that are looked at again are noted again.
    marker.marks.landmarks.contexts.sort_unstable();
    marker.marks.landmarks.contexts.dedup();
    Ok(marker.marks)
}

impl Marker<'_, '_> {
    #[inline(always)]
    fn push(&mut self, address: u64) {
        if self.marks.insert(self.space, address) {
            if self.work.len() < self.most_work {
                self.work.push(address);
            } else if let Some(page) = self.space.page_index(address) {
                self.overflowed[page] = true;
            }
        }
    }

    #[inline(always)]
    fn push_map(&mut self, map: &MapInfo) {
        let number = map.number as usize;
        if self.marked_maps.get(number) != Some(&true) {
            self.marked_maps.resize(self.maps.count(), false);
            self.marked_maps[number] = true;
            self.push(map.address);
        }
    }

    /// V8's snapshot has every object of the read-only space, whether something refers to it or not.
    fn read_only(&mut self) -> Result<()> {
        for page in self.space.pages.iter().filter(|p| p.read_only) {
            let mut at = page.start;
            while at + 8 <= page.end {
                let bytes = page.bytes.get((at - page.base) as usize..).unwrap_or_default();
                let map = self.maps.learn(self.space, word_at(bytes, 0));
                let size = map.and_then(|map| size_of(self.space.layout, &map, bytes));
                let (Some(map), Some(size)) = (map, size) else {
                    at += 8;
                    continue;
                };
                if !matches!(map.kind, Kind::FreeSpace | Kind::Filler) && self.marks.insert(self.space, at) {
                    self.marks.note(self.space, at, &map, bytes);
                    self.count(size)?;
                }
                at += size;
            }
        }
        Ok(())
    }

    fn count(&mut self, size: u64) -> Result<()> {
        self.marks.objects += 1;
        self.marks.bytes = self.marks.bytes.saturating_add(size);
        if self.marks.bytes > self.most_bytes {
            return Err(Refusal::probe("its objects are larger than the pages they lie on"));
        }
        if self.marks.objects.is_multiple_of(TELL_EVERY) {
            tell(self.watcher, Step::Mark, self.marks.bytes, self.most_bytes)?;
        }
        Ok(())
    }

    /// Objects that had no room in the list of work are on pages that are noted; all objects of those are looked at
    /// again. That ends, since only objects that were not marked before can overflow.
    fn drain(&mut self) -> Result<()> {
        self.drain_work()?;
        while let Some(page) = self.overflowed.iter().position(|&it| it) {
            self.overflowed[page] = false;
            self.again = true;
            // What is counted twice here is counted anew at the end.
            self.most_bytes = self.most_bytes.saturating_add(self.space.pages[page].bytes.len() as u64);
            let base = self.space.pages[page].base;
            for word in 0..self.marks.bits[page].len() {
                let mut rest = self.marks.bits[page][word];
                while rest != 0 {
                    let bit = u64::from(rest.trailing_zeros());
                    rest &= rest - 1;
                    self.object(base + 8 * (64 * word as u64 + bit))?;
                    self.drain_work()?;
                }
            }
        }
        Ok(())
    }

    fn drain_work(&mut self) -> Result<()> {
        while let Some(address) = self.work.pop() {
            self.object(address)?;
        }
        Ok(())
    }

    /// Objects and their bytes, by what is marked.
    fn recount(&mut self, page_bytes: u64) -> Result<()> {
        (self.marks.objects, self.marks.bytes, self.most_bytes) = (0, 0, page_bytes);
        for page in 0..self.space.pages.len() {
            for word in 0..self.marks.bits[page].len() {
                let mut rest = self.marks.bits[page][word];
                while rest != 0 {
                    let at = 8 * (64 * word + rest.trailing_zeros() as usize);
                    rest &= rest - 1;
                    let bytes = self.space.pages[page].bytes.get(at..).unwrap_or_default();
                    let map = self.maps.learn(self.space, word_at(bytes, 0));
                    self.count(map.and_then(|map| size_of(self.space.layout, &map, bytes)).unwrap_or(0))?;
                }
            }
        }
        Ok(())
    }

    fn object(&mut self, address: u64) -> Result<()> {
        let space = self.space;
        let bytes = space.rest_of_page(address);
        let map_word = word_at(bytes, 0);
        let map = self.maps.learn(space, map_word);
        let sized = map.and_then(|map| Some((map, size_of(space.layout, &map, bytes)?)));
        let Some((map, size)) = sized else {
            self.marks.remove(space, address);
            // While objects are being moved, the map word is the new address.
            if map_word & 7 == 0 && self.maps.learn(space, space.word(map_word)).is_some() {
                self.marks.forwarded += 1;
                self.push(map_word);
            } else {
                self.marks.invalid += 1;
                // More than the probes let pass of a heap that is full.
                if self.marks.invalid > self.most_bytes / 8000 + 1000 {
                    return Err(Refusal::probe(format!(
                        "{} references lead to no object",
                        self.marks.invalid
                    )));
                }
            }
            return Ok(());
        };
        self.count(size)?;
        self.push_map(&map);
        self.marks.note(space, address, &map, bytes);
        if !self.waiting.is_empty()
            && let Some(values) = self.waiting.remove(&address)
        {
            for value in values {
                self.push(value);
            }
        }
        self.body(address, &map, &bytes[..size as usize]);
        Ok(())
    }

    /// From here on, functions keep the code that the dispatch table has for them.
    fn dispatch(&mut self) -> Result<()> {
        let Some(at) = self.space.layout.shape.dispatch_handle else { return Ok(()) };
        let types = &self.space.layout.types;
        let mut handles = Vec::new();
        for page in 0..self.space.pages.len() {
            for object in self.marks.of_page(self.space, page) {
                let bytes = self.space.rest_of_page(object);
                let it = self.maps.known(word_at(bytes, 0)).map_or(NONE, |m| m.instance_type);
                if (types.first_function..=types.last_function).contains(&it) {
                    handles.push(half_at(bytes, at as usize));
                }
            }
        }
        let table = DispatchTable::find(self.space, self.maps, &handles);
        self.dispatch = table;
        self.marks.dispatch = table;
        for handle in handles {
            self.push_code(handle);
        }
        self.drain()
    }

    fn push_code(&mut self, handle: u32) {
        if let Some(table) = self.dispatch
            && let Some(code) = table.code(self.space, self.maps, handle)
        {
            self.push(code - 1);
        }
    }

    fn body(&mut self, address: u64, map: &MapInfo, bytes: &[u8]) {
        let types = &self.space.layout.types;
        if map.instance_type == types.ephemeron_table {
            if self.tables.insert(address) {
                self.marks.tables.push(address);
            }
            return;
        }
        if map.kind == Kind::InstructionStream {
            return self.code(bytes);
        }
        if let (Some(at), Some(_)) = (self.space.layout.shape.dispatch_handle, self.dispatch)
            && (types.first_function..=types.last_function).contains(&map.instance_type)
        {
            self.push_code(half_at(bytes, at as usize));
        }
        let skip = self.weak_offsets(map, bytes.len());
        let range = tagged_part(map, bytes.len() as u64);
        let Some(part) = bytes.get(range.clone()) else { return };
        for (index, word) in part.chunks_exact(8).enumerate() {
            let word = word_at(word, 0);
            if is_strong(word) && (skip.is_empty() || !skip.contains(&(range.start + 8 * index))) {
                self.push(word - 1);
            }
        }
    }

    /// Fields that look strong but don't keep their target.
    fn weak_offsets(&self, map: &MapInfo, size: usize) -> Vec<usize> {
        let types = &self.space.layout.types;
        match map.instance_type {
            it if it == types.weak_ref => vec![24],
            it if it == types.weak_cell => {
                let (target, token) = self.space.layout.shape.weak_cell;
                vec![target as usize, token as usize]
            }
            it if it == types.allocation_site => vec![40],
            // The list of contexts.
            it if it == types.native_context => vec![size - 16, size - 8],
            _ => Vec::new(),
        }
    }

    /// Machine code has references at any byte.
    fn code(&mut self, bytes: &[u8]) {
        for at in 8..bytes.len().saturating_sub(7) {
            let word = word_at(bytes, at);
            if !is_strong(word) || word >> 48 != 0 {
                continue;
            }
            let target = word - 1;
            let Some(page) = self.space.page(target) else { continue };
            let valid = target.is_multiple_of(8)
                && target >= page.start
                && target + 8 <= page.end
                && self.maps.learn(self.space, word_at(&page.bytes, (target - page.base) as usize)).is_some();
            if valid {
                self.push(target);
            }
        }
    }

    /// Each pair of a live table is looked at once; values whose key is not alive yet wait for it.
    fn ephemerons(&mut self) -> Result<()> {
        let mut done = 0;
        while let Some(&table) = self.marks.tables.get(done) {
            done += 1;
            let bytes = self.space.rest_of_page(table);
            let length = u64::try_from(smi(word_at(bytes, 8))).unwrap_or(0).min(bytes.len() as u64 / 8);
            for entry in (3..length.saturating_sub(1)).step_by(2) {
                let at = 16 + 8 * entry as usize;
                let (key, value) = (word_at(bytes, at), word_at(bytes, at + 8));
                if !is_strong(key) || !is_strong(value) {
                    continue;
                }
                if self.marks.contains(self.space, key - 1) {
                    self.push(value - 1);
                } else {
                    self.waiting.entry(key - 1).or_default().push(value - 1);
                }
            }
            self.drain()?;
        }
        Ok(())
    }
}
