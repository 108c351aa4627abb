//! Strings that keep more than they show: slices of large ones, ever longer ones, the same one many times.

use foldhash::{HashSet, HashSetExt};
use stillheap_analysis::types::node;

use super::collection::{capital, name};
use super::{Finding, cause_at};
use crate::case::Case;
use crate::report::CauseKind;
use crate::words::{count, size};

/// Strings that are compared.
const MOST_COMPARED: usize = 2_000;
/// More different texts are a collection that happens to hold equal ones.
const MOST_TEXTS: usize = 10;

pub(crate) fn sliced(case: &Case<'_, '_>) -> Option<Finding> {
    if case.share_of_strings() < 0.5 {
        return None;
    }
    let view = case.view;
    let slices: Vec<_> = case.objects().into_iter().filter(|&n| view.ty(n) == node::SLICED_STRING).collect();
    let owned = |n| view.analysis.retained_size(n).saturating_sub(view.analysis.self_size(n));
    let parents = slices.iter().map(|&n| owned(n)).fold(0, u64::saturating_add);
    let all = *case.tree.total(case.head.entry).last()?;
    if slices.len() < 5 || parents < all / 2 {
        return None;
    }
    let held = name(case, case.holder);
    let what = held.called().unwrap_or_else(|| "something".to_owned());
    let detail = format!(
        "{} short strings are slices of long ones, and keep {} of those",
        count(slices.len() as u64),
        size(parents)
    );
    let explanation = format!(
        "A string cut out of another (slice, substring, split, a match) of 13 characters or more is a view of it, and \
         retains all of it. {} collects such slices.",
        capital(&what)
    );
    let advice =
        "Keep a copy instead of a slice: Buffer.from(text).toString(), or structuredClone(text); and bound \
                  what collects them."
            .to_owned();
    let cause = cause_at(CauseKind::SlicedString, held.variable, held.place, detail);
    Some(Finding { cause, explanation, advice, decisive: held.at })
}

pub(crate) fn concatenated(case: &Case<'_, '_>) -> Option<Finding> {
    let view = case.view;
    let end = case.node(case.grows);
    let growing = case.head.in_place && view.is_string(end);
    // Strings that were put together and never read are such objects, too: only those that keep one another count.
    let joined = case.chain > 0 && view.ty(end) == node::CONS_STRING
        || (case.holder > 0 && view.is_string(case.holder_node()));
    if !(growing || joined && case.share_of_strings() > 0.8) {
        return None;
    }
    // The string itself, not its parts: the last object before strings begin.
    let first = (0..case.path.len()).find(|&i| view.is_string(case.node(i)))?;
    let held = name(case, first);
    let what = held.called().unwrap_or_else(|| "a string".to_owned());
    let detail = format!("{what} grows without end");
    let explanation = format!(
        "Text is added to {what} all the time. V8 keeps each part until the whole is needed in one piece, so short \
         parts cost more than their characters."
    );
    let advice = "Write the text out and start a new string, or keep only the last part.".to_owned();
    let cause = cause_at(CauseKind::ConcatenatedString, held.variable, held.place, detail);
    Some(Finding { cause, explanation, advice, decisive: held.at })
}

pub(crate) fn duplicates(case: &Case<'_, '_>) -> Option<Finding> {
    if case.share_of_strings() < 0.6 || case.members.len() < 20 {
        return None;
    }
    let view = case.view;
    let strings: Vec<_> =
        case.objects().into_iter().filter(|&n| view.is_string(n)).take(MOST_COMPARED).collect();
    let mut seen = HashSet::new();
    let (mut all, mut again) = (0.0, 0.0);
    for &n in &strings {
        let size = view.analysis.self_size(n) as f64;
        all += size;
        let text = view.analysis.text_identity(n)?;
        if !seen.insert(text) {
            again += size;
        }
    }
    if again * 2.0 < all || seen.len() > MOST_TEXTS {
        return None;
    }
    // By ever new keys: one copy of each text would not end that.
    let holder = case.holder_node();
    if !case.head.in_place && (view.raw_name(holder) == b"Map" || case.namer().is_dictionary(holder)) {
        return None;
    }
    let held = name(case, case.holder);
    let name = held.variable.clone().unwrap_or_else(|| "it".to_owned());
    let what = held.called().unwrap_or_else(|| "something".to_owned());
    let percent = again * 100.0 / f64::max(all, 1.0);
    let detail = format!("{what} collects duplicated strings: {percent:.0} % of the bytes are copies");
    let explanation = format!(
        "{} is filled and never emptied, and most of what is in it are copies of the same strings: text that comes \
         out of JSON, a socket or a file is a new string each time.",
        capital(&what)
    );
    let advice =
        format!("Limit {name}, and keep one copy of each text, for example with a Map from text to text.");
    let cause = cause_at(CauseKind::DuplicateStrings, held.variable, held.place, detail);
    Some(Finding { cause, explanation, advice, decisive: held.at })
}
