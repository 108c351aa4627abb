//! A core file as the memory that the heap's reader asks for.

use stillheap_heap::{Mapping, Memory, Registers, Symbol, Thread, is_wanted_symbol};
use stillheap_process::Core;

pub(crate) struct CoreMemory {
    pub(crate) core: Core,
    /// Only those that have bytes in the core.
    mappings: Vec<Mapping>,
    /// Their positions among the core's.
    positions: Vec<usize>,
    threads: Vec<Thread>,
    symbols: Vec<Symbol>,
}

impl CoreMemory {
    pub(crate) fn new(core: Core) -> CoreMemory {
        let there = core.mappings().iter().enumerate().filter(|&(n, _)| !core.mapping_bytes(n).is_empty());
        let (positions, mappings) = there
            .map(|(n, m)| {
                let mapping =
                    Mapping { start: m.start, end: m.end, writable: m.writable, file: m.file.clone() };
                (n, mapping)
            })
            .unzip();
        let threads = core
            .threads()
            .iter()
            .map(|t| Thread {
                id: t.id,
                registers: Registers { instruction: t.instruction, stack: t.stack, frame: t.frame },
            })
            .collect();
        let symbols = core
            .symbols(is_wanted_symbol)
            .into_iter()
            .map(|s| Symbol { address: s.address, size: s.size, name: s.name })
            .collect();
        CoreMemory { core, mappings, positions, threads, symbols }
    }
}

impl Memory for CoreMemory {
    fn mappings(&self) -> &[Mapping] {
        &self.mappings
    }

    fn bytes(&self, mapping: usize) -> &[u8] {
        self.positions.get(mapping).map_or(&[], |&position| self.core.mapping_bytes(position))
    }

    fn threads(&self) -> &[Thread] {
        &self.threads
    }

    fn main_thread(&self) -> Option<u32> {
        self.core.process()
    }

    fn symbols(&self) -> &[Symbol] {
        &self.symbols
    }
}
