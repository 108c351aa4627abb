//! Something is filled and never emptied: an Array, a Map, a Set, an object used as a dictionary, a WeakMap.

use stillheap_analysis::NodeOrdinal;
use stillheap_analysis::types::node;

use std::cmp::Reverse;
use std::collections::BTreeMap;

use super::{Finding, cause_at, first_closure};
use crate::case::Case;
use crate::naming::{Lead, Reference, Words};
use crate::report::{CauseKind, Owner, Related, SourceLocation};
use crate::source_index::CodeSite;
use crate::words::count;

/// Classes that are looked for in the application's source.
const MOST_CLASSES: usize = 20;
/// Distance from the roots up to which an object that is called like the global object is it.
const NEAR_ROOT: i32 = 2;

/// The holder of what grows, its name and where that is filled.
#[derive(Default)]
pub(crate) struct NamedHolder {
    /// Place on the path whose incoming edge has the name.
    pub(crate) at: usize,
    pub(crate) variable: Option<String>,
    pub(crate) place: CodeSite,
    /// It is a property of the global object.
    pub(crate) global: bool,
    /// With the objects that it is in, and whose it is: `connections of Mongoose`.
    words: Option<Words>,
    /// The application's name for the owner, and where that is.
    lead: Option<String>,
    /// The name is that of a collection around the one that is meant.
    around: bool,
}

impl NamedHolder {
    /// The holder in a sentence: `variable cache`, `property open of UploadService`.
    pub(crate) fn called(&self) -> Option<String> {
        let kind = if self.words.as_ref()?.in_context { "variable" } else { "property" };
        Some(format!("{kind} {}", self.owned()?))
    }

    /// `open of UploadService (uploads, app.js:7)`.
    pub(crate) fn owned(&self) -> Option<String> {
        let words = self.words.as_ref()?;
        let owner = words.owner.as_ref().map_or_else(String::new, |owner| format!(" of {owner}"));
        let lead = self.lead.as_ref().map_or_else(String::new, |lead| format!(" ({lead})"));
        let name = self.variable.as_deref().filter(|_| words.in_context && !words.full.contains('.'));
        Some(format!("{}{owner}{lead}", name.unwrap_or(&words.full)))
    }
}

/// Names the object at a place of the path: the variable or property that holds it, or holds what holds it.
pub(crate) fn name(case: &Case<'_, '_>, holder: usize) -> NamedHolder {
    let namer = case.namer();
    let node = case.node(holder);
    if holder == case.holder {
        let Some(named) = &case.named else { return NamedHolder { at: holder, ..NamedHolder::default() } };
        let around = named.reference.to != node;
        return held(case, named.at, &named.reference, named.words.clone(), named.lead.as_ref(), around);
    }
    let Some(reference) = namer.reference(node) else {
        return NamedHolder { at: holder, ..NamedHolder::default() };
    };
    let lead = namer.lead(&reference);
    held(case, holder, &reference, namer.words(&reference), lead.as_ref(), false)
}

/// Names an object of the path by the edge that leads to it.
pub(crate) fn by_edge(case: &Case<'_, '_>, at: usize) -> Option<NamedHolder> {
    let reference = Reference { edge: case.path[at].edge?, from: case.node(at - 1), to: case.node(at) };
    let namer = case.namer();
    let lead = namer.lead(&reference);
    Some(held(case, at, &reference, namer.words(&reference), lead.as_ref(), false))
}

fn held(
    case: &Case<'_, '_>,
    at: usize,
    reference: &Reference,
    words: Words,
    lead: Option<&Lead>,
    around: bool,
) -> NamedHolder {
    let view = case.view;
    let namer = case.namer();
    let variable = String::from_utf8_lossy(view.edge_bytes(reference.edge)).into_owned();
    let mut place = namer.place(reference);
    let mut called = None;
    if let Some(lead) = lead {
        let top = &lead.steps[0];
        let known = namer.place(top);
        called = Some(match &known.declared {
            Some(at) => format!("{}, {}", lead.full, crate::report::short(at)),
            None => lead.full.clone(),
        });
        if let Some(call) = case.source_index.call_of(top.from, &lead.variable, place.function.as_deref()) {
            let owner = case.source_index.owner(reference.from);
            let foreign = matches!(owner, Some(Owner::Library | Owner::Runtime));
            if foreign && place.filled && (lead.steps.len() == 1 || call.fills) {
                // The application fills it through the one method that it calls.
                let inner = place.location.replace(call.location);
                let what = format!("{variable} is filled");
                place.related.splice(0..0, inner.map(|location| Related { what, location }));
                place.function = call.function;
            } else {
                place
                    .related
                    .push(Related { what: format!("your call of {}", call.called), location: call.location });
            }
        } else if let Some(location) = known.declared.clone() {
            place.related.push(Related { what: format!("your {}", lead.variable), location });
        }
        if place.location.is_none() {
            place.location = if known.filled { known.location } else { known.declared.or(known.location) };
        }
    }
    let global = is_global(case, reference.from);
    NamedHolder { at, variable: Some(variable), place, global, words: Some(words), lead: called, around }
}

/// The global object.
pub(crate) fn is_global(case: &Case<'_, '_>, n: NodeOrdinal) -> bool {
    // Others than the program's own are what a library has for a page.
    let own = case.view.analysis.distance(n) <= NEAR_ROOT;
    own && matches!(case.view.raw_name(n), b"global" | b"globalThis" | b"Window")
        || case.view.raw_name(n).starts_with(b"global / ")
}

pub(crate) fn weak_map(case: &Case<'_, '_>) -> Option<Finding> {
    let at = case.weak_map()?;
    let map =
        (0..at).rev().find(|&i| matches!(case.view.raw_name(case.node(i)), b"WeakMap" | b"SafeWeakMap"));
    let mut held = name(case, map.unwrap_or(at - 1));
    own_place(case, &mut held.place);
    let variable = held.owned().or_else(|| held.variable.clone());
    let variable = variable.map_or_else(|| "a WeakMap".to_owned(), |name| format!("WeakMap {name}"));
    let detail = format!("the keys of {variable} stay alive, and so do their values");
    let explanation = format!(
        "A WeakMap releases a value only when its key is gone. The keys of {variable} are still referenced elsewhere, \
         and what they retain grows."
    );
    let advice = format!(
        "Delete entries of {variable} that are no longer needed, or limit what the value of a key collects."
    );
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
    let class = case.namer().class(holder);
    let on_global = is_global(case, holder);
    let kind = if held.global || on_global { CauseKind::Global } else { CauseKind::Collection };
    let variable = held.variable.clone().unwrap_or_else(|| class.clone());
    let owned = held.owned().unwrap_or_default();
    let what = match class.as_str() {
        _ if on_global => "the global object".to_owned(),
        _ if held.variable.is_none() => format!("a {class} that has no name"),
        _ if held.around => format!("{} {class} in {owned}", article(&class)),
        "Map" | "Set" | "Array" => format!("{class} {owned}"),
        "Object" => format!("object {owned}"),
        _ => format!("the {class} {owned}"),
    };
    let entries = *case.tree.counts(case.head.entry).last().unwrap_or(&0);
    let held_by = case.tree.counts(case.tree.entry_of[holder.0 as usize]).last();
    let fill = if case.head.in_place || held_by != Some(&1) {
        String::new()
    } else {
        format!(" and holds {} objects now", count(entries))
    };
    let detail = format!("{what} is filled and never emptied{fill}");
    let explanation = format!(
        "{} stays alive as long as the program runs; entries are added all the time, and none is taken \
         out.",
        capital(&what)
    );
    let advice = format!(
        "Remove entries of {variable} that are no longer needed, or limit it (a maximum size, a time to live, an LRU \
         cache)."
    );
    let mut place = held.place;
    if on_global {
        place = CodeSite::default();
    } else if held.global && place.location.is_none() {
        // Every script can reach it.
        place = case.source_index.filled_in_scripts(&variable).unwrap_or(place);
    }
    if !on_global && place.location.is_some() {
        own_place(case, &mut place);
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

/// `a` or `an`.
fn article(noun: &str) -> &'static str {
    if noun.starts_with(['A', 'E', 'I', 'O', 'U', 'a', 'e', 'i', 'o', 'u']) { "an" } else { "a" }
}

/// A line in Node's own code helps nobody: then a function of the application's, or of a library's, that is among what
/// grows.
pub(crate) fn own_place(case: &Case<'_, '_>, place: &mut CodeSite) {
    let runtime = |location: &SourceLocation| {
        location.script.as_deref().is_none_or(|script| script.starts_with("node:") || script.is_empty())
    };
    if place.location.as_ref().is_some_and(|location| !runtime(location)) {
        return;
    }
    if let Some(closure) = usual_closure(case).or_else(|| first_closure(case, case.grows)) {
        let made = case.source_index.made_in(closure);
        (place.function, place.location) = (made.function, made.location);
    } else if let Some(made) = made(case) {
        (place.function, place.location) = (made.function, made.location);
    }
}

/// Where the application makes objects of one of the classes that grow, largest growth first.
pub(crate) fn made(case: &Case<'_, '_>) -> Option<CodeSite> {
    let named = case.classes.iter().map(|class| class.class_name.as_str());
    let named = named.filter(|name| name.chars().all(|c| c.is_alphanumeric() || c == '_' || c == '$'));
    named.take(MOST_CLASSES).find_map(|class| case.source_index.made_in_application(class))
}

/// Of the application's functions (else a library's) among what grows, one of those of which there are most.
fn usual_closure(case: &Case<'_, '_>) -> Option<NodeOrdinal> {
    let view = case.view;
    let mut seen: BTreeMap<_, (u32, NodeOrdinal)> = BTreeMap::new();
    for n in case.objects().into_iter().filter(|&n| view.is_closure(n)) {
        let Some(location) = view.location(n) else { continue };
        let foreign = match case.source_index.owner(n) {
            Some(Owner::Application) => false,
            Some(Owner::Library) => true,
            _ => continue,
        };
        let place = (foreign, location.script_id, location.line, location.column);
        seen.entry(place).or_insert((0, n)).0 += 1;
    }
    let most = seen.iter().min_by_key(|&(place, &(count, _))| (place.0, Reverse(count), *place));
    most.map(|(_, &(_, n))| n)
}

/// With a capital letter at the start.
pub(crate) fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}
