//! V8 13 and later: a function has a handle into a table of the process, and the table has its code.

use crate::heap::{Maps, Space};

/// Handles that are tried on each place the table might be at.
const SAMPLES: usize = 300;

/// The table, by where it begins.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DispatchTable(u64);

impl DispatchTable {
    /// Where nearly all handles lead to code.
    pub(crate) fn find(space: &Space<'_>, maps: &mut Maps, handles: &[u32]) -> Option<DispatchTable> {
        let step = (handles.len() / SAMPLES).max(1);
        let sample: Vec<u32> = handles.iter().step_by(step).copied().collect();
        let mut best = (sample.len() * 9 / 10, None);
        for region in space.view.regions.iter().filter(|r| r.file.is_none()) {
            // The first segment of the table may not be readable.
            for before in [0, 0x1000, 0x10000] {
                let Some(base) = region.start.checked_sub(before) else { continue };
                let table = DispatchTable(base);
                let hits = sample.iter().filter(|&&handle| table.code(space, maps, handle).is_some()).count();
                if hits > best.0 {
                    best = (hits, Some(table));
                }
            }
        }
        best.1
    }

    /// The tagged Code behind a handle: the address is in the upper 48 bits of the entry's second word.
    pub(crate) fn code(self, space: &Space<'_>, maps: &mut Maps, handle: u32) -> Option<u64> {
        let address = self.address(space, handle)?;
        let map = maps.learn(space, space.word(address))?;
        (map.instance_type == space.layout.types.code).then_some(address + 1)
    }

    /// The same once all maps are known.
    pub(crate) fn known_code(self, space: &Space<'_>, maps: &Maps, handle: u32) -> Option<u64> {
        let address = self.address(space, handle)?;
        let map = maps.known(space.word(address))?;
        (map.instance_type == space.layout.types.code).then_some(address + 1)
    }

    fn address(self, space: &Space<'_>, handle: u32) -> Option<u64> {
        let entry = self.0.checked_add(u64::from(handle >> 8) * 16 + 8)?;
        Some(space.view.word(entry)? >> 16 & !7)
    }
}
