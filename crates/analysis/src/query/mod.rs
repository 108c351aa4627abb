//! Questions and answers: what the command line and JavaScript ask.
//!
//! Every answer is plain data that serialises to JSON in camelCase; lists come in pages. Nothing here is kept
//! each answer's cost is that of the passes it needs plus its own size.

mod class_tree;
mod classes;
mod closures;
mod dominators;
mod edges;
mod node;
mod paths;
mod retainers;
mod search;
mod strings;
mod timeline;
mod variables;
mod walk;

pub use class_tree::*;
pub use classes::*;
pub use closures::*;
pub use node::*;
pub use paths::*;
pub use retainers::*;

pub use strings::*;
pub use timeline::*;
