//! A core file is a snapshot: brings the memory of a dead process (`stillheap-process`), the reader of V8's heap
//! (`stillheap-heap`) and the graph together.
//!
//! The graph's columns are filled as the heap is walked, with no JSON between. `stillheap-heap` says what it needs beside
//! them while reading.
#![forbid(unsafe_code)]

mod build;
mod death;
mod error;
mod info;
mod memory;
mod open;
mod stacks;
mod write;

pub use build::read;
pub use death::Why;
pub use info::{HandleInfo, Info, IsolateInfo, MemoryInfo, TimerInfo, info, shown_facts};
pub use open::{CoreOptions, is_core};
pub use stacks::{FrameInfo, StackInfo, shown as shown_stack, stacks};
pub use write::{Converted, convert};
