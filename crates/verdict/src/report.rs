//! What a verdict consists of: plain data, the same for the command line, JavaScript and the report.

use serde::Serialize;
use stillheap_analysis::NodeInfo;

/// What leaks, as far as the snapshots tell.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Leaks {
    /// The answer in one sentence.
    pub verdict: String,
    /// The heap in each snapshot, oldest first.
    pub heap: HeapCourse,
    /// What leaks, largest growth first. Empty if nothing grows steadily.
    pub suspects: Vec<Suspect>,
}

/// The heap over the snapshots.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct HeapCourse {
    /// Bytes of all objects in each snapshot.
    pub sizes: Vec<u64>,
    /// Bytes by which it grows from one snapshot to the next, on average; 0 for a single snapshot.
    pub growth_per_step: i64,
    /// Resident bytes of the process at each capture, where every file has them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resident_sizes: Option<Vec<u64>>,
    /// Bytes that the process had from malloc at each capture, where every file has them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allocated_sizes: Option<Vec<u64>>,
    /// Of those, bytes that are neither Buffers' nor V8's own, where every file has them. Less the most that object
    /// ids may take where they are kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outside_sizes: Option<Vec<u64>>,
}

/// One leak: all that grows for one cause.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Suspect {
    /// The class that tells most about what grows, `(string)` and the like if only such grow; none where the growth
    /// is outside the heap.
    pub class_name: Option<String>,
    /// Its objects in each snapshot.
    pub counts: Vec<u64>,
    /// Bytes of everything that belongs to the leak, in each snapshot.
    pub retained_sizes: Vec<u64>,
    /// Bytes by which the leak grows from one snapshot to the next, on average; for a single snapshot its size.
    pub growth_per_step: i64,
    /// Its share of all that grows, 0 to 1; for a single snapshot its share of the heap.
    pub share_of_growth: f64,
    /// With a single snapshot, which can't show growth: why it is given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stands_out: Option<StandsOut>,
    /// With a single snapshot: how much it is to be believed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub confidence: Option<Confidence>,
    /// The classes it consists of, largest growth in bytes first; at most ten.
    pub classes: Vec<SuspectClass>,
    /// One way from a root to an object of the leak, the root first.
    pub path: Vec<PathStep>,
    pub cause: Cause,
    /// What happens, in plain words.
    pub explanation: String,
    /// What to do about it.
    pub advice: String,
}

/// Why something of a single snapshot is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum StandsOut {
    /// It is much of the heap.
    Large,
    /// There are so many of one kind below one holder that nothing seems to bound them.
    UnboundedLooking,
    /// It looks dead: what keeps it never reads it, or it is cut off from its tree.
    Dead,
}

/// How much something is to be believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Confidence {
    /// As often as not there is nothing wrong.
    Low,
    /// It is worth a look.
    Medium,
    /// It is most probably wrong.
    High,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SuspectClass {
    pub class_name: String,
    /// Its objects that belong to the leak, in each snapshot.
    pub counts: Vec<u64>,
    /// Their self sizes.
    pub sizes: Vec<u64>,
}

/// An object on the way from a root.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PathStep {
    pub node: NodeInfo,
    /// How the object before holds it; none for the first.
    pub edge: Option<PathEdge>,
    /// Where it (a function), its constructor, or the function whose variables it holds is in the source.
    pub location: Option<SourceLocation>,
    /// The step in words: `variable cache of function lookup`.
    pub text: String,
    /// Whose object it is.
    pub owner: Owner,
    /// The reference that should not be: `edge` is what to cut.
    pub decisive: bool,
    /// It belongs to what grows.
    pub grows: bool,
    /// It begins a pattern of steps that repeats from here on, so many times at least; 0 for none.
    pub repeats: u64,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PathEdge {
    /// Name of the property or variable; an index for elements.
    pub name: String,
    /// V8's edge type; `hidden` with a name is a block-scoped variable.
    pub edge_type: String,
}

/// Whose object it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Owner {
    /// A root, or a group of roots.
    Root,
    /// V8's or Node's own.
    Runtime,
    /// A package's under `node_modules`.
    Library,
    /// The application's.
    Application,
}

/// Why something is kept.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Cause {
    pub kind: CauseKind,
    /// The function in which it happens, where that is known; a class stands for its constructor.
    pub function: Option<String>,
    /// The variable or property that holds what grows.
    pub variable: Option<String>,
    /// The line to look at: where it is filled, else where it is declared, else its function.
    pub location: Option<SourceLocation>,
    /// Why it is kept, in one sentence.
    pub detail: String,
    /// Other places that matter: declarations, functions that share the context.
    pub related: Vec<Related>,
}

/// Another place in the source.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Related {
    /// What is there.
    pub what: String,
    pub location: SourceLocation,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SourceLocation {
    /// Script's name or URL, where the snapshot has it.
    pub script: Option<String>,
    /// Line, counted from 1.
    pub line: u64,
    /// Column, counted from 1.
    pub column: u64,
    /// The line's text, where the source is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum CauseKind {
    /// A context variable kept by a closure that never reads it.
    SharedContext,
    /// A list in which every element keeps the one before it.
    Chain,
    /// An Array, Map, Set or object that is filled and never emptied.
    Collection,
    /// Modules that are loaded again and again, each of them a new one to Node.
    ModuleCache,
    /// A WeakMap whose keys live on.
    WeakMap,
    /// Listeners that are added and never removed.
    Listeners,
    /// Timers or intervals that are never cleared.
    Timer,
    /// Promises that never settle, and what waits for them.
    Promise,
    /// AsyncLocalStorage and other asynchronous contexts.
    AsyncContext,
    /// A property of the global object.
    Global,
    /// A tree that has been taken out of its parent and is still held.
    DetachedTree,
    /// The console, or an inspector that has been handed the object.
    Inspector,
    NativeHandle,
    /// Buffers: memory outside the heap that objects in it own.
    ExternalMemory,
    /// A small string cut out of a large one, which stays.
    SlicedString,
    /// A string put together of ever more parts.
    ConcatenatedString,
    /// The same text many times.
    DuplicateStrings,
    /// The process grows, the JavaScript heap does not.
    OutsideHeap,
    /// It grows; why is not known.
    Growth,
}

/// A place without its folders: `app.js:7`.
pub(crate) fn short(location: &SourceLocation) -> String {
    let script = location.script.as_deref().unwrap_or("an unnamed script");
    format!("{}:{}", script.rsplit(['/', '\\']).next().unwrap_or(script), location.line)
}
