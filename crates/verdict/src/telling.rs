//! The class that says most about what grows.
//!
//! The application's or a library's own class, of which there is one per round, nearest to where the growth begins;
//! else the shape of plain objects, unless Node made them; else what grows most. What V8 and Node bring along with
//! each realm, function or listener says nothing.

use std::cmp::Reverse;

use stillheap_analysis::NodeOrdinal;
use stillheap_analysis::types::node;

use crate::case::Case;
use crate::detect::first_closure;
use crate::report::{CauseKind, Owner};
use crate::tree::growth;
use crate::view::is_builtin;

/// Levels up from a plain object at which it is seen who made it.
const MADE_BY: usize = 4;

/// A class that might be named, better ones first.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Candidate {
    /// Nothing tells whose it is.
    unknown: bool,
    /// There are many, or few, per round.
    uneven: bool,
    level: u32,
    growth: Reverse<i64>,
    name: String,
}

/// The class of a suspect, whose main case comes first.
pub(crate) fn class(group: &[&Case<'_, '_>], kind: CauseKind, examples: &[u32]) -> String {
    let main = group[0];
    let view = main.view;
    let first = main.path.get(main.grows).map(|step| step.node);
    match kind {
        CauseKind::ModuleCache if first.is_some_and(|n| view.raw_name(n) == b"Module") => {
            return "Module".to_owned();
        }
        CauseKind::Chain | CauseKind::SharedContext => {
            if let Some(name) = of_chain(main) {
                return name;
            }
        }
        _ => {}
    }
    let mut own: Vec<Candidate> = Vec::new();
    let mut shapes: Vec<(u32, Reverse<i64>, String)> = Vec::new();
    for case in group {
        collect(case, main, examples, &mut own, &mut shapes);
    }
    // What takes but a small part of it tells little.
    // What is nobody's, as far as can be told, is V8's or Node's more often than not: a realm brings hundreds of classes.
    let largest = |own: &[Candidate], unknown: bool| {
        own.iter().filter(|c| c.unknown == unknown).map(|c| c.growth.0).max().unwrap_or(0)
    };
    let least = (largest(&own, false) / 5).max(largest(&own, true) / 50);
    let least_unknown = largest(&own, false).max(largest(&own, true)) / 5;
    own.retain(|candidate| candidate.growth.0 >= if candidate.unknown { least_unknown } else { least });
    let of_application = |candidate: &&Candidate| kind != CauseKind::Promise || candidate.level == 0;
    if let Some(best) = own.iter().filter(of_application).min() {
        return best.name.clone();
    }
    if kind == CauseKind::Promise && first.is_some_and(|n| view.raw_name(n) == b"system / PromiseReaction") {
        return "PromiseReaction".to_owned();
    }
    let closures = first.is_some_and(|n| view.is_closure(n));
    if closures || kind == CauseKind::Listeners && first_closure(main, main.grows).is_some() {
        return "Function".to_owned();
    }
    let largest = main.classes.first().map(|class| class.class_name.clone());
    if main.share_of_strings() > 0.5 && largest.is_some() {
        return largest.unwrap_or_default();
    }
    let shape = shapes.into_iter().min().map(|(.., name)| name);
    let member = main.members.first().map(|&n| view.analysis.class_name(n));
    // What a collection of builtins holds says more than what is largest in each.
    let telling = |name: &String| {
        let general = ["Object", "Array", "Map", "Set", "Function"].contains(&name.as_str());
        !general && !name.starts_with(['(', '{']) && !name.starts_with("system / ")
    };
    let of_object = main.members.first().is_some_and(|&n| view.ty(n) == node::OBJECT);
    let specific = member.clone().filter(|name| of_object && telling(name));
    shape.or(specific).or(largest).or(member).unwrap_or_else(|| "(unknown)".to_owned())
}

/// What a chain is of: the first object of a round that has a class of its own, else the first.
fn of_chain(case: &Case<'_, '_>) -> Option<String> {
    let view = case.view;
    let round = (case.grows..case.path.len()).map(|i| case.node(i)).filter(|&n| view.ty(n) == node::OBJECT);
    let plain = round.filter(|&n| !view.is_context(n));
    let names: Vec<String> = plain.map(|n| view.analysis.class_name(n)).collect();
    names.iter().find(|name| !is_builtin(name)).or_else(|| names.first()).cloned()
}

fn collect(
    case: &Case<'_, '_>,
    main: &Case<'_, '_>,
    examples: &[u32],
    own: &mut Vec<Candidate>,
    shapes: &mut Vec<(u32, Reverse<i64>, String)>,
) {
    let (view, tree) = (case.view, case.tree);
    let rounds = growth(tree.counts(main.head.entry)).max(1);
    let top = tree.entries[case.head.entry as usize].level;
    for entry in tree.subtree(case.head.entry) {
        let example = NodeOrdinal(examples[entry as usize]);
        let more = growth(tree.counts(entry));
        let is_prototype = || view.analysis.named(example, "constructor").is_some();
        if example.0 == u32::MAX || view.ty(example) != node::OBJECT || more <= 0 || is_prototype() {
            continue;
        }
        let level = tree.entries[entry as usize].level.saturating_sub(top);
        let name = view.analysis.class_name(example);
        let owner = case.source_index.owner(example);
        let size = Reverse(growth(tree.total(entry)));
        if !is_builtin(&name) && owner != Some(Owner::Runtime) {
            let uneven = more < rounds / 2 || more > rounds.saturating_mul(2);
            own.push(Candidate { unknown: owner.is_none(), uneven, level, growth: size, name });
        } else if name.starts_with('{') && name != "{constructor}" && !is_made_by_node(case, entry, examples)
        {
            shapes.push((level, size, name));
        }
    }
}

/// Whether a plain object hangs on one of Node's own.
fn is_made_by_node(case: &Case<'_, '_>, mut entry: u32, examples: &[u32]) -> bool {
    for _ in 0..MADE_BY {
        entry = case.tree.entries[entry as usize].parent;
        let example = examples[entry as usize];
        if entry == 0 || example == u32::MAX {
            return false;
        }
        let above = NodeOrdinal(example);
        if case.view.ty(above) == node::OBJECT
            && !matches!(case.view.raw_name(above), b"Array" | b"Map" | b"Set" | b"Object")
        {
            return case.source_index.owner(above) == Some(Owner::Runtime);
        }
    }
    false
}
