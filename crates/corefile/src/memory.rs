//! A core file as the memory that the heap's reader asks for.

use stillheap_heap::{Mapping, Memory, Registers, Thread};
use stillheap_process::Core;

pub(crate) struct CoreMemory {
    pub(crate) core: Core,
    mappings: Vec<Mapping>,
    threads: Vec<Thread>,
}

impl CoreMemory {
    pub(crate) fn new(core: Core) -> CoreMemory {
        let mappings = core
            .mappings()
            .iter()
            .map(|m| Mapping { start: m.start, writable: m.writable, file: m.file.clone() })
            .collect();
        let threads = core
            .threads()
            .iter()
            .map(|t| Thread {
                id: t.id,
                registers: Registers { instruction: t.instruction, stack: t.stack, frame: t.frame },
            })
            .collect();
        CoreMemory { core, mappings, threads }
    }
}

impl Memory for CoreMemory {
    fn mappings(&self) -> &[Mapping] {
        &self.mappings
    }

    fn bytes(&self, mapping: usize) -> &[u8] {
        self.core.mapping_bytes(mapping)
    }

    fn threads(&self) -> &[Thread] {
        &self.threads
    }

    fn main_thread(&self) -> Option<u32> {
        self.core.process()
    }
}
