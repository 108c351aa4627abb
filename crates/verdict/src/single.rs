//! What one snapshot can say. It can't show growth, so nothing is called a leak: it has things that are large, things of
//! which there are so many that nothing seems to bound them, and things that look dead.

use crate::report::{CauseKind, Confidence, Owner, PathStep, StandsOut, Suspect};
use crate::words::{count, size};

/// Objects of one kind below one holder from which on nothing seems to bound them.
const UNBOUNDED: u64 = 1_000;
/// Share of the heap below which many objects are believed with little confidence.
const MUCH: f64 = 0.25;

/// Leaves out what is V8's and Node's own, and says the rest in words that fit one snapshot.
pub(crate) fn reword(suspects: &mut Vec<Suspect>) {
    suspects.retain(|suspect| !is_runtime_s(suspect));
    for suspect in suspects {
        let stands_out = stands_out(suspect);
        suspect.stands_out = Some(stands_out);
        suspect.confidence = Some(confidence(suspect, stands_out));
        suspect.cause.detail = detail(suspect);
        if stands_out != StandsOut::Dead {
            suspect.explanation = match stands_out {
                StandsOut::UnboundedLooking => {
                    "So many objects of one kind in one place look like a collection without a bound. They may also be \
                     data that the service needs: one snapshot cannot show which."
                }
                _ => "This is a large part of the heap. The service may need it: one snapshot cannot show that.",
            }
            .to_owned();
            suspect.advice = format!(
                "Take a second snapshot of the same process some minutes later, under load, and give both to \
                 'stillheap leaks', which then shows what grows. If this does: {}",
                suspect.advice
            );
        }
    }
}

/// The answer in one sentence.
pub(crate) fn verdict(suspects: &[Suspect], place: &str) -> String {
    let Some((first, stands_out, confidence)) =
        suspects.first().and_then(|s| Some((s, s.stands_out?, s.confidence?)))
    else {
        return "Nothing stands out in this snapshot. One snapshot cannot show growth: take two more of the same process."
            .to_owned();
    };
    let what = match stands_out {
        StandsOut::Dead => "Probably no longer used",
        StandsOut::UnboundedLooking => "A collection without a visible bound",
        StandsOut::Large => "A large part of the heap",
    };
    let confidence = match confidence {
        Confidence::Low => "low",
        Confidence::Medium => "medium",
        Confidence::High => "high",
    };
    format!(
        "{what} (confidence: {confidence}; one snapshot cannot show growth): {}{place}.",
        first.cause.detail
    )
}

/// What holds it is V8's or Node's own, and nothing of the application or a library is on the way.
fn is_runtime_s(suspect: &Suspect) -> bool {
    let before = suspect.path.iter().position(|step| step.grows).unwrap_or(suspect.path.len());
    let holder = suspect.path[..before].last();
    !suspect.path.is_empty() && holder.is_none_or(|step| matches!(step.owner, Owner::Root | Owner::Runtime))
}

fn stands_out(suspect: &Suspect) -> StandsOut {
    let many = suspect.counts.last().copied().unwrap_or(0);
    let longest = suspect.path.iter().map(|step| step.repeats).max().unwrap_or(0);
    match suspect.cause.kind {
        CauseKind::SharedContext | CauseKind::DetachedTree => StandsOut::Dead,
        _ if many.max(longest) >= UNBOUNDED => StandsOut::UnboundedLooking,
        _ => StandsOut::Large,
    }
}

fn confidence(suspect: &Suspect, stands_out: StandsOut) -> Confidence {
    let application = suspect.path.iter().any(|step| step.owner == Owner::Application);
    let much = application && suspect.share_of_growth >= MUCH;
    match stands_out {
        StandsOut::Dead if much => Confidence::High,
        StandsOut::Dead => Confidence::Medium,
        StandsOut::UnboundedLooking if much => Confidence::Medium,
        _ => Confidence::Low,
    }
}

/// `12,000 Order objects, 2.4 MB and 61 % of the heap, retained by variable orders: Map`.
fn detail(suspect: &Suspect) -> String {
    let (many, bytes) =
        (suspect.counts.last().copied().unwrap_or(0), suspect.retained_sizes.last().copied().unwrap_or(0));
    let class = suspect.class_name.as_deref().unwrap_or("native memory");
    let what = if many == 1 { format!("one {class}") } else { format!("{} {class} objects", count(many)) };
    let share = suspect.share_of_growth * 100.0;
    let holder = suspect.path.iter().find(|step| step.decisive).map_or_else(String::new, kept_by);
    format!("{what}, {} and {share:.0} % of the heap{holder}", size(bytes))
}

fn kept_by(step: &PathStep) -> String {
    format!(", retained by {}", step.text)
}
