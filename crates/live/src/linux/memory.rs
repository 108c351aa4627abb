//! The memory of what stands still, as the heap's reader asks for it.

use stillheap_attach::Registers;
use stillheap_heap::{Mapping, Memory, Thread};
use stillheap_process::Live;

pub(crate) struct LiveMemory {
    pub(crate) live: Live,
    mappings: Vec<Mapping>,
    threads: Vec<Thread>,
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
        LiveMemory { live, mappings, threads }
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
}
