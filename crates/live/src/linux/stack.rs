//! The JavaScript stacks of a running process.

use serde::Serialize;
use stillheap_corefile::{StackInfo, shown_stack};
use stillheap_heap::{Heap, IsolateChoice, unwatched};

use crate::error::Result;
use crate::linux::collecting::waits_for_events;
use crate::linux::process::{Copy, Process};

/// All threads' stacks at one moment.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Stacks {
    /// How long the main thread stood still, in milliseconds.
    pub pause_ms: f64,
    /// Of threads that were in JavaScript, the main thread's first.
    pub stacks: Vec<StackInfo>,
}

impl Process {
    /// The stacks of all threads that are in JavaScript, or of one isolate's if the options name one.
    ///
    /// # Errors
    /// It was left alone, or its heap can't be read.
    pub fn stacks(&self) -> Result<Stacks> {
        self.read_copy(|copy| self.stacks_of(copy)).map(|(stacks, _)| stacks)
    }

    fn stacks_of(&self, copy: &Copy) -> Result<Stacks> {
        let pause_ms = copy.frozen.pause().total.as_secs_f64() * 1e3;
        let mut stacks = Vec::new();
        let mut wanted = self.options.isolate.map_or(0..1, |number| number..number + 1);
        let mut number = wanted.start;
        while number < wanted.end {
            let mut opened = Heap::open(&copy.memory, &self.layout, IsolateChoice::Number(number))?;
            if self.options.isolate.is_none() {
                wanted.end = opened.isolates.len();
            }
            let live = opened.heap.verify(&mut unwatched)?;
            // An event loop that waits runs nothing; what looks like frames on its stack was left behind.
            let waits = |thread: u32| {
                copy.frozen.registers().iter().any(|r| r.thread == thread && waits_for_events(r))
            };
            let found = opened.heap.stacks(&live).into_iter().filter(|stack| !waits(stack.thread));
            stacks.extend(found.map(|stack| shown_stack(stack, number)));
            number += 1;
        }
        Ok(Stacks { pause_ms, stacks })
    }
}
