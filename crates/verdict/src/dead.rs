//! Context variables that are alive and that no function reads any more.
//!
//! V8 puts all variables of a scope that some closure uses into one context, which each closure of the scope retains.
//! When the closure that reads a variable is gone, the others keep it alive. One snapshot shows that: a variable is dead
//! if none of the live closures that can see its context mentions it, by the text of the functions. Where the text is
//! unknown, or something else than closures holds the context (a function that is still running, the scripts' table), nothing
//! is said.
//!
//! Time: a pass over closures with the contexts around each, and a look at the text per function and variable. Memory:
//! 8 bytes per pair of a context and a function that sees it.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use foldhash::{HashMap, HashMapExt, HashSet, HashSetExt};
use serde::Serialize;
use stillheap_analysis::types::node;
use stillheap_analysis::{Analysis, NodeInfo, NodeOrdinal};

use crate::report::{Owner, SourceLocation};
use crate::source_index::SourceIndex;
use crate::sources::Sources;
use crate::view::HeapView;

/// Contexts around a function that are looked at.
const MOST_AROUND: usize = 32;
/// Holders of a context that are looked at.
const MOST_HOLDERS: usize = 20_000;
/// Variables that retain less, in all contexts of a scope together, are not worth a line.
const LEAST: u64 = 1_000;

/// A variable that no live function reads, in all contexts of one scope.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DeadVariable {
    /// Its name.
    pub name: String,
    /// The function whose variable it is, for a sentence: `send()`, `the module app.js`.
    pub function: String,
    /// Where it is declared, if that is known, else where the function is.
    pub location: Option<SourceLocation>,
    /// Contexts that have the variable, all of them dead.
    pub contexts: u64,
    /// Bytes that would come back if the variable let go of what it holds.
    pub retained_size: u64,
    /// The largest object that it holds.
    pub example: NodeInfo,
    /// The function that most of the contexts are retained by: `onClose()`.
    pub retained_by: String,
    /// Where that function is.
    pub retained_by_location: Option<SourceLocation>,
}

/// Dead variables of one scope by one name.
#[derive(Default)]
struct Found {
    contexts: Vec<NodeOrdinal>,
    targets: Vec<NodeOrdinal>,
}

/// Variables of the program and its libraries that no live function reads, those that retain most first.
pub fn dead_variables(analysis: Analysis<'_>, sources: &dyn Sources) -> Vec<DeadVariable> {
    let view = HeapView::new(analysis);
    let source_index = SourceIndex::new(view, sources);
    let (readers, open) = readers(view);
    let mut reads: HashMap<(u32, &[u8]), bool> = HashMap::new();
    let mut found: BTreeMap<(u32, &[u8]), Found> = BTreeMap::new();
    let mut contexts: Vec<u32> = readers.keys().copied().filter(|context| !open.contains(context)).collect();
    contexts.sort_unstable();
    for context in contexts.into_iter().map(NodeOrdinal) {
        let Some(scope) = view.internal(context, "scope_info") else { continue };
        for (name, to) in view.variables(context) {
            // Arrow functions read `this` by `super` as well; V8's own variables have names with a dot.
            if name == b"this" || name.contains(&b'.') {
                continue;
            }
            // What others hold as well does not go with the variable.
            if view.ty(to) == node::HIDDEN || analysis.dominator(to) != context {
                continue;
            }
            let may_read = |&closure: &NodeOrdinal| {
                let shared = view.internal(closure, "shared").unwrap_or(closure);
                *reads.entry((shared.0, name)).or_insert_with(|| {
                    let variable = String::from_utf8_lossy(name);
                    source_index.may_read(closure, &variable).unwrap_or(true)
                })
            };
            if readers[&context.0].iter().any(may_read) {
                continue;
            }
            let dead = found.entry((scope.0, name)).or_default();
            dead.contexts.push(context);
            dead.targets.push(to);
        }
    }
    let mut all: Vec<DeadVariable> = found
        .into_iter()
        .filter_map(|((_, name), dead)| described(&source_index, &readers, name, &dead))
        .collect();
    all.sort_by(|a, b| (b.retained_size, &a.name, &a.function).cmp(&(a.retained_size, &b.name, &b.function)));
    all
}

fn described(
    source_index: &SourceIndex<'_, '_>,
    readers: &HashMap<u32, Vec<NodeOrdinal>>,
    name: &[u8],
    dead: &Found,
) -> Option<DeadVariable> {
    let view = source_index.view;
    let analysis = view.analysis;
    let retained_size = analysis.retained_size_of_all(&dead.targets);
    let first = *dead.contexts.iter().min_by_key(|&&n| analysis.id(n))?;
    if retained_size < LEAST || source_index.owner(first).is_none_or(|owner| owner == Owner::Runtime) {
        return None;
    }
    let name = String::from_utf8_lossy(name).into_owned();
    let place = source_index.variable(first, &name);
    let largest = |&n: &NodeOrdinal| (analysis.retained_size(n), Reverse(analysis.id(n)));
    let example = dead.targets.iter().copied().max_by_key(largest)?;
    let keeper = readers[&first.0].iter().copied().min_by_key(|&n| analysis.id(n))?;
    Some(DeadVariable {
        function: source_index.scope_called(first),
        location: place.declared.or(place.location),
        contexts: dead.contexts.len() as u64,
        retained_size,
        example: analysis.node(example),
        retained_by: source_index.closure_called(keeper),
        retained_by_location: source_index.location_of(keeper),
        name,
    })
}

/// The functions that can see each context, one closure of each; and the contexts of which that is not all.
fn readers(view: HeapView<'_>) -> (HashMap<u32, Vec<NodeOrdinal>>, HashSet<u32>) {
    let analysis = view.analysis;
    let mut readers: HashMap<u32, Vec<NodeOrdinal>> = HashMap::new();
    let mut open = HashSet::new();
    let mut seen: HashSet<(u32, u32)> = HashSet::new();
    for n in (0..analysis.snapshot().node_count()).map(NodeOrdinal) {
        // A suspended call goes on in its function.
        let is_call = || matches!(view.raw_name(n), b"Generator" | b"AsyncFunction" | b"AsyncGenerator");
        let function = match view.ty(n) {
            node::CLOSURE => Some(n),
            node::OBJECT if is_call() => view.internal(n, "function").filter(|&f| view.is_closure(f)),
            _ => None,
        };
        let context = view.internal(n, "context").filter(|&context| view.is_context(context));
        if let (Some(function), Some(context)) = (function, context) {
            let shared = view.internal(function, "shared").unwrap_or(function);
            for at in around(view, context) {
                if !seen.insert((at.0, shared.0)) {
                    break;
                }
                readers.entry(at.0).or_default().push(function);
            }
        } else if view.is_context(n) && is_held_otherwise(view, n) {
            open.extend(around(view, n).map(|at| at.0));
        }
    }
    (readers, open)
}

/// A context and those around it.
fn around<'s>(view: HeapView<'s>, context: NodeOrdinal) -> impl Iterator<Item = NodeOrdinal> + use<'s> {
    let next = move |&at: &NodeOrdinal| view.internal(at, "previous").filter(|&up| view.is_context(up));
    std::iter::successors(Some(context), next).take(MOST_AROUND)
}

/// Whether something else than closures, suspended calls and inner contexts holds a context.
fn is_held_otherwise(view: HeapView<'_>, context: NodeOrdinal) -> bool {
    view.analysis.holders(context).take(MOST_HOLDERS).any(|(e, from)| {
        let weak = view.analysis.edge_code(e) == stillheap_analysis::types::edge::WEAK;
        let known = view.internal(from, "context") == Some(context)
            || view.internal(from, "previous") == Some(context) && view.is_context(from);
        !weak && !known
    })
}
