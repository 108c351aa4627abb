//! JavaScript's stacks: which functions each thread was in when the process stopped.
//!
//! V8's frames are linked by their frame pointers, but C++ in between need not be. So a thread's stack is looked
//! through from its pointer up for words that can only be a frame (a function, its context, and a pointer further
//! up), and from each such place the links are followed to the entry frame. A frame that was left behind and not yet
//! overwritten can look the same; the first frame of each run is therefore only as certain as its looks.

use foldhash::{HashMap, HashMapExt};

use crate::functions::line_and_column;
use crate::heap::{Heap, stack_of};
use crate::kind::Kind;
use crate::memory::{Thread, is_strong, smi, word_at};
use crate::names::{NameTable, Namer};
use crate::snapshot::Live;
use crate::special::well_known;

/// Frames of a thread that are given at most.
const MOST_FRAMES: usize = 10_000;

/// Frame types end below this.
const FRAME_TYPES: u64 = 64;

/// How a frame's function runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameKind {
    /// By the interpreter: line and column are where it stands.
    Interpreted,
    /// Compiled by the baseline compiler.
    Baseline,
    /// Compiled by an optimising compiler. Functions that were inlined into it are not shown.
    Optimised,
    /// One of V8's own functions.
    Builtin,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    pub kind: FrameKind,
    /// The function's name; empty if it has none.
    pub function: String,
    pub script: Option<String>,
    /// One-based line and column: of the statement if `exact`, else of where the function begins.
    pub place: Option<(u32, u32)>,
    pub exact: bool,
    /// The class of `this`, if it is an object.
    pub receiver: Option<String>,
}

/// A thread's frames, the innermost first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stack {
    pub thread: u32,
    pub main: bool,
    pub frames: Vec<Frame>,
}

struct Walker<'h, 'm> {
    heap: &'h Heap<'m>,
    namer: Namer,
    names: NameTable,
    line_ends: HashMap<u64, Vec<u32>>,
}

impl Heap<'_> {
    /// The stacks of all threads that were in JavaScript of this isolate.
    pub fn stacks(&self, live: &Live) -> Vec<Stack> {
        let mut walker = Walker {
            heap: self,
            namer: Namer::new(well_known(self, &live.marks)),
            names: NameTable::new(),
            line_ends: HashMap::new(),
        };
        let stacks = self.space.threads.iter().map(|thread| walker.thread(thread));
        stacks.filter(|stack| !stack.frames.is_empty()).collect()
    }
}

impl Walker<'_, '_> {
    fn thread(&mut self, thread: &Thread) -> Stack {
        let heap = self.heap;
        let mut frames = Vec::new();
        let bytes = stack_of(&heap.space.view, thread.registers.stack);
        let start = thread.registers.stack & !7;
        let below = 128.min(start);
        let start =
            heap.space.view.region(thread.registers.stack).map_or(start, |r| r.start.max(start - below));
        let end = start + bytes.len() as u64;
        let word = |at: u64| word_at(bytes, at.wrapping_sub(start) as usize);
        let mut at = start + 16;
        while at + 8 <= end && frames.len() < MOST_FRAMES {
            let up = word(at);
            let looks_like_a_frame = up > at
                && up < end
                && up % 8 == 0
                && is_context_word(heap, word(at - 8))
                && heap.is_function(word(at - 16));
            if !looks_like_a_frame {
                at += 8;
                continue;
            }
            let (first, run) = (at, frames.len());
            let mut frame = first;
            loop {
                let marker = word(frame - 8);
                let entry = if marker & 1 == 0 && marker >> 1 < FRAME_TYPES {
                    heap.space.layout.frame_type(marker >> 1).is_some_and(|name| name.ends_with("EntryFrame"))
                } else {
                    if heap.is_function(word(frame - 16)) {
                        let found = self.frame(frame, &word);
                        frames.push(found);
                    }
                    false
                };
                at = frame + 8;
                let next = word(frame);
                if entry || frames.len() >= MOST_FRAMES {
                    break;
                }
                // Links that lead to no entry were left behind by calls that have returned.
                if next <= frame || next >= end {
                    frames.truncate(run);
                    at = first + 8;
                    break;
                }
                frame = next;
            }
        }
        Stack { thread: thread.id, main: Some(thread.id) == heap.space.main_thread, frames }
    }

    fn frame(&mut self, frame: u64, word: &impl Fn(u64) -> u64) -> Frame {
        let heap = self.heap;
        let layout = &heap.space.layout;
        let at = |name: &str, otherwise: i64| {
            frame.wrapping_add_signed(layout.constant(name).unwrap_or(otherwise))
        };
        let function = word(frame - 16) - 1;
        let shared = heap.shared_of(function);
        let bytecode = word(at("off_fp_bytecode_array", -32));
        let offset = word(at("off_fp_bytecode_offset", -40));
        let has_bytecode =
            is_strong(bytecode) && heap.info(bytecode - 1).is_some_and(|map| map.kind == Kind::BytecodeArray);
        let script = heap.script_of(shared);
        let kind = match () {
            () if has_bytecode && offset & 1 == 0 && smi(offset) > 0 => FrameKind::Interpreted,
            () if has_bytecode => FrameKind::Baseline,
            () if script.is_none() => FrameKind::Builtin,
            () => FrameKind::Optimised,
        };
        let statement = (kind == FrameKind::Interpreted)
            .then(|| {
                heap.source_position(bytecode - 1, smi(offset) - (layout.offsets.bytecode_header as i64 - 1))
            })
            .flatten();
        let position = statement.or_else(|| heap.start_position(shared));
        let place = script.zip(position).map(|(script, position)| {
            let ends = self.line_ends.entry(script).or_insert_with(|| heap.line_ends(script));
            line_and_column(ends, position)
        });
        let receiver = word(at("off_fp_args", 16));
        Frame {
            kind,
            function: heap.debug_name(shared),
            script: script.and_then(|script| heap.script_name(script)),
            place,
            exact: statement.is_some(),
            receiver: self.class_of(receiver),
        }
    }

    fn class_of(&mut self, word: u64) -> Option<String> {
        let map = *self.heap.info(word & !1).filter(|map| is_strong(word) && map.receiver)?;
        let (class, _) = self.namer.class(self.heap, &mut self.names, word - 1, &map);
        Some(self.names.get(class).to_owned())
    }
}

/// A context, whose map may be any of several.
fn is_context_word(heap: &Heap<'_>, word: u64) -> bool {
    is_strong(word) && heap.is_context(word)
}
