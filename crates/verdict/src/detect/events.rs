//! Listeners that are added and never removed; timers that are never cleared.

use stillheap_analysis::NodeOrdinal;
use stillheap_analysis::types::node;

use super::collection::name;
use super::{Finding, called, cause_at};
use crate::case::Case;
use crate::report::{CauseKind, Owner};
use crate::view::{is_builtin, is_index};

/// A function with so many holders isn't made anew for each listener.
const MANY: usize = 20;

pub(crate) fn listeners(case: &Case<'_, '_>) -> Option<Finding> {
    let from = case.holder.saturating_sub(4);
    let until = listed(case).unwrap_or(case.grows).max(case.grows);
    let events = case.find(from, until + 1, |text| {
        text == "_events" || text == "listenerTree" || text.contains("kEvents") || text == "Listener"
    })?;
    // Not the listeners become more, but what one of them keeps.
    if (events..case.grows).any(|i| case.view.is_closure(case.node(i))) {
        return None;
    }
    // Who emits: the object that has the listeners, by its name.
    let emitter = events.saturating_sub(1);
    let held = name(case, emitter);
    let owned = held.owned();
    let event = event(case, events, until);
    let listener = first_closure(case, case.grows);
    // One function for all says less than where it is added.
    let shared = listener.is_some_and(|c| case.view.analysis.holders(c).take(MANY).count() == MANY);
    let mut place = listener.filter(|_| !shared).map(|c| case.source_index.made_in(c)).unwrap_or_default();
    if place.location.is_none() {
        place = held.place;
    }
    let class = case.namer().class(case.node(emitter));
    let owner = match owned {
        Some(name) if !name.starts_with("<symbol ") => {
            if is_builtin(&class) || name.contains(&class) {
                name
            } else {
                format!("{name} ({class})")
            }
        }
        _ => class,
    };
    let of_event = event.as_deref().map_or_else(String::new, |event| format!(" for '{event}'"));
    let detail = format!("listeners{of_event} are added to {owner} and never removed");
    let explanation = format!(
        "Each time {} runs, it adds a listener{of_event} to {owner}. {owner} stays alive, so it retains every listener and \
         all that the listener refers to.",
        called(&place)
    );
    let advice =
        "Remove the listener when its owner is done (removeListener, off, an AbortSignal), or add one \
                  listener once."
            .to_owned();
    let cause = cause_at(CauseKind::Listeners, held.variable.or(event), place, detail);
    Some(Finding { cause, explanation, advice, decisive: until.min(case.path.len() - 1) })
}

/// Where the list of an EventTarget's listeners begins, each of which holds the next: a chain, but only to look at.
fn listed(case: &Case<'_, '_>) -> Option<usize> {
    let is_listener = |i: usize| case.view.raw_name(case.node(i)) == b"Listener" && case.edge(i) == b"next";
    (case.grows.max(1)..case.path.len().saturating_sub(1)).find(|&i| is_listener(i) && is_listener(i + 1))
}

/// The event that is listened to: a property of an emitter's `_events`, a key of an EventTarget's Map.
fn event(case: &Case<'_, '_>, events: usize, until: usize) -> Option<String> {
    let view = case.view;
    for i in events + 1..=until.min(case.path.len() - 1) {
        let (from, name) = (case.node(i - 1), case.edge(i));
        if is_index(name) && view.ty(from) == node::ARRAY {
            // In the table of a Map a key stands before its value.
            let at: usize = std::str::from_utf8(name).ok()?.parse().ok()?;
            let key = at.checked_sub(1)?.to_string();
            let key = view.edges(from).find(|&(e, _)| view.edge_bytes(e) == key.as_bytes())?.1;
            return view.string_text(key, 40).filter(|_| view.is_string(key));
        }
        if case.is_named(i) {
            return Some(String::from_utf8_lossy(name).into_owned());
        }
    }
    None
}

pub(crate) fn timers(case: &Case<'_, '_>) -> Option<Finding> {
    let view = case.view;
    // Each timer has one callback: where callbacks become more, so do timers.
    let by_callback = matches!(case.edge(case.grows), b"_onTimeout" | b"_onImmediate");
    let from = if by_callback { case.grows - 1 } else { case.grows };
    let timer = (from..case.path.len())
        .map(|i| case.node(i))
        .find(|&n| is_timer(case, n))
        .or_else(|| case.members.iter().copied().take(50).find(|&n| is_timer(case, n)))?;
    // One that has fired, or was cleared, is kept by something else than Node's lists.
    if !is_listed(case, timer) {
        return None;
    }
    let callback = view
        .analysis
        .named(timer, "_onTimeout")
        .or_else(|| view.analysis.named(timer, "_onImmediate"))
        .filter(|&c| view.is_closure(c));
    let repeats = repeats(case, timer);
    let what = if repeats { "intervals" } else { "timers" };
    let mut place = callback.map(|c| case.source_index.made_in(c)).unwrap_or_default();
    if let Some(closure) = callback {
        let words = if repeats { ["setInterval", "("] } else { ["setTimeout", "("] };
        if let Some(call) = case.source_index.call(closure, &words) {
            place.related.extend(call.location.map(|location| crate::report::Related {
                what: format!("{} is called", words[0]),
                location,
            }));
            // A callback that is made once says little; where the timer is started says more.
            if case.source_index.uses(closure, "this").is_none() && place.location.is_none() {
                place.function = call.function;
            }
        }
    }
    // One callback for all timers keeps nothing of its own.
    let shared =
        case.members.iter().take(20).filter(|&&n| view.analysis.named(n, "_onTimeout") == callback).count()
            > 1;
    let variable = match callback {
        Some(callback) if shared => view.function_name(callback),
        Some(callback) => kept_by(case, callback),
        None => None,
    };
    let detail =
        format!("{what} are started and never cleared; each retains its callback and what that refers to");
    let explanation = format!(
        "{} starts {what} repeatedly. Node.js retains each of them, with its callback and the variables around it, \
         until it has fired for the last time or is cleared.",
        called(&place)
    );
    let advice = if repeats {
        "Call clearInterval when the work is done."
    } else {
        "Call clearTimeout when the timer is no longer needed, or use shorter times."
    };
    let cause = cause_at(CauseKind::Timer, variable, place, detail);
    Some(Finding {
        cause,
        explanation,
        advice: advice.to_owned(),
        decisive: case.grows.min(case.path.len() - 1),
    })
}

/// Whether a timer is in one of Node's lists, in which each knows the one before it.
fn is_listed(case: &Case<'_, '_>, timer: NodeOrdinal) -> bool {
    let before = case.view.analysis.named(timer, "_idlePrev");
    before.is_none_or(|before| case.view.ty(before) == node::OBJECT)
}

/// Whether a timer fires again and again. Its `_repeat` is `null` otherwise, which V8 writes as an object of its own, and
/// a number here, of which V8 writes no small ones.
fn repeats(case: &Case<'_, '_>, timer: NodeOrdinal) -> bool {
    let view = case.view;
    let is_oddball = |n: NodeOrdinal| view.ty(n) == node::HIDDEN;
    match view.analysis.named(timer, "_repeat") {
        Some(value) => !is_oddball(value),
        None => ["_destroyed", "_timerArgs"]
            .iter()
            .any(|name| view.analysis.named(timer, name).is_some_and(is_oddball)),
    }
}

fn is_timer(case: &Case<'_, '_>, n: NodeOrdinal) -> bool {
    matches!(case.view.raw_name(n), b"Timeout" | b"Immediate")
}

/// The variable that a callback keeps most by.
fn kept_by(case: &Case<'_, '_>, closure: NodeOrdinal) -> Option<String> {
    let view = case.view;
    let context = view.internal(closure, "context")?;
    let variables = view.variables(context).filter(|&(name, _)| name != b"this");
    let largest =
        variables.max_by_key(|&(name, n)| (view.analysis.retained_size(n), std::cmp::Reverse(name)))?;
    Some(String::from_utf8_lossy(largest.0).into_owned())
}

/// The first function from a place of the path on, or of a member, that is not Node's.
pub(crate) fn first_closure(case: &Case<'_, '_>, from: usize) -> Option<NodeOrdinal> {
    let view = case.view;
    let on_path = (from..case.path.len()).map(|i| case.node(i));
    let own = |n: &NodeOrdinal| view.is_closure(*n) && case.source_index.owner(*n) != Some(Owner::Runtime);
    let found = on_path.clone().find(own).or_else(|| case.members.iter().copied().take(100).find(own));
    found.or_else(|| {
        // A wrapper of Node's (once) has the listener as a property, a listener object as its callback.
        on_path.chain(case.members.iter().copied().take(20)).find_map(|n| {
            ["listener", "callback"].iter().find_map(|name| view.analysis.named(n, name)).filter(own)
        })
    })
}
