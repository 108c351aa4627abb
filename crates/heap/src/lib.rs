//! V8's heap as it lies in the memory of a process that has stopped: finds its pages and isolates, tells which
//! objects are alive, names them and their references as V8's heap snapshot does, and reads JavaScript's stacks.
//!
//! It needs no V8. It knows the layouts of `layouts/` and refuses every other. Memory is an enemy here: each
//! pointer may lie, each length may be huge, so every read is checked against the page it is in, and every loop is
//! bounded by the size of what was read.
//!
//! Extra memory: a bit per heap word for what is alive and one for strings (together a 32nd of the heap), 16 bytes
//! of ranks per 512 words for each, two bytes per object, a bounded stack of what is still to be marked (a 128th of the heap), and tables
//! whose size depends on the number of maps and names. One thread, no global state, no I/O.
#![forbid(unsafe_code)]

mod arena;
mod builtins;
mod dispatch;
mod edges;
mod embedder;
mod error;
mod facts;
mod functions;
mod handles;
mod heap;
mod kind;
mod layout;
mod mark;
mod memory;
mod names;
mod node;
mod object;
mod pages;
mod probe;
mod progress;
mod properties;
mod roots;
mod scope;
mod shape;
mod snapshot;
mod special;
mod stack;
mod text;
mod variables;

pub use error::{Refusal, Result};
pub use facts::{ErrorObject, Facts, Timers};
pub use heap::{Heap, IsolateChoice, OpenedHeap};
pub use layout::{Constants, Layout};
pub use memory::{Mapping, Memory, Registers, Symbol, Thread, is_wanted_symbol};
pub use node::{EdgeKind, NodeKind};
pub use pages::Isolate;
pub use probe::ProcessInfo;
pub use progress::{Progress, Step, Watcher, unwatched};
pub use snapshot::{Edge, Live, Location, Node, Snapshot};
pub use stack::{Frame, FrameKind, Stack};
