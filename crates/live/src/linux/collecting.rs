//! Whether the main thread is inside a collection: then objects are being moved, and another moment is better.
//!
//! V8's function that collects has a return address on the stack as long as it runs. Words that were left behind by
//! earlier calls look the same, so a thread that waits for events (as collections never do) or runs compiled JavaScript isn't
//! asked, and the answer is only a reason to wait a little.

use stillheap_attach::{Registers, Stopped};

/// So much of a stack is looked through.
const STACK: usize = 1 << 18;

/// The addresses of V8's functions that run collections, as the process has them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Collector {
    /// What collects.
    ranges: Vec<(u64, u64)>,
}

impl Collector {
    pub(crate) fn find(program: &stillheap_process::Program, base: u64) -> Collector {
        let ranges = program.ranges_of(|name| {
            name.contains("2v88internal4Heap24PerformGarbageCollection")
                || name.contains("2v88internal4Heap14CollectGarbageE")
        });
        let ranges = ranges.into_iter().map(|(from, to)| (from.wrapping_add(base), to.wrapping_add(base)));
        Collector { ranges: ranges.collect() }
    }

    fn has(&self, word: u64) -> bool {
        self.ranges.iter().any(|&(from, to)| from < word && word <= to)
    }

    /// Whether the main thread of a stopped process seems to collect.
    pub(crate) fn runs_in(&self, stopped: &Stopped<'_>) -> bool {
        let Some(main) = stopped.registers().first() else { return false };
        if self.ranges.is_empty() || waits_for_events(main) {
            return false;
        }
        let mut stack = vec![0; STACK];
        let length = stopped.read(main.stack & !7, &mut stack);
        let words = stack[..length].chunks_exact(8);
        let mut words = words.map(|word| u64::from_le_bytes(word.try_into().unwrap_or_default()));
        self.has(main.instruction) || words.any(|word| self.has(word))
    }
}

/// Whether a thread is in epoll_wait, epoll_pwait or poll.
pub(crate) fn waits_for_events(registers: &Registers) -> bool {
    matches!(registers.call, Some(7 | 232 | 281))
}
