//! A closure keeps a variable that it never reads.
//!
//! V8 makes one context for all closures of a scope. If one of them uses a variable, all of them keep it. Where
//! the object that holds a closure is what the variable holds the next time, every object keeps the one before.

use super::{Finding, cause_at};
use crate::case::Case;
use crate::report::{CauseKind, Related};

pub(crate) fn detect(case: &Case<'_, '_>) -> Option<Finding> {
    if case.chain == 0 {
        return None;
    }
    let view = case.view;
    // Within the round that repeats: what only leads to the chain's end is no part of it.
    let at = ((case.grows + 1).max(2)..case.path.len()).find(|&i| {
        case.is_variable(i) && view.is_context(case.node(i - 1)) && view.is_closure(case.node(i - 2))
    })?;
    let (closure, context) = (case.node(at - 2), case.node(at - 1));
    let variable = String::from_utf8_lossy(case.edge(at)).into_owned();
    let known = case.source_index.uses(closure, &variable);
    // Without the text: what wraps a function calls it, what is put on an object rarely reads the one before.
    if known.unwrap_or_else(|| view.is_closure(case.node(at))) {
        return None;
    }
    let mut place = case.source_index.variable(context, &variable);
    place.function = case.source_index.scope_name(context).or(place.function);
    let held = view.analysis.class_name(case.node(at));
    let property = if case.is_named(at - 2) {
        String::from_utf8_lossy(case.edge(at - 2)).into_owned()
    } else {
        String::new()
    };
    let keeper = if property.is_empty() { case.source_index.closure_called(closure) } else { property };
    let function = case.source_index.scope_called(context);
    let users = case.source_index.users(closure, &variable);
    let who_uses = users.first().map_or_else(
        || "another closure of the same scope does".to_owned(),
        |user| user.what.replace(&format!(" uses {variable}"), " does"),
    );
    if let Some(location) = case.source_index.location_of(closure) {
        place
            .related
            .push(Related { what: format!("{keeper} is created and retains the context"), location });
    }
    place.related.extend(users);
    let detail = format!(
        "variable {variable} of {function} is retained by {keeper}, which never reads it: {who_uses}, and all closures \
         created in {function} share one context"
    );
    let explanation = format!(
        "Each {held} has a function ({keeper}) that was created in {function}. V8 keeps all variables of {function} that \
         any of its closures uses in one context, so {keeper} retains {variable}, the previous {held}, which has such a \
         function of its own, and so on: none of them can ever be freed."
    );
    let advice = format!(
        "Make {keeper} where {variable} is not in scope (outside {function}, or in a function of its own), or set \
         {variable} to null at the end of {function}."
    );
    let cause = cause_at(CauseKind::SharedContext, Some(variable), place, detail);
    Some(Finding { cause, explanation, advice, decisive: at })
}
