//! Do the ids of two snapshots mean the same objects?
//!
//! The header tells when we wrote the files ourselves. Otherwise the ids are looked at: within one process an
//! object keeps its type and class name, so of the ids that both files have, nearly all must agree. In files of
//! two processes ids are given out in heap order, which drifts apart after the first difference. Where both files
//! have [`ENOUGH`] objects and hardly any id is common, the producer gave new ids (Bun does): V8's own objects alone
//! are thousands that survive. Ids that our own reader made of addresses are matched with such ids only: objects that
//! moved between the snapshots count as removed and added. Fewer than [`ENOUGH`] common objects in small files prove nothing, and then ids are
//! trusted, as DevTools always does.
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
    Class,
}

/// Common objects from which on disagreement counts.
const ENOUGH: u64 = 500;
/// Share of common objects that must agree, in percent.
const AGREEMENT: u64 = 90;
/// Share of the smaller file's objects that must be in the other file, in percent.
const COMMON: u64 = 5;
/// Common objects from which on full agreement shows that one process wrote both files.
const ENOUGH_TO_AGREE: u64 = 20;

/// Decides how to match two snapshots, and says why.
pub fn decide(old: &Snapshot, new: &Snapshot, matching: Matching) -> (MatchedBy, String) {
    match matching {
        Matching::Id => return (MatchedBy::Id, "as requested".to_owned()),
        Matching::Class => return (MatchedBy::Class, "as requested".to_owned()),
        Matching::Auto => {}
    }
    if let Some(reason) = headers_forbid(old, new) {
        return (MatchedBy::Class, reason);
    }
    match ids_forbid(old, new) {
        Some(reason) => (MatchedBy::Class, reason),
        None => (MatchedBy::Id, "the ids belong to one process".to_owned()),
    }
}

/// What the ids themselves say against matching by id.
fn ids_forbid(old: &Snapshot, new: &Snapshot) -> Option<String> {
    let Agreement { common, equal, fewest } = agreement(old, new);
    if common >= ENOUGH && equal * 100 < common * AGREEMENT {
        let percent = equal * 100 / common;
        return Some(format!(
            "only {percent} % of the {common} objects with a common id agree in type and name: different processes"
        ));
    }
    (fewest >= ENOUGH && common * 100 < fewest * COMMON).then(|| {
        format!(
            "only {common} of {fewest} objects have an id that is in both files: different processes, or a program \
             that gives new ids for each snapshot"
        )
    })
}

/// Whether one process wrote both files, as far as their ids tell: an answer only where many objects agree or many
/// don't.
pub fn one_process(old: &Snapshot, new: &Snapshot) -> Option<bool> {
    let Agreement { common, equal, fewest } = agreement(old, new);
    if common >= ENOUGH && equal * 100 < common * AGREEMENT {
        return Some(false);
    }
    let belong = common >= ENOUGH_TO_AGREE && common * 100 >= fewest * COMMON;
    (belong && equal * 100 >= common * AGREEMENT).then_some(true)
}

/// The largest id of an object or a function. Within one process V8 counts ids up, so the newer file has the larger one.
pub fn newest_id(snapshot: &Snapshot) -> u64 {
    let graph = snapshot.graph();
    let telling = (0..snapshot.node_count()).filter(|&n| is_telling(snapshot, n));
    telling.map(|n| graph.id(n)).max().unwrap_or(0)
}

/// Whether two files have the same nodes: ids, names and own sizes.
pub fn same_nodes(one: &Snapshot, other: &Snapshot) -> bool {
    let (a, b) = (one.graph(), other.graph());
    one.node_count() == other.node_count()
        && one.edge_count() == other.edge_count()
        && (0..one.node_count())
            .all(|n| a.id(n) == b.id(n) && a.size(n) == b.size(n) && a.name_bytes(n) == b.name_bytes(n))
}

/// Embedders' nodes have ids made of addresses, so only objects and functions are looked at.
fn is_telling(snapshot: &Snapshot, n: u32) -> bool {
    matches!(snapshot.graph().node_type[n as usize], node::OBJECT | node::CLOSURE)
}

/// What the headers that this project writes say against matching by id.
fn headers_forbid(old: &Snapshot, new: &Snapshot) -> Option<String> {
    let text = |snapshot: &Snapshot, key: &str| -> Option<Value> {
        snapshot.header().stillheap()?.get(key).cloned()
    };
    let ids =
        |snapshot: &Snapshot| text(snapshot, "objectIds").and_then(|ids| ids.as_str().map(str::to_owned));
    let by_address = |snapshot: &Snapshot| ids(snapshot).as_deref() == Some("addresses");
    for (snapshot, other, which) in [(old, new, "older"), (new, old, "newer")] {
        if ids(snapshot).as_deref() == Some("cleared") {
            return Some(format!("object ids were cleared after the {which} snapshot"));
        }
        if by_address(snapshot) {
            if !by_address(other) {
                return Some(format!("only the {which} snapshot has ids that are made of addresses"));
            }
            continue;
        }
        if text(snapshot, "mode").as_ref().and_then(Value::as_str) == Some("fork") {
            return Some(format!(
                "the {which} snapshot was taken in a forked process, whose ids mean nothing elsewhere"
            ));
        }
    }
    for key in ["processId", "pid", "startTime", "timeOrigin", "isolate", "thread", "threadId"] {
        let (a, b) = (text(old, key), text(new, key));
        if a.is_some() && b.is_some() && a != b {
            return Some(format!("the snapshots come from different processes (`{key}` differs)"));
        }
    }
    None
}

/// How the objects and functions of two files agree.
struct Agreement {
    /// Have an id that is in both files.
    common: u64,
    /// Of these, agree in type and name.
    equal: u64,
    /// All of the file that has fewer of them.
    fewest: u64,
}

fn agreement(old: &Snapshot, new: &Snapshot) -> Agreement {
    let new_ids = new.by_id();
    let (mut common, mut equal, mut j) = (0, 0, 0);
    let mut all_old = 0;
    for a in old.by_id().iter().copied().filter(|&n| is_telling(old, n)) {
        all_old += 1;
        let id = old.graph().id(a);
        while new_ids.get(j).is_some_and(|&b| new.graph().id(b) < id || !is_telling(new, b)) {
            j += 1;
        }
        let Some(&b) = new_ids.get(j) else { continue };
        if new.graph().id(b) == id {
            common += 1;
            let same_type = old.graph().node_type[a as usize] == new.graph().node_type[b as usize];
            equal += (same_type && old.graph().name_bytes(a) == new.graph().name_bytes(b)) as u64;
        }
    }
    let all_new = (0..new.node_count()).filter(|&n| is_telling(new, n)).count() as u64;
    Agreement { common, equal, fewest: all_new.min(all_old) }
}
