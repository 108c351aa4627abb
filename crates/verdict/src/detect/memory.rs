//! Buffers, whose memory is outside the heap; trees that have been taken out.

use stillheap_analysis::types::node;

use super::collection::name;
use super::{Finding, cause_at};
use crate::case::Case;
use crate::report::CauseKind;

pub(crate) fn external(case: &Case<'_, '_>) -> Option<Finding> {
    if case.share_of(|ty| ty == node::NATIVE) < 0.6 {
        return None;
    }
    let held = name(case, case.holder);
    let (name, what) = (held.variable.clone()?, held.called()?);
    let detail = format!("{what} retains Buffers, whose bytes are outside the JavaScript heap");
    let explanation = format!(
        "What {what} retains is small on the heap, but owns memory outside of it. The heap's limit does not count that \
         memory, so the process is killed before V8 complains."
    );
    let advice = format!(
        "Remove entries of {name} that are no longer needed. If only a part of a Buffer is needed, copy that part."
    );
    let cause = cause_at(CauseKind::ExternalMemory, held.variable, held.place, detail);
    Some(Finding { cause, explanation, advice, decisive: held.at })
}

pub(crate) fn detached(case: &Case<'_, '_>) -> Option<Finding> {
    let view = case.view;
    let parents = ["parentNode", "parent", "parentElement"];
    let out = |n| {
        // Up to the top of its tree, which nothing holds but its own children.
        let mut top = None;
        let mut at = n;
        for _ in 0..64 {
            let Some(up) = parents.iter().find_map(|p| view.analysis.named(at, p)) else { break };
            if view.ty(up) != node::OBJECT || view.raw_name(up) != view.raw_name(n) {
                break;
            }
            top = Some(up);
            at = up;
        }
        view.analysis.detachedness(n) == 2 || top.is_some_and(|top| dominates(case, n, top))
    };
    let looked_at: Vec<_> = case.members.iter().copied().take(50).collect();
    let detached = looked_at.iter().filter(|&&n| out(n)).count();
    if detached * 2 < looked_at.len() || detached == 0 {
        return None;
    }
    let held = name(case, case.holder);
    let what = held.called().unwrap_or_else(|| "a reference".to_owned());
    let detail = format!("{what} retains elements of detached trees, and each retains its whole tree");
    let explanation = format!(
        "The trees are not part of anything any more, but {what} still holds an element of each. An element knows its \
         parent and a parent its children, so one of them retains all."
    );
    let advice = format!(
        "Let go of the element when its tree is taken out: remove it from {}, or hold it by WeakRef.",
        held.variable.as_deref().unwrap_or("what holds it")
    );
    let cause = cause_at(CauseKind::DetachedTree, held.variable, held.place, detail);
    Some(Finding { cause, explanation, advice, decisive: held.at })
}

fn dominates(
    case: &Case<'_, '_>,
    above: stillheap_analysis::NodeOrdinal,
    below: stillheap_analysis::NodeOrdinal,
) -> bool {
    case.view.analysis.dominator_ordinals(below).take(64).any(|n| n == above)
}
