//! Buffers, whose memory is outside the heap; trees that have been taken out.

use stillheap_analysis::NodeOrdinal;
use stillheap_analysis::types::node;

use super::collection::name;
use super::{Finding, cause_at};
use crate::case::Case;
use crate::report::CauseKind;

pub(crate) fn external(case: &Case<'_, '_>) -> Option<Finding> {
    if case.share_of(|ty| ty == node::NATIVE) < 0.6 {
        return None;
    }
    // Of what else is native (a TLS context, a parser), the collection says more.
    let native: Vec<NodeOrdinal> =
        case.objects().into_iter().filter(|&n| case.view.ty(n) == node::NATIVE).collect();
    let bytes = |n: &NodeOrdinal| case.view.analysis.self_size(*n);
    let all = native.iter().map(bytes).fold(0, u64::saturating_add);
    let buffers = native.iter().filter(|&&n| case.view.raw_name(n).ends_with(b"JSArrayBufferData"));
    if buffers.map(bytes).fold(0, u64::saturating_add) < all / 2 {
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

/// Blobs that have an object URL: Node's store of them keeps each until the URL is revoked.
pub(crate) fn blobs(case: &Case<'_, '_>) -> Option<Finding> {
    let view = case.view;
    let stored = |n: NodeOrdinal| view.raw_name(n).ends_with(b"Node / StoredDataObject");
    let holders = |n: NodeOrdinal| view.analysis.holders(n).take(20).map(|(_, from)| from);
    // The store holds the native side of a Blob, and that the object.
    let by_store = |n: NodeOrdinal| {
        let natively = |n: NodeOrdinal| view.raw_name(n).ends_with(b"Node / Blob") && holders(n).any(stored);
        stored(n) || natively(n) || holders(n).any(natively)
    };
    let on_path = (0..case.path.len()).map(|i| case.node(i));
    let mut looked_at = on_path.chain(case.members.iter().copied().take(20));
    if !looked_at.any(by_store) {
        return None;
    }
    let place = case.source_index.in_application(&["createObjectURL", "("]).unwrap_or_default();
    let detail =
        "Node's store of Blobs retains each Blob that URL.createObjectURL was called with".to_owned();
    let explanation =
        "URL.createObjectURL puts the Blob into a store of Node's, which lives as long as the process. A \
                       Blob's bytes are outside the JavaScript heap, and stay there until the URL is revoked."
            .to_owned();
    let advice = "Call URL.revokeObjectURL when the URL is not needed any more.".to_owned();
    let cause = cause_at(CauseKind::ExternalMemory, None, place, detail);
    Some(Finding { cause, explanation, advice, decisive: case.grows.min(case.path.len() - 1) })
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
        // To V8, what Node holds natively and nothing else does is detached as well.
        let native =
            view.raw_name(n).strip_prefix(b"Detached ").unwrap_or(view.raw_name(n)).starts_with(b"Node / ");
        view.analysis.detachedness(n) == 2 && !native || top.is_some_and(|top| dominates(case, n, top))
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

fn dominates(case: &Case<'_, '_>, above: NodeOrdinal, below: NodeOrdinal) -> bool {
    case.view.analysis.dominator_ordinals(below).take(64).any(|n| n == above)
}
