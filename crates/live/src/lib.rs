//! A running process that did not prepare for it, as a snapshot: brings attaching (`stillheap-attach`), its memory
//! (`stillheap-process`) and the reader of V8's heap (`stillheap-heap`) together.
//!
//! What can be refused is refused before the process is touched: another program than Node, a V8 whose layout isn't known,
//! too little memory. Memory: what is resident of the process's own memory, once, and the reader's tables.
#![forbid(unsafe_code)]

mod error;
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod linux;

pub use error::{Error, Result};
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
pub use linux::{Captured, Info, IsolateInfo, Options, PauseParts, Process, Stacks, Usage};
pub use stillheap_attach::{Kind, SUPPORTED};
pub use stillheap_heap::{Progress, Step};
