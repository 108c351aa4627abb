//! Linux on x86-64.

mod collecting;
mod dump;
mod info;
mod memory;
mod process;
mod stack;

pub use dump::{Captured, PauseParts};
pub use info::{Info, IsolateInfo, Usage};
pub use process::{Options, Process};
pub use stack::Stacks;
