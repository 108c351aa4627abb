//! Do the ids of two snapshots mean the same objects?
//!
//! The header tells when we wrote the files ourselves. Otherwise the ids are looked at: within one process an
//! object keeps its type and class name, so of the ids that both files have, nearly all must agree. In files of
//! two processes ids are given out in heap order, which drifts apart after the first difference. Fewer than
//! [`ENOUGH`] common objects prove nothing, and then ids are trusted, as DevTools always does.
//! Time: one merge over both files' ids.

use serde::Serialize;
use serde_json::Value;

use crate::snapshot::Snapshot;
use stillheap_graph::types::node;

/// How the objects of two snapshots were matched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum MatchedBy {
    /// By id: additions, removals and survivors are known one by one.
    Id,
    /// By class: only counts and sizes are compared.
    Class,
}

/// How to match.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Matching {
    /// By id if the files allow it, else by class.
    #[default]
    Auto,
    /// By id whatever the files look like, as DevTools does.
    Id,
    /// By class.
    Class,
}

/// Common objects from which on disagreement counts.
const ENOUGH: u64 = 500;
/// Share of common objects that must agree, in percent.
const AGREEMENT: u64 = 90;

/// Decides how to match two snapshots, and says why.
pub fn decide(old: &Snapshot, new: &Snapshot, matching: Matching) -> (MatchedBy, String) {
    match matching {
        Matching::Id => return (MatchedBy::Id, "asked for".to_owned()),
        Matching::Class => return (MatchedBy::Class, "asked for".to_owned()),
        Matching::Auto => {}
    }
    if let Some(reason) = headers_forbid(old, new) {
        return (MatchedBy::Class, reason);
    }
    let (common, equal) = agreement(old, new);
    if common >= ENOUGH && equal * 100 < common * AGREEMENT {
        let percent = equal * 100 / common;
        return (
            MatchedBy::Class,
            format!(
                "only {percent} % of the {common} objects with a common id agree in type and name: different processes"
            ),
        );
    }
    (MatchedBy::Id, "the ids belong together".to_owned())
}

/// What the headers that this project writes say against matching by id.
fn headers_forbid(old: &Snapshot, new: &Snapshot) -> Option<String> {
    let text = |snapshot: &Snapshot, key: &str| -> Option<Value> {
        snapshot.header().stillheap()?.get(key).cloned()
    };
    for (snapshot, which) in [(old, "older"), (new, "newer")] {
        if text(snapshot, "objectIds").as_ref().and_then(Value::as_str) == Some("cleared") {
            return Some(format!("object ids were cleared after the {which} snapshot"));
        }
        if text(snapshot, "mode").as_ref().and_then(Value::as_str) == Some("fork") {
            return Some(format!(
                "the {which} snapshot was taken in a forked process, whose ids nobody else knows"
            ));
        }
    }
    for key in ["processId", "pid", "startTime", "thread", "threadId"] {
        let (a, b) = (text(old, key), text(new, key));
        if a.is_some() && b.is_some() && a != b {
            return Some(format!("the snapshots come from different processes (`{key}` differs)"));
        }
    }
    None
}

/// How many objects and functions have an id in both files, and how many of those agree in type and name.
fn agreement(old: &Snapshot, new: &Snapshot) -> (u64, u64) {
    let telling = |snapshot: &Snapshot, n: u32| {
        matches!(snapshot.graph().node_type[n as usize], node::OBJECT | node::CLOSURE)
    };
    let new_ids = new.by_id();
    let (mut common, mut equal, mut j) = (0, 0, 0);
    for a in old.by_id().iter().copied().filter(|&n| telling(old, n)) {
        let id = old.graph().id(a);
        while new_ids.get(j).is_some_and(|&b| new.graph().id(b) < id || !telling(new, b)) {
            j += 1;
        }
        let Some(&b) = new_ids.get(j) else { break };
        if new.graph().id(b) == id {
            common += 1;
            let same_type = old.graph().node_type[a as usize] == new.graph().node_type[b as usize];
            equal += (same_type && old.graph().name_bytes(a) == new.graph().name_bytes(b)) as u64;
        }
    }
    (common, equal)
}
