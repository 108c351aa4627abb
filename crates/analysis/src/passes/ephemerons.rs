//! The key-value pairs of WeakMaps, recognised by the names V8 gives their edges.
//!
//! A value hangs on two edges, one from the key and one from the table, whose names differ only in the leading
//! number. Time: one byte per string. Memory: a few words per pair.

use foldhash::{HashMap, HashMapExt};

use stillheap_graph::strings::{StringTable, kind, parse_ephemeron};

#[derive(Clone, Copy)]
pub(crate) struct Pair {
    /// The same for both edges of a pair.
    pub(crate) shared: u32,
    /// Id of the WeakMap's table.
    pub(crate) table: u64,
}

#[derive(Default)]
pub(crate) struct Ephemerons {
    by_name: HashMap<u32, Pair>,
}

impl Ephemerons {
    pub(crate) fn new(strings: &StringTable) -> Ephemerons {
        let mut shared_parts: HashMap<&[u8], u32> = HashMap::new();
        let mut by_name = HashMap::new();
        for index in memchr::memchr_iter(kind::EPHEMERON, &strings.kinds) {
            if let Some((shared, table)) = parse_ephemeron(strings.bytes(index as u32)) {
                let next = shared_parts.len() as u32;
                let shared = *shared_parts.entry(shared).or_insert(next);
                by_name.insert(index as u32, Pair { shared, table });
            }
        }
        Ephemerons { by_name }
    }

    #[inline]
    pub(crate) fn get(&self, name: u32) -> Option<Pair> {
        self.by_name.get(&name).copied()
    }
}
