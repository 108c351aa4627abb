//! Promises that never settle, and asynchronous contexts.

use foldhash::{HashMap, HashMapExt};
use stillheap_analysis::NodeOrdinal;

use super::collection::{capital, name, own_place};
use super::{Finding, called, cause_at};
use crate::case::Case;
use crate::report::{CauseKind, Owner};

pub(crate) fn promises(case: &Case<'_, '_>) -> Option<Finding> {
    let view = case.view;
    let is_reaction = |n: NodeOrdinal| view.raw_name(n) == b"system / PromiseReaction";
    let is_async = |n: NodeOrdinal| matches!(view.raw_name(n), b"Generator" | b"Promise" | b"AsyncFunction");
    let first = case.node(case.grows);
    let reactions = (case.holder..case.path.len()).any(|i| is_reaction(case.node(i)));
    let waits = reactions && (is_reaction(first) || is_async(first) || is_async(case.holder_node()));
    let suspended = case.chain > 0
        && (case.grows..case.path.len()).any(|i| is_async(case.node(i)) || is_reaction(case.node(i)));
    if !waits && !suspended {
        return None;
    }
    // Reactions to one promise are a list; calls that wait for each other have a call between two of them.
    let calls = (case.grows..case.path.len()).any(|i| is_async(case.node(i)));
    if case.chain > 0 && calls && !(is_reaction(first) && is_reaction(case.node(case.grows + 1))) {
        return Some(async_chain(case));
    }
    let held = name(case, case.holder);
    let owned = held.owned();
    let variable = held.variable.clone();
    let mut place = held.place;
    let closures = (0..case.holder)
        .rev()
        .map(|i| case.node(i))
        .filter(|&n| view.is_closure(n) && case.source_index.owner(n) == Some(Owner::Application));
    let closures: Vec<NodeOrdinal> = closures
        .chain(case.path.iter().filter_map(|s| {
            if view.is_context(s.node) {
                case.source_index.closures_of(s.node).first().copied()
            } else {
                None
            }
        }))
        .take(20)
        .collect();
    // What waits says most: the function given to then, or the one that awaits. Only of Promise.race, any and all the
    // handlers are V8's own.
    let waits = handler(case);
    let race = || {
        closures.iter().find_map(|&c| {
            ["race", "any", "all"]
                .iter()
                .find_map(|word| case.source_index.call(c, &["Promise", ".", word, "("]))
        })
    };
    if let Some(found) = waits.map(|c| case.source_index.made_in(c)).or_else(race) {
        place.function = found.function.or(place.function);
        if let Some(old) = std::mem::replace(&mut place.location, found.location) {
            place.related.push(crate::report::Related {
                what: "the promise that never settles".to_owned(),
                location: old,
            });
        }
    }
    let which = owned.unwrap_or_else(|| "a promise".to_owned());
    let detail = format!("{which} never settles, and everything that waits for it is retained");
    let explanation = format!(
        "{which} stays pending. Every await, then, or Promise.race on it adds a reaction that the promise retains until \
         it settles, together with the result promise and what that refers to."
    );
    let advice = format!(
        "Don't wait for a long-lived promise repeatedly (Promise.race with {which}): use an AbortSignal or a \
         single listener instead, or settle it."
    );
    let cause = cause_at(CauseKind::Promise, variable, place, detail);
    Some(Finding { cause, explanation, advice, decisive: case.grows })
}

/// The function of the application's, or a library's, that most of the reactions call.
fn handler(case: &Case<'_, '_>) -> Option<NodeOrdinal> {
    let view = case.view;
    let mut seen: HashMap<_, (u32, NodeOrdinal)> = HashMap::new();
    let on_path = (case.grows..case.path.len()).map(|i| case.node(i));
    let reactions = case.members.iter().copied().chain(on_path);
    for reaction in reactions.filter(|&n| view.raw_name(n) == b"system / PromiseReaction").take(200) {
        let own = |&n: &NodeOrdinal| view.is_closure(n) && case.source_index.owner(n) != Some(Owner::Runtime);
        let Some(closure) = view.edges(reaction).map(|(_, to)| to).find(own) else { continue };
        let place = view.location(closure).map(|l| (l.script_id, l.line, l.column));
        let (count, first) = seen.entry(place).or_insert((0, closure));
        *count += 1;
        if view.analysis.id(closure) < view.analysis.id(*first) {
            *first = closure;
        }
    }
    seen.into_iter().max_by_key(|&(place, (count, _))| (count, std::cmp::Reverse(place))).map(|(_, (_, c))| c)
}

/// Async functions that wait for each other, each started by the one before.
fn async_chain(case: &Case<'_, '_>) -> Finding {
    let view = case.view;
    // The application's function of which most calls wait.
    let mut waiting: HashMap<NodeOrdinal, u32> = HashMap::new();
    for n in case.objects().into_iter().filter(|&n| view.raw_name(n) == b"Generator") {
        if let Some(function) = view.internal(n, "function").filter(|&f| view.is_closure(f)) {
            *waiting.entry(function).or_default() += 1;
        }
    }
    let own = waiting.into_iter().filter(|&(f, _)| case.source_index.owner(f) == Some(Owner::Application));
    let closure =
        own.max_by_key(|&(f, calls)| (calls, std::cmp::Reverse(view.analysis.id(f)))).map(|(f, _)| f);
    let mut place = closure.map(|c| case.source_index.made_in(c)).unwrap_or_default();
    if let Some(name) = closure.and_then(|c| view.function_name(c)) {
        place.function = Some(name);
    }
    let function = called(&place);
    let detail = format!("a chain of at least {} suspended calls: each waits for the next one", case.chain);
    let explanation = format!(
        "{function} waits for a call that waits for the next one, and none ever returns: each suspended call retains its \
         variables and is retained by the promise that it waits for."
    );
    let advice =
        format!("Turn the recursion of {function} into a loop (for await, while), so that each call ends.");
    let cause = cause_at(CauseKind::Promise, None, place, detail);
    Finding { cause, explanation, advice, decisive: case.grows }
}

/// AsyncLocalStorage objects that are made again and again.
fn storages(case: &Case<'_, '_>) -> Option<Finding> {
    let view = case.view;
    let is_storage = |n: NodeOrdinal| view.raw_name(n) == b"AsyncLocalStorage";
    let looked_at: Vec<NodeOrdinal> = case.members.iter().copied().take(50).collect();
    if case.head.in_place || looked_at.iter().filter(|&&n| is_storage(n)).count() * 2 <= looked_at.len() {
        return None;
    }
    let place = case.source_index.in_application(&["new", "AsyncLocalStorage", "("]).unwrap_or_default();
    let detail =
        "AsyncLocalStorage is made again and again, and Node retains each that is not disabled".to_owned();
    let explanation = format!(
        "{} makes one more AsyncLocalStorage each time. Node lists those that were entered, and looks through the list \
         whenever something asynchronous starts; each also leaves its store on what was started in it.",
        place.function.clone().unwrap_or_else(|| capital(&called(&place)))
    );
    let advice = "Make one AsyncLocalStorage when the program starts and use it for all runs (als.run(store, …)), or call \
                  disable() on each when its run is over."
        .to_owned();
    let cause = cause_at(CauseKind::AsyncContext, None, place, detail);
    Some(Finding { cause, explanation, advice, decisive: case.grows.min(case.path.len() - 1) })
}

pub(crate) fn async_context(case: &Case<'_, '_>) -> Option<Finding> {
    if let Some(found) = storages(case) {
        return Some(found);
    }
    if case.chain > 0 {
        return None;
    }
    let from = case.holder.saturating_sub(1);
    let at = case.find(from, case.path.len(), |text| {
        text.contains("kResourceStore")
            || text.contains("AsyncContextFrame")
            || text.contains("async_context_frame")
            || text.contains("AsyncLocalStorage")
            || text.contains("continuation_preserved")
    })?;
    let held = name(case, case.holder);
    let first = case.node(case.grows);
    let mut place = held.place;
    if let Some(location) = case.source_index.location_of(first) {
        place.location = Some(location);
    }
    own_place(case, &mut place);
    let detail = "the store of an asynchronous context is retained by what was started in it".to_owned();
    let explanation =
        "Everything that is started inside AsyncLocalStorage.run or after enterWith (timers, promises, \
                       handles) retains the store that was current, as long as it lives."
            .to_owned();
    let advice =
        "Put less into the store, end what is started in it, or start long-lived work outside of it \
                  (AsyncLocalStorage.exit, AsyncResource)."
            .to_owned();
    let cause = cause_at(CauseKind::AsyncContext, held.variable, place, detail);
    Some(Finding { cause, explanation, advice, decisive: at })
}
