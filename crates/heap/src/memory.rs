//! Where the bytes come from: a seam, so that core files, frozen copies and tests read alike.

/// A range of addresses that the process had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mapping {
    pub start: u64,
    /// Where the range ends. Its bytes may end earlier, if the rest is not known.
    pub end: u64,
    /// Whether the process could write here.
    pub writable: bool,
    /// The file that was mapped, if one was.
    pub file: Option<String>,
}

/// What is known of a thread's processor state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Registers {
    pub instruction: u64,
    pub stack: u64,
    pub frame: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Thread {
    pub id: u32,
    pub registers: Registers,
}

/// A symbol of the program, at the address where the process had it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Symbol {
    pub address: u64,
    pub size: u64,
    /// As the program has it: mangled.
    pub name: String,
}

/// The memory of a process that stands still.
///
/// The reader borrows: it copies nothing but pages that lie in several mappings, and calls [`Memory::bytes`] only for
/// mappings that it looks into. So a back end that lends the process's own memory costs nothing per read, and one
/// that has to copy can do so at the first call, mapping by mapping. Nothing may change while it is lent.
pub trait Memory {
    /// All mappings, in any order. One that overlaps an earlier one is ignored.
    fn mappings(&self) -> &[Mapping];

    /// The bytes of the mapping with this position. Shorter than the mapping if the rest is not known.
    fn bytes(&self, mapping: usize) -> &[u8];

    /// All threads whose registers are known.
    fn threads(&self) -> &[Thread];

    fn main_thread(&self) -> Option<u32>;

    /// The program's symbols that [`is_wanted_symbol`] wants, in order of their addresses. Without them V8's builtins and
    /// Node's C++ objects have no names.
    fn symbols(&self) -> &[Symbol] {
        &[]
    }
}

/// Whether a symbol names something that the reader shows: a builtin of V8's, or a class of Node's by its vtable.
pub fn is_wanted_symbol(name: &str) -> bool {
    name.starts_with(BUILTIN) || name.starts_with(VTABLE)
}

/// What V8 puts before the names of its builtins.
pub(crate) const BUILTIN: &str = "Builtins_";
/// The vtable of a class in the namespace `node`, in the mangling of the Itanium ABI.
pub(crate) const VTABLE: &str = "_ZTVN4node";

/// A mapping by its addresses; its bytes are asked for when they are needed.
pub(crate) struct Region<'m> {
    pub(crate) start: u64,
    pub(crate) end: u64,
    pub(crate) writable: bool,
    pub(crate) file: Option<&'m str>,
    mapping: usize,
    memory: &'m dyn Memory,
}

impl<'m> Region<'m> {
    pub(crate) fn contains(&self, address: u64) -> bool {
        self.start <= address && address < self.end
    }

    #[inline]
    pub(crate) fn bytes(&self) -> &'m [u8] {
        let bytes = self.memory.bytes(self.mapping);
        let length = usize::try_from(self.end - self.start).unwrap_or(usize::MAX);
        bytes.get(..length).unwrap_or(bytes)
    }
}

/// The memory as a sorted list of regions: reads by address.
pub(crate) struct MemoryView<'m> {
    pub(crate) regions: Vec<Region<'m>>,
    symbols: &'m [Symbol],
}

impl<'m> MemoryView<'m> {
    pub(crate) fn new(memory: &'m dyn Memory) -> MemoryView<'m> {
        let mut regions: Vec<Region<'m>> = memory
            .mappings()
            .iter()
            .enumerate()
            .map(|(mapping, m)| Region {
                start: m.start,
                end: m.end,
                writable: m.writable,
                file: m.file.as_deref(),
                mapping,
                memory,
            })
            .filter(|r| r.start < r.end)
            .collect();
        regions.sort_by_key(|r| r.start);
        let mut end = 0;
        regions.retain(|region| {
            let keep = region.start >= end;
            if keep {
                end = region.end;
            }
            keep
        });
        MemoryView { regions, symbols: memory.symbols() }
    }

    pub(crate) fn region(&self, address: u64) -> Option<&Region<'m>> {
        let after = self.regions.partition_point(|r| r.start <= address);
        let region = self.regions.get(after.checked_sub(1)?)?;
        region.contains(address).then_some(region)
    }

    pub(crate) fn bytes(&self, address: u64, length: usize) -> Option<&'m [u8]> {
        let region = self.region(address)?;
        let offset = (address - region.start) as usize;
        region.bytes().get(offset..offset.checked_add(length)?)
    }

    /// The symbol that an address lies in.
    pub(crate) fn symbol(&self, address: u64) -> Option<&'m Symbol> {
        let after = self.symbols.partition_point(|s| s.address <= address);
        let symbol = self.symbols.get(after.checked_sub(1)?)?;
        (address - symbol.address < symbol.size).then_some(symbol)
    }

    /// The symbols whose names begin so.
    pub(crate) fn symbols(&self, beginning: &'static str) -> impl Iterator<Item = &'m Symbol> + use<'m> {
        self.symbols.iter().filter(move |symbol| symbol.name.starts_with(beginning))
    }

    pub(crate) fn has_symbols(&self) -> bool {
        !self.symbols.is_empty()
    }

    pub(crate) fn word(&self, address: u64) -> Option<u64> {
        self.bytes(address, 8).map(|b| word_at(b, 0))
    }
}

/// The word at an offset, 0 beyond the end: the callers' checks are of the value, not of the place.
#[inline(always)]
pub(crate) fn word_at(bytes: &[u8], offset: usize) -> u64 {
    match bytes.get(offset..offset.wrapping_add(8)) {
        Some(word) => u64::from_le_bytes(word.try_into().unwrap_or_default()),
        None => 0,
    }
}

#[inline(always)]
pub(crate) fn half_at(bytes: &[u8], offset: usize) -> u32 {
    match bytes.get(offset..offset.wrapping_add(4)) {
        Some(half) => u32::from_le_bytes(half.try_into().unwrap_or_default()),
        None => 0,
    }
}

#[inline(always)]
pub(crate) fn short_at(bytes: &[u8], offset: usize) -> u16 {
    match bytes.get(offset..offset.wrapping_add(2)) {
        Some(short) => u16::from_le_bytes(short.try_into().unwrap_or_default()),
        None => 0,
    }
}

/// A small integer's value.
#[inline(always)]
pub(crate) fn smi(word: u64) -> i64 {
    (word as i64) >> 32
}

/// Whether the word is a strong reference.
#[inline(always)]
pub(crate) fn is_strong(word: u64) -> bool {
    word & 3 == 1
}
