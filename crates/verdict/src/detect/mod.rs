//! The detectors: each knows one kind of leak and looks at a case for its signs.
//!
//! They are asked in an order that goes from the particular to the general, and the first that recognises the
//! case gives the cause.

mod chain;
mod collection;
mod events;
mod memory;
mod modules;
mod native;
mod shared_context;
mod strings;
mod waiting;

pub(crate) use events::first_closure;

use crate::case::Case;
use crate::report::short;
use crate::report::{Cause, CauseKind};
use crate::source_index::CodeSite;

pub(crate) struct Finding {
    pub(crate) cause: Cause,
    /// What happens, one or two sentences.
    pub(crate) explanation: String,
    pub(crate) advice: String,
    /// Place on the path whose incoming edge should not be.
    pub(crate) decisive: usize,
}

type Detector = for<'c, 's> fn(&Case<'c, 's>) -> Option<Finding>;

const DETECTORS: [Detector; 18] = [
    native::registry,
    memory::blobs,
    native::inspector,
    strings::sliced,
    strings::concatenated,
    shared_context::detect,
    modules::detect,
    waiting::promises,
    events::listeners,
    events::timers,
    waiting::async_context,
    chain::detect,
    collection::weak_map,
    memory::detached,
    memory::external,
    strings::duplicates,
    collection::detect,
    native::handles,
];

pub(crate) fn cause(case: &Case<'_, '_>) -> Finding {
    DETECTORS.iter().find_map(|detector| detector(case)).unwrap_or_else(|| collection::unknown(case))
}

pub(crate) fn cause_at(kind: CauseKind, variable: Option<String>, place: CodeSite, detail: String) -> Cause {
    let variable = variable.map(|name| place.variable.unwrap_or(name));
    Cause {
        kind,
        function: place.function,
        variable,
        location: place.location,
        detail,
        related: place.related,
    }
}

/// The function of a place, for a sentence.
pub(crate) fn called(place: &CodeSite) -> String {
    match (place.function.as_deref(), &place.location) {
        (Some(name), _) if !name.is_empty() => name.to_owned(),
        (_, Some(location)) => format!("the code at {}", short(location)),
        _ => "the program".to_owned(),
    }
}
