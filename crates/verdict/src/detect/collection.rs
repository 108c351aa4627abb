//! Something is filled and never emptied: an Array, a Map, a Set, an object used as a dictionary, a WeakMap.

use stillheap_analysis::NodeOrdinal;
use stillheap_analysis::types::node;

use super::{Finding, cause_at};
use crate::case::Case;
use crate::desk::Place;
use crate::report::{CauseKind, Owner};
use crate::view::is_builtin;
use crate::words::count;

/// Names of a library that are looked through.
const LIBRARY_LEVELS: usize = 5;

/// The holder of what grows, its name and where that is filled.
pub(crate) struct Held {
    /// Place on the path whose incoming edge has the name.
    pub(crate) at: usize,
    pub(crate) variable: Option<String>,
    pub(crate) place: Place,
    /// It is a property of the global object.
    pub(crate) global: bool,
    /// Class of the object that has it as a property, where that says something.
    owner: Option<String>,
    /// It is a context's.
    in_context: bool,
}

impl Held {
    /// The holder in a sentence: `variable cache`, `property open of UploadService`.
    pub(crate) fn called(&self) -> Option<String> {
        let kind = if self.in_context { "variable" } else { "property" };
        Some(format!("{kind} {}", self.owned()?))
    }

    fn owned(&self) -> Option<String> {
        let name = self.variable.as_deref()?;
        Some(self.owner.as_ref().map_or_else(|| name.to_owned(), |owner| format!("{name} of {owner}")))
    }
}

/// Names the object at a place of the path: the variable or property that holds it, or holds what holds it.
pub(crate) fn name(case: &Case<'_, '_>, holder: usize) -> Held {
    let view = case.view;
    let Some(at) = case.name_before(holder).map(|at| own_name(case, at)) else {
        return Held {
            at: holder,
            variable: None,
            place: Place::default(),
            global: false,
            owner: None,
            in_context: false,
        };
    };
    let variable = String::from_utf8_lossy(case.edge(at)).into_owned();
    let from = case.node(at - 1);
    let global = is_global(case, from);
    let place = if view.is_context(from) {
        case.desk.variable(from, &variable)
    } else {
        let place = case.desk.property(from, &variable);
        if place.location.is_some() { place } else { around(case, at, &variable).unwrap_or(place) }
    };
    let in_context = view.is_context(from);
    let class = view.text(from);
    let telling = !in_context && view.ty(from) == node::OBJECT && !is_builtin(&class);
    let owner = telling.then(|| class.into_owned());
    Held { at, variable: Some(variable), place, global, owner, in_context }
}

/// Above the inner fields of a library's object, the name that the application has for it.
fn own_name(case: &Case<'_, '_>, at: usize) -> usize {
    let inner = |i: usize| matches!(case.desk.owner(case.node(i - 1)), Some(Owner::Library | Owner::Runtime));
    let mut above = at;
    for _ in 0..LIBRARY_LEVELS {
        if !inner(above) {
            return above;
        }
        let Some(next) = case.name_before(above - 1) else { break };
        above = next;
    }
    // Up to a root everything is a library's: then its own name is as good as any.
    if inner(above) { at } else { above }
}

/// A property of an object without a constructor of its own: looked for in the script of the nearest function.
fn around(case: &Case<'_, '_>, at: usize, property: &str) -> Option<Place> {
    let nearest = (0..at).rev().take(12).map(|i| case.node(i)).find_map(|n| {
        let view = case.view;
        if view.is_closure(n) {
            return Some(n);
        }
        view.is_context(n).then(|| case.desk.closures_of(n).first().copied()).flatten()
    });
    let found = nearest.and_then(|closure| case.desk.property_in(closure, property));
    found.or_else(|| {
        // Or what made the objects that are kept.
        let members = case.members.iter().take(20);
        members.filter_map(|&n| case.view.constructor(n)).find_map(|c| case.desk.property_in(c, property))
    })
}

/// The global object.
pub(crate) fn is_global(case: &Case<'_, '_>, n: NodeOrdinal) -> bool {
    matches!(case.view.raw_name(n), b"global" | b"globalThis" | b"Window")
        || case.view.raw_name(n).starts_with(b"global / ")
}

pub(crate) fn weak_map(case: &Case<'_, '_>) -> Option<Finding> {
    let at = case.weak_map()?;
    let held = name(case, at - 1);
    let variable = held.variable.clone().unwrap_or_else(|| "a WeakMap".to_owned());
    let detail = format!("the keys of WeakMap {variable} live on, so their values do");
    let explanation = format!(
        "A WeakMap lets go of a value only when its key is gone. The keys of {variable} are still held elsewhere, and \
         what they lead to grows."
    );
    let advice = format!("Delete from {variable} what is done with, or bound what a key's value collects.");
    let cause = cause_at(CauseKind::WeakMap, held.variable, held.place, detail);
    Some(Finding { cause, explanation, advice, decisive: held.at })
}

pub(crate) fn detect(case: &Case<'_, '_>) -> Option<Finding> {
    let view = case.view;
    let holder = case.holder_node();
    if view.ty(holder) == node::SYNTHETIC {
        return None;
    }
    let held = name(case, case.holder);
    let class = view.text(holder).into_owned();
    let on_global = is_global(case, holder);
    let kind = if held.global || on_global { CauseKind::Global } else { CauseKind::Collection };
    let variable = held.variable.clone().unwrap_or_else(|| class.clone());
    let owned = held.owned().unwrap_or_default();
    let what = match class.as_str() {
        _ if on_global => "the global object".to_owned(),
        _ if held.variable.is_none() => format!("a {class} that has no name"),
        "Map" | "Set" | "Array" => format!("{class} {owned}"),
        "Object" => format!("object {owned}"),
        _ => format!("{owned} ({class})"),
    };
    let entries = *case.tree.counts(case.head.entry).last().unwrap_or(&0);
    let held_by = case.tree.counts(case.tree.entry_of[holder.0 as usize]).last();
    let fill = if case.head.in_place || held_by != Some(&1) {
        String::new()
    } else {
        format!(" and holds {} objects by now", count(entries))
    };
    let detail = format!("{what} is filled and never emptied{fill}");
    let explanation = format!(
        "{} is held for as long as the program runs, something is put into it again and again, and nothing is taken \
         out.",
        capital(&what)
    );
    let advice = format!(
        "Remove entries of {variable} when they are done with, or bound it (a largest size, a time to live, an LRU \
         cache)."
    );
    let mut place = held.place;
    if on_global {
        place = Place::default();
    }
    let cause = cause_at(kind, held.variable, place, detail);
    Some(Finding { cause, explanation, advice, decisive: held.at })
}

/// It grows, and that is all there is to say.
pub(crate) fn unknown(case: &Case<'_, '_>) -> Finding {
    let held = name(case, case.holder);
    let detail = "it grows in every step; none of the known causes fits".to_owned();
    let explanation =
        "These objects become more from snapshot to snapshot and stay reachable by the path shown.";
    let advice = "Look at the path: the underlined reference is where what stays meets what grows.";
    let cause = cause_at(CauseKind::Growth, held.variable, held.place, detail);
    Finding {
        cause,
        explanation: explanation.to_owned(),
        advice: advice.to_owned(),
        decisive: case.grows.min(case.path.len() - 1),
    }
}

/// With a capital letter at the start.
pub(crate) fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}
