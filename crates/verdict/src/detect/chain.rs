//! A chain: each object keeps the one before it, by a property or by a function that wraps another.

use stillheap_analysis::NodeOrdinal;

use super::collection::{NamedHolder, by_edge};
use super::{Finding, cause_at};
use crate::case::Case;
use crate::naming::Reference;
use crate::report::{CauseKind, Owner};

/// References above a chain that are looked at for a name and a line.
const MOST_NAMES: usize = 4;

pub(crate) fn detect(case: &Case<'_, '_>) -> Option<Finding> {
    if case.chain == 0 {
        return None;
    }
    let view = case.view;
    // The named edge of the pattern: where it comes to the next object of the same kind.
    let mut named = (case.grows + 1..case.path.len()).filter(|&i| case.is_named(i));
    let at = named.next_back().or_else(|| case.name_before(case.path.len() - 1))?;
    let variable = String::from_utf8_lossy(case.edge(at)).into_owned();
    let from = case.node(at - 1);
    let class = view.analysis.class_name(case.node(at));
    let reference = case.path[at].edge.map(|edge| Reference { edge, from, to: case.node(at) });
    let above = |&i: &usize| {
        let holder = case.node(i - 1);
        case.is_named(i)
            && is_somebody_s(case, holder)
            && view.raw_name(holder) != view.raw_name(case.node(i))
    };
    let by = (1..=case.grows).rev().filter(above);
    let by: Vec<NamedHolder> = by.filter_map(|i| by_edge(case, i)).take(MOST_NAMES).collect();
    let mut place = reference.map(|found| case.namer().place(&found)).unwrap_or_default();
    if place.location.is_none() {
        // Nothing in the source sets the property (the language does, as an Error's cause): then what has the newest.
        let newest = by.iter().find(|held| held.place.location.is_some());
        place = newest.map_or(place, |held| held.place.clone());
    }
    let what = if view.is_context(from) {
        "function retains, in its variable"
    } else {
        "object retains, in its property"
    };
    let hangs = by.first().and_then(NamedHolder::called);
    let hangs = hangs.map_or_else(String::new, |name| format!("; the chain is retained by {name}"));
    let detail =
        format!("a chain of at least {} objects: each {what} {variable}, the one before{hangs}", case.chain);
    let explanation = format!(
        "The objects form a chain: each {what} {variable}, the one before it, and the newest one is still referenced. Retained sizes \
         mislead here, since each {class} retains all earlier ones; the problem is that the chain is never cut."
    );
    let advice = format!(
        "Don't store the previous object in {variable}, or cut the chain: set {variable} to null, or keep only the last few."
    );
    let cause = cause_at(CauseKind::Chain, Some(variable), place, detail);
    Some(Finding { cause, explanation, advice, decisive: at })
}

/// Of the application or a library.
fn is_somebody_s(case: &Case<'_, '_>, n: NodeOrdinal) -> bool {
    matches!(case.source_index.owner(n), Some(Owner::Application | Owner::Library))
}
