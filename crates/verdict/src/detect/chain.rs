//! A chain: each object keeps the one before it, by a property or by a function that wraps another.

use super::{Finding, cause_at};
use crate::case::Case;
use crate::naming::Reference;
use crate::report::CauseKind;

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
    let place = reference.map(|found| case.namer().place(&found)).unwrap_or_default();
    let what = if view.is_context(from) {
        "function retains, in its variable"
    } else {
        "object retains, in its property"
    };
    let detail =
        format!("a chain of at least {} objects: each {what} {variable}, the one before", case.chain);
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
