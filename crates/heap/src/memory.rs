//! Where the bytes come from: a seam, so that core files, frozen copies and tests read alike.

/// A range of addresses with its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mapping {
    pub start: u64,
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

/// A thread of the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Thread {
    pub id: u32,
    pub registers: Registers,
}

/// The memory of a process that stands still. Mappings are sorted by address and don't overlap.
pub trait Memory {
    fn mappings(&self) -> &[Mapping];

    /// The bytes of the mapping with this position. Shorter than the mapping was, if the rest is not known.
    fn bytes(&self, mapping: usize) -> &[u8];

    /// All threads whose registers are known.
    fn threads(&self) -> &[Thread];

    /// The main thread's id.
    fn main_thread(&self) -> Option<u32>;
}

/// A mapping with its bytes at hand.
pub(crate) struct Region<'m> {
    pub(crate) start: u64,
    pub(crate) bytes: &'m [u8],
    pub(crate) writable: bool,
    pub(crate) file: Option<&'m str>,
}

impl Region<'_> {
    pub(crate) fn end(&self) -> u64 {
        self.start + self.bytes.len() as u64
    }

    pub(crate) fn contains(&self, address: u64) -> bool {
        self.start <= address && address < self.end()
    }
}

/// The memory as a sorted list of regions: reads by address.
pub(crate) struct MemoryView<'m> {
    pub(crate) regions: Vec<Region<'m>>,
}

impl<'m> MemoryView<'m> {
    /// Regions that overlap an earlier one or wrap around are left out.
    pub(crate) fn new(memory: &'m dyn Memory) -> MemoryView<'m> {
        let mut regions: Vec<Region<'m>> = memory
            .mappings()
            .iter()
            .enumerate()
            .map(|(index, mapping)| Region {
                start: mapping.start,
                bytes: memory.bytes(index),
                writable: mapping.writable,
                file: mapping.file.as_deref(),
            })
            .filter(|r| !r.bytes.is_empty() && r.start.checked_add(r.bytes.len() as u64).is_some())
            .collect();
        regions.sort_by_key(|r| r.start);
        let mut end = 0;
        regions.retain(|region| {
            let keep = region.start >= end;
            if keep {
                end = region.end();
            }
            keep
        });
        MemoryView { regions }
    }

    pub(crate) fn region(&self, address: u64) -> Option<&Region<'m>> {
        let after = self.regions.partition_point(|r| r.start <= address);
        let region = self.regions.get(after.checked_sub(1)?)?;
        region.contains(address).then_some(region)
    }

    pub(crate) fn bytes(&self, address: u64, length: usize) -> Option<&'m [u8]> {
        let region = self.region(address)?;
        let offset = (address - region.start) as usize;
        region.bytes.get(offset..offset.checked_add(length)?)
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
