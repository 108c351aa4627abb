//! Everything of an index that is not a column: the header, counts, classes, statistics, and where the columns are.
//!
//! Little-endian numbers, each list and text behind its length. It is read whole when the index is opened: some 40
//! bytes per block of the file and some 60 per class.

use std::collections::HashMap;

use stillheap_analysis::{Class, NativeStatistics, Statistics, V8HeapStatistics};
use stillheap_graph::{Completeness, Location, Packing};

use crate::identity::Identity;
use crate::sections::{ALL, SectionCounts};
use crate::source::{Block, SectionEntry};

/// A class's numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ClassNumbers {
    pub(crate) class: u32,
    pub(crate) count: u64,
    pub(crate) distance: i32,
    pub(crate) shallow: u64,
    pub(crate) retained: u64,
}

#[derive(Debug, Default)]
pub(crate) struct Metadata {
    pub(crate) identity: Identity,
    pub(crate) packing: Packing,
    pub(crate) completeness: Completeness,
    /// The snapshot's header as JSON.
    pub(crate) header: Vec<u8>,
    pub(crate) counts: SectionCounts,
    pub(crate) root: u32,
    pub(crate) large_ids: HashMap<u32, u64>,
    pub(crate) large_sizes: HashMap<u32, u64>,
    pub(crate) folded: bool,
    pub(crate) large_folded: HashMap<u32, u64>,
    pub(crate) classes: Vec<Class>,
    pub(crate) rows: Vec<ClassNumbers>,
    pub(crate) statistics: Statistics,
    pub(crate) scripts: Vec<(i64, Vec<u8>)>,
    /// Names of the sections that are not understood, and how many numbers each has.
    pub(crate) extra: Vec<(Vec<u8>, u64)>,
    pub(crate) entries: Vec<SectionEntry>,
}

/// Which program wrote the file; another version's numbers might differ.
const WRITER: &[u8] = concat!(env!("CARGO_PKG_VERSION"), "/1").as_bytes();

impl Metadata {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Out(Vec::new());
        out.bytes(WRITER);
        let i = &self.identity;
        out.numbers([i.size, i.modified as u64, i.inode, i.samples]);
        out.u64(match self.packing {
            Packing::Plain => 0,
            Packing::Gzip => 1,
            Packing::Zstd => 2,
        });
        let c = &self.completeness;
        let flags =
            [c.closed, c.counts_match, c.trace_function_count_matches, c.sections_present, self.folded];
        out.u64(flags.iter().rev().fold(0, |bits, &flag| bits << 1 | flag as u64));
        out.u64(c.bytes);
        out.bytes(&self.header);
        let c = &self.counts;
        out.numbers([c.nodes, c.edges, c.strings, c.string_bytes, c.locations, c.call_sites, c.classes]);
        out.u64(self.root as u64);
        for map in [&self.large_ids, &self.large_sizes, &self.large_folded] {
            out.u64(map.len() as u64);
            for (&node, &value) in map {
                out.u64(node as u64);
                out.u64(value);
            }
        }
        for class in &self.classes {
            out.bytes(&class.name);
            out.u64(class.location.is_some() as u64);
            if let Some(l) = class.location {
                out.numbers([l.script_id, l.line, l.column].map(|n| n as u64));
            }
        }
        out.u64(self.rows.len() as u64);
        for row in &self.rows {
            out.numbers([row.class as u64, row.count, row.distance as u64, row.shallow, row.retained]);
        }
        let (s, n, h) = (&self.statistics, &self.statistics.native, &self.statistics.v8heap);
        let numbers =
            [s.total, n.total, n.typed_arrays, h.total as u64, h.code, h.js_arrays, h.strings, h.system];
        out.numbers(numbers);
        out.u64(self.scripts.len() as u64);
        for (id, name) in &self.scripts {
            out.u64(*id as u64);
            out.bytes(name);
        }
        out.u64(self.extra.len() as u64);
        for (name, len) in &self.extra {
            out.bytes(name);
            out.u64(*len);
        }
        out.u64(self.entries.len() as u64);
        for entry in &self.entries {
            out.u64(entry.len);
            out.u64(entry.blocks.len() as u64);
            for block in &entry.blocks {
                out.numbers([block.position, block.least, block.checksum, block.width as u64]);
            }
        }
        out.0
    }

    /// None if anything does not fit together, or if another version wrote it.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Metadata> {
        let mut input = In(bytes);
        if input.bytes()? != WRITER {
            return None;
        }
        let [size, modified, inode, samples] = input.numbers()?;
        let mut metadata = Metadata {
            identity: Identity { size, modified: modified as i64, inode, samples },
            ..Metadata::default()
        };
        metadata.packing = match input.u64()? {
            0 => Packing::Plain,
            1 => Packing::Gzip,
            2 => Packing::Zstd,
            _ => return None,
        };
        let [flags, bytes] = input.numbers()?;
        let flag = |bit: u32| flags >> bit & 1 != 0;
        metadata.completeness = Completeness {
            closed: flag(0),
            bytes,
            counts_match: flag(1),
            trace_function_count_matches: flag(2),
            sections_present: flag(3),
        };
        metadata.folded = flag(4);
        metadata.header = input.bytes()?.to_vec();
        let [nodes, edges, strings, string_bytes, locations, call_sites, classes] = input.numbers()?;
        metadata.counts =
            SectionCounts { nodes, edges, strings, string_bytes, locations, call_sites, classes };
        let most = u32::MAX as u64;
        if [nodes, edges, strings, locations, call_sites, classes].iter().any(|&n| n >= most) {
            return None;
        }
        metadata.root = input.u64().filter(|&root| root < nodes)? as u32;
        for map in [&mut metadata.large_ids, &mut metadata.large_sizes, &mut metadata.large_folded] {
            for _ in 0..input.count(16)? {
                let [node, value] = input.numbers()?;
                map.insert(node.min(most) as u32, value);
            }
        }
        if classes > input.0.len() as u64 / 16 {
            return None;
        }
        for _ in 0..classes {
            let name = input.bytes()?.to_vec();
            let location = match input.u64()? {
                0 => None,
                _ => {
                    let [script_id, line, column] = input.numbers()?.map(|n| n as i64);
                    Some(Location { script_id, line, column })
                }
            };
            metadata.classes.push(Class { name, location });
        }
        for _ in 0..input.count(40)? {
            let [class, count, distance, shallow, retained] = input.numbers()?;
            let class = u32::try_from(class).ok().filter(|_| class < classes)?;
            metadata.rows.push(ClassNumbers { class, count, distance: distance as i32, shallow, retained });
        }
        let [total, native, typed_arrays, v8heap, code, js_arrays, strings, system] = input.numbers()?;
        metadata.statistics = Statistics {
            total,
            native: NativeStatistics { total: native, typed_arrays },
            v8heap: V8HeapStatistics { total: v8heap as i64, code, js_arrays, strings, system },
        };
        for _ in 0..input.count(16)? {
            metadata.scripts.push((input.u64()? as i64, input.bytes()?.to_vec()));
        }
        for _ in 0..input.count(16)? {
            metadata.extra.push((input.bytes()?.to_vec(), input.u64()?));
        }
        if input.count(16)? != ALL.len() {
            return None;
        }
        for _ in ALL {
            let mut entry = SectionEntry { len: input.u64()?, blocks: Vec::new() };
            for _ in 0..input.count(32)? {
                let [position, least, checksum, width] = input.numbers()?;
                let width = u8::try_from(width).ok()?;
                entry.blocks.push(Block { position, least, checksum, width });
            }
            metadata.entries.push(entry);
        }
        input.0.is_empty().then_some(metadata)
    }
}

struct Out(Vec<u8>);

impl Out {
    fn u64(&mut self, n: u64) {
        self.0.extend(n.to_le_bytes());
    }

    fn numbers<const N: usize>(&mut self, numbers: [u64; N]) {
        numbers.into_iter().for_each(|n| self.u64(n));
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.u64(bytes.len() as u64);
        self.0.extend(bytes);
    }
}

struct In<'b>(&'b [u8]);

impl<'b> In<'b> {
    fn u64(&mut self) -> Option<u64> {
        let (first, rest) = self.0.split_first_chunk::<8>()?;
        self.0 = rest;
        Some(u64::from_le_bytes(*first))
    }

    fn numbers<const N: usize>(&mut self) -> Option<[u64; N]> {
        let mut out = [0; N];
        for slot in &mut out {
            *slot = self.u64()?;
        }
        Some(out)
    }

    fn bytes(&mut self) -> Option<&'b [u8]> {
        let len = usize::try_from(self.u64()?).ok()?;
        let (bytes, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(bytes)
    }

    /// A list's length, if that many items of at least `size` bytes can still come.
    fn count(&mut self, size: usize) -> Option<usize> {
        let count = usize::try_from(self.u64()?).ok()?;
        (count <= self.0.len() / size).then_some(count)
    }
}
