//! What native code holds: handles, and the inspector.

use stillheap_analysis::NodeOrdinal;
use stillheap_analysis::types::node;

use super::collection::made;
use super::events::first_closure;
use super::{Finding, cause_at};
use crate::case::Case;
use crate::report::{CauseKind, Related};
use crate::source_index::CodeSite;

/// The inspector keeps each object that it has been given, until its group is released.
pub(crate) fn inspector(case: &Case<'_, '_>) -> Option<Finding> {
    let root = case.node(0);
    let by_root = case.grows <= 1 && case.view.raw_name(root) == b"(Global handles)";
    let labelled = case.find(0, case.grows + 1, |text| {
        text.contains("DevTools console") || text.contains("inspector") || text == "ObjectGroup"
    });
    let plain = case.members.iter().take(50).filter(|&&n| !is_wrapper(case, n)).count();
    let mostly = plain * 2 > case.members.iter().take(50).count();
    if labelled.is_none() && !(by_root && mostly && first_is_plain(case)) {
        return None;
    }
    let class = case.classes.first().map_or("objects", |class| class.class_name.as_str()).to_owned();
    let member = case.members.first().copied();
    let place =
        CodeSite { location: member.and_then(|n| case.source_index.location_of(n)), ..CodeSite::default() };
    let detail = "only a handle of native code retains the objects, as the inspector does for each object that it returns".to_owned();
    let explanation = format!(
        "No JavaScript holds these objects ({class} and others): native code does, by a handle each. That is what the \
         inspector does: each object that the console prints or Runtime.evaluate returns is kept for the client."
    );
    let advice = "Close the inspector's session, or release what it was given (Runtime.releaseObjectGroup, \
                  returnByValue); don't log large objects while DevTools is open."
        .to_owned();
    let cause = cause_at(CauseKind::Inspector, None, place, detail);
    Some(Finding { cause, explanation, advice, decisive: case.grows })
}

fn first_is_plain(case: &Case<'_, '_>) -> bool {
    case.view.ty(case.node(case.grows)) == node::OBJECT
}

/// An object with a native side: that holds handles for a living.
fn is_wrapper(case: &Case<'_, '_>, n: NodeOrdinal) -> bool {
    let view = case.view;
    view.ty(n) == node::NATIVE
        || view
            .edges(n)
            .any(|(_, to)| matches!(view.ty(to), node::NATIVE) || view.raw_name(to).starts_with(b"Node / "))
        || view.analysis.holders(n).take(20).any(|(_, from)| view.raw_name(from).starts_with(b"Node / "))
}

/// What was registered with a FinalizationRegistry and doesn't die: the registry retains each held value as long as the
/// target lives, and the target, too, where the held value refers to it.
pub(crate) fn registry(case: &Case<'_, '_>) -> Option<Finding> {
    let view = case.view;
    let is_cell = |n: NodeOrdinal| view.raw_name(n) == b"system / WeakCell";
    let on_path =
        (0..case.path.len()).rev().find(|&i| view.raw_name(case.node(i)) == b"FinalizationRegistry");
    let cells = (0..case.path.len()).filter(|&i| is_cell(case.node(i))).count();
    if cells == 0 && !case.members.iter().take(20).any(|&n| is_cell(n)) {
        return None;
    }
    let cell =
        case.path.iter().map(|step| step.node).chain(case.members.iter().copied()).find(|&n| is_cell(n));
    let by_cell = |cell| view.edges(cell).find(|&(_, to)| view.raw_name(to) == b"FinalizationRegistry");
    let registry = cell.and_then(by_cell).map(|(_, to)| to);
    let named = registry.and_then(|registry| case.namer().reference(registry));
    let mut place = named.map(|found| case.namer().place(&found)).unwrap_or_default();
    if let Some(site) = case.source_index.in_application(&["register", "("]) {
        place.related.extend(
            site.location.map(|location| Related { what: "register is called".to_owned(), location }),
        );
    }
    let variable = named.map(|found| String::from_utf8_lossy(view.edge_bytes(found.edge)).into_owned());
    let called = variable
        .as_deref()
        .map_or_else(|| "a FinalizationRegistry".to_owned(), |name| format!("FinalizationRegistry {name}"));
    let detail =
        format!("what is registered with {called} stays alive, so its held values are never given up");
    let explanation = format!(
        "{called} retains the held value of each target as long as the target lives. A held value that refers to its own \
         target, directly or through a closure, keeps it alive."
    );
    let advice =
        "Register with a held value that does not lead to the target (an id, a path, a handle), or call \
                  unregister when the target is done with."
            .to_owned();
    let cause = cause_at(CauseKind::Collection, variable, place, detail);
    Some(Finding {
        cause,
        explanation,
        advice,
        decisive: on_path.unwrap_or(case.grows).min(case.path.len() - 1),
    })
}

pub(crate) fn handles(case: &Case<'_, '_>) -> Option<Finding> {
    let view = case.view;
    // The stack and V8's own roots hold objects, too, but there is nothing to close.
    let root = case.holder_node();
    if view.ty(root) != node::SYNTHETIC || !view.raw_name(root).ends_with(b"handles)") {
        return None;
    }
    let class = view.analysis.class_name(case.node(case.grows));
    let closure = first_closure(case, case.grows).or_else(|| {
        case.objects().into_iter().find(|&n| {
            view.is_closure(n) && case.source_index.owner(n) == Some(crate::report::Owner::Application)
        })
    });
    let place = closure.map(|c| case.source_index.made_in(c));
    let place = place.filter(|place| place.location.is_some()).or_else(|| made(case)).unwrap_or_default();
    let detail = format!("native code retains each {class} through a handle that is never closed");
    let explanation = format!(
        "A {class} has a native part that keeps it alive until it is closed, even if no JavaScript refers to it any more. It \
         also retains its listeners and what they refer to."
    );
    let advice = format!(
        "Close each {class} when it is no longer needed (close, destroy or terminate; unref is not enough)."
    );
    let cause = cause_at(CauseKind::NativeHandle, None, place, detail);
    Some(Finding { cause, explanation, advice, decisive: case.grows })
}
