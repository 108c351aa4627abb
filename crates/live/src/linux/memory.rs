//! The memory of what stands still, as the heap's reader asks for it.

use stillheap_attach::Registers;
use stillheap_heap::{Mapping, Memory, Symbol, Thread, is_wanted_symbol};
use stillheap_process::Live;

pub(crate) struct LiveMemory {
    pub(crate) live: Live,
    mappings: Vec<Mapping>,
    threads: Vec<Thread>,
    symbols: Vec<Symbol>,
}

impl LiveMemory {
    pub(crate) fn new(live: Live, registers: &[Registers]) -> LiveMemory {
        let mappings = live
            .mappings()
            .iter()
            .map(|m| Mapping { start: m.start, end: m.end, writable: m.writable, file: m.file.clone() })
            .collect();
        let threads = registers
            .iter()
            .map(|r| Thread {
                id: r.thread,
                registers: stillheap_heap::Registers {
                    instruction: r.instruction,
                    stack: r.stack,
                    frame: r.frame,
                },
            })
            .collect();
        let base = live.program_base();
        let symbols = live.program().map(|program| program.symbols(is_wanted_symbol)).unwrap_or_default();
        let symbols = symbols
            .into_iter()
            .map(|s| Symbol { address: s.address.wrapping_add(base), size: s.size, name: s.name })
            .collect();
        LiveMemory { live, mappings, threads, symbols }
    }
}

impl Memory for LiveMemory {
    fn mappings(&self) -> &[Mapping] {
        &self.mappings
    }

    fn bytes(&self, mapping: usize) -> &[u8] {
        self.live.mapping_bytes(mapping)
    }

    fn threads(&self) -> &[Thread] {
        &self.threads
    }

    fn main_thread(&self) -> Option<u32> {
        Some(self.live.process())
    }

    fn symbols(&self) -> &[Symbol] {
        &self.symbols
    }
}
