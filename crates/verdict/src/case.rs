//! What is known about one head before its cause is looked for: its objects, its classes, the way to it.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use foldhash::{HashMap, HashMapExt};
use stillheap_analysis::types::{edge, node};
use stillheap_analysis::{Analysis, NodeOrdinal};

use crate::heads::Head;
use crate::naming::{Lead, Namer, Reference, Words};
use crate::paths::{self, Step};
use crate::report::{Owner, SuspectClass};
use crate::source_index::SourceIndex;
use crate::tree::{GrowthTree, growth};
use crate::view::{HeapView, is_builtin, is_index, is_string_type, weak_pair, weak_table};

/// Objects of a head that are kept for looking at.
pub(crate) const MOST_MEMBERS: usize = 2_000;
/// Ways that are compared to find the usual one.
const SAMPLES: usize = 5;
/// A repeating pattern is a chain from this length on.
const CHAIN: usize = 6;
/// Members whose place in a chain is looked at.
const CHAIN_SAMPLES: usize = 16;
/// Objects of a suspect that its detectors look at.
const MOST_LOOKED_AT: usize = 20_000;
/// Unnamed collections around what holds the growth that are looked through for one with a name.
const UNNAMED: usize = 4;
/// Two collections grow in step if no snapshot's growth of one is off by more than this.
const IN_STEP: f64 = 0.1;
/// Steps of a path behind the first growing object.
const TAIL: usize = 12;

/// A head and what there is around it.
pub(crate) struct Case<'c, 's> {
    pub(crate) view: HeapView<'s>,
    pub(crate) source_index: &'c SourceIndex<'c, 's>,
    pub(crate) tree: &'c GrowthTree,
    pub(crate) head: Head,
    /// Objects of the head, a sample of them if there are many.
    pub(crate) members: Vec<NodeOrdinal>,
    /// From a root to one of the members, or a little beyond.
    pub(crate) path: Vec<Step>,
    /// Where on the path the growth begins; its end if the last object grows in place.
    pub(crate) grows: usize,
    /// Where on the path the object is that holds what grows, V8's tables left out.
    pub(crate) holder: usize,
    /// How what holds the growth is named, if it is.
    pub(crate) named: Option<Named>,
    /// Length of the chain that the members form, 0 if they form none.
    pub(crate) chain: usize,
    /// Classes of the suspect, largest growth first.
    pub(crate) classes: Vec<SuspectClass>,
    /// Growth of bytes by node type.
    by_type: BTreeMap<u8, i64>,
}

/// The reference by which an object is known.
#[derive(Clone, Debug)]
pub(crate) struct Named {
    pub(crate) reference: Reference,
    pub(crate) words: Words,
    /// Where on the path the object is that has the name: what holds the growth, or a collection around that.
    pub(crate) at: usize,
    /// The application's name for what has it as a property.
    pub(crate) lead: Option<Lead>,
}

/// Objects of several heads, found in one pass: a sample from everywhere, by their ids.
pub(crate) fn members(newest: Analysis<'_>, tree: &GrowthTree, heads: &[Head]) -> Vec<Vec<NodeOrdinal>> {
    let mut found: Vec<Vec<NodeOrdinal>> = vec![Vec::new(); heads.len()];
    let mut wanted = vec![u32::MAX; tree.entries.len()];
    for (i, head) in heads.iter().enumerate() {
        wanted[head.entry as usize] = i as u32;
    }
    for (n, &entry) in (0u32..).zip(&tree.entry_of) {
        if let Some(found) = found.get_mut(wanted[entry as usize] as usize) {
            found.push(NodeOrdinal(n));
        }
    }
    found.into_iter().map(|found| sample(newest, found, MOST_MEMBERS)).collect()
}

/// One of every few by id, so that at most `most` are left.
fn sample(newest: Analysis<'_>, mut all: Vec<NodeOrdinal>, most: usize) -> Vec<NodeOrdinal> {
    all.sort_unstable_by_key(|&n| newest.id(n));
    let stride = all.len().div_ceil(most).max(1);
    all.into_iter().step_by(stride).collect()
}

impl<'c, 's> Case<'c, 's> {
    pub(crate) fn namer(&self) -> Namer<'c, 's> {
        Namer { view: self.view, source_index: self.source_index, tree: self.tree, head: self.head.entry }
    }

    pub(crate) fn new(
        source_index: &'c SourceIndex<'c, 's>,
        tree: &'c GrowthTree,
        examples: &[u32],
        head: Head,
        members: Vec<NodeOrdinal>,
    ) -> Option<Case<'c, 's>> {
        let view = source_index.view;
        let chain =
            if tree.entries[head.entry as usize].repeats { chain_length(view, tree, &members) } else { 0 };
        let path = usual_path(view, tree, head, &members, chain)?;
        let path = from_owner(view, path);
        let path = by_key(view, tree, head, path);
        let namer = Namer { view, source_index, tree, head: head.entry };
        let (path, named) = named_path(&namer, path, head, chain > 0)?;
        let (grows, holder) = growth_on(view, tree, head, chain > 0, &path)?;
        let is_registry = |&n: &NodeOrdinal| view.raw_name(n) == b"FinalizationRegistry";
        // Its cells: where their targets are alive, those are what grows.
        let cells = head.in_place && !members.is_empty() && members.iter().all(is_registry);
        if cells || is_finalized(view, &members, &path) {
            return None;
        }
        let (classes, by_type) = classes(view, tree, examples, head);
        Some(Case {
            view,
            source_index,
            tree,
            head,
            members,
            path,
            grows,
            holder,
            named,
            chain,
            classes,
            by_type,
        })
    }

    /// Object of the path.
    pub(crate) fn node(&self, at: usize) -> NodeOrdinal {
        self.path[at.min(self.path.len() - 1)].node
    }

    /// The object that holds what grows.
    pub(crate) fn holder_node(&self) -> NodeOrdinal {
        self.node(self.holder)
    }

    /// Name of the edge to an object of the path.
    pub(crate) fn edge(&self, at: usize) -> &'s [u8] {
        self.path.get(at).and_then(|step| step.edge).map_or(b"", |e| self.view.edge_bytes(e))
    }

    fn edge_code(&self, at: usize) -> u8 {
        let edge = self.path.get(at).and_then(|step| step.edge);
        edge.map_or(edge::WEAK, |e| self.view.edge_code(e))
    }

    /// Whether the edge to an object of the path has a name that somebody wrote: a property or a variable.
    pub(crate) fn is_named(&self, at: usize) -> bool {
        matches!(self.edge_code(at), edge::PROPERTY | edge::CONTEXT) && !is_index(self.edge(at))
    }

    /// Whether the edge is a context variable.
    pub(crate) fn is_variable(&self, at: usize) -> bool {
        self.edge_code(at) == edge::CONTEXT
    }

    /// The last named edge up to an object of the path.
    pub(crate) fn name_before(&self, at: usize) -> Option<usize> {
        (1..=at.min(self.path.len() - 1)).rev().find(|&i| self.is_named(i))
    }

    /// Share of the growth that nodes of some types make up, 0 to 1.
    pub(crate) fn share_of(&self, types: impl Fn(u8) -> bool) -> f64 {
        let all: f64 = self.by_type.values().map(|&bytes| bytes as f64).sum();
        let part = self.by_type.iter().filter(|&(&ty, _)| types(ty)).map(|(_, &bytes)| bytes as f64);
        if all > 0.0 { part.sum::<f64>() / all } else { 0.0 }
    }

    /// Share of the growth that strings make up.
    pub(crate) fn share_of_strings(&self) -> f64 {
        self.share_of(is_string_type)
    }

    /// Objects of the suspect in the newest snapshot, at most [`MOST_LOOKED_AT`].
    pub(crate) fn objects(&self) -> Vec<NodeOrdinal> {
        let inside = self.tree.subtree(self.head.entry);
        let mut marked = vec![false; self.tree.entries.len()];
        for entry in inside {
            marked[entry as usize] = true;
        }
        let all = self.tree.entry_of.iter().enumerate().filter(|&(_, &entry)| marked[entry as usize]);
        let all: Vec<NodeOrdinal> = all.map(|(n, _)| NodeOrdinal(n as u32)).collect();
        sample(self.view.analysis, all, MOST_LOOKED_AT)
    }

    /// Whether something on the path, from one place to another, has such a name or is held by such an edge.
    pub(crate) fn find(&self, from: usize, to: usize, test: impl Fn(&str) -> bool) -> Option<usize> {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (from..to.min(self.path.len())).find(|&i| {
            let node = self.node(i);
            let named = !self.view.is_string(node) && test(&text(self.view.raw_name(node)));
            named || (i > 0 && test(&text(self.edge(i))))
        })
    }

    /// Whether the same object of a library's, or the same call of its function, has both what holds this and what holds
    /// the other case's objects, and both grow in step.
    pub(crate) fn grows_beside(&self, other: &Case<'_, '_>) -> bool {
        let (Some(own), Some(others)) = (&self.named, &other.named) else { return false };
        let from = own.reference.from;
        let shared = from == others.reference.from && own.reference.edge != others.reference.edge;
        if !shared || self.source_index.owner(from) != Some(Owner::Library) {
            return false;
        }
        let (own, others) = (self.tree.counts(self.head.entry), self.tree.counts(other.head.entry));
        let ratio = growth(others) as f64 / growth(own).max(1) as f64;
        let steps = own.windows(2).zip(others.windows(2));
        own.len() > 2
            && ratio > 0.0
            && steps.into_iter().all(|(own, others)| {
                let (own, others) = (growth(own) as f64 * ratio, growth(others) as f64);
                (own - others).abs() <= IN_STEP * others.abs()
            })
    }

    /// The WeakMap on the path right before what grows.
    pub(crate) fn weak_map(&self) -> Option<usize> {
        let from = self.holder.saturating_sub(4);
        (from..=self.grows.min(self.path.len() - 1)).find(|&i| weak_table(self.edge(i)).is_some())
    }
}

/// Whether the objects wait for a FinalizationRegistry's callback, their targets being gone: the next turn of the event
/// loop gives them up. V8 keeps a weak edge from a cell to its target as long as that lives.
fn is_finalized(view: HeapView<'_>, members: &[NodeOrdinal], path: &[Step]) -> bool {
    let is_cell = |n: NodeOrdinal| view.raw_name(n) == b"system / WeakCell";
    let lives = |cell: NodeOrdinal| {
        view.edges(cell).any(|(e, to)| view.edge_bytes(e) == b"target" && view.ty(to) != node::HIDDEN)
    };
    let on_path = path.iter().map(|step| step.node).filter(|&n| is_cell(n));
    let mut cells = members.iter().copied().filter(|&n| is_cell(n)).take(200).chain(on_path).peekable();
    cells.peek().is_some() && !cells.any(lives)
}

/// How long the longest chain is that was seen among the members; 0 if they form none. Several chains may grow side by
/// side, and the first of each have little above them: a quarter of the members has to stand well inside of one.
fn chain_length(view: HeapView<'_>, tree: &GrowthTree, members: &[NodeOrdinal]) -> usize {
    let above = |&member: &NodeOrdinal| {
        let entry = tree.entry_of[member.0 as usize];
        let dominators = view.analysis.dominator_ordinals(member).take(1_000);
        dominators.filter(|n| tree.entry_of[n.0 as usize] == entry).count()
    };
    let every = members.len().div_ceil(CHAIN_SAMPLES).max(1);
    let mut lengths: Vec<usize> = members.iter().skip(every / 2).step_by(every).map(above).collect();
    lengths.sort_unstable();
    match lengths.get(lengths.len() * 3 / 4) {
        Some(&usual) if usual >= CHAIN => lengths[lengths.len() - 1],
        _ => 0,
    }
}

/// The way that most of a few members have; cut where it begins to repeat itself.
fn usual_path(
    view: HeapView<'_>,
    tree: &GrowthTree,
    head: Head,
    members: &[NodeOrdinal],
    chain: usize,
) -> Option<Vec<Step>> {
    let mut near = members.to_vec();
    near.sort_by_key(|&n| (view.analysis.distance(n), view.analysis.id(n)));
    let samples: Vec<NodeOrdinal> = if chain > 0 {
        // The second of the chain shows one whole round.
        near.into_iter().skip(1).take(1).collect()
    } else if head.in_place {
        let largest = members
            .iter()
            .copied()
            .max_by_key(|&n| (view.analysis.self_size(n), Reverse(view.analysis.id(n))));
        largest.into_iter().collect()
    } else {
        let step = (members.len() / SAMPLES).max(1);
        members.iter().copied().step_by(step).take(SAMPLES).collect()
    };
    let mut paths: Vec<Vec<Step>> =
        samples.into_iter().map(|n| cut(tree, head, paths::to_root(view, n))).collect();
    let shape =
        |path: &[Step]| -> Vec<u32> { path.iter().map(|s| tree.entry_of[s.node.0 as usize]).collect() };
    let shapes: Vec<Vec<u32>> = paths.iter().map(|path| shape(path)).collect();
    let votes = |i: usize| shapes.iter().filter(|other| **other == shapes[i]).count();
    let best = (0..paths.len()).max_by_key(|&i| (votes(i), std::cmp::Reverse(paths[i].len())))?;
    Some(extend(view, tree, head, paths.swap_remove(best)))
}

/// Where a root holds a part of an object (a table that is being looked at), the way through the object.
fn from_owner(view: HeapView<'_>, path: Vec<Step>) -> Vec<Step> {
    let Some(&Step { node: part, .. }) = path.get(1).filter(|step| view.is_part(step.node)) else {
        return path;
    };
    let owners = view.analysis.holders(part).take(20);
    let objects = owners.filter(|&(_, from)| view.ty(from) == node::OBJECT);
    let Some((e, owner)) = objects.min_by_key(|&(_, from)| view.analysis.id(from)) else { return path };
    let Some(mut way) = paths::to_root_without(view, owner, part) else { return path };
    if way.iter().any(|step| path[1..].iter().any(|later| later.node == step.node)) {
        return path;
    }
    way.push(Step { edge: Some(e), node: part });
    way.extend_from_slice(&path[2..]);
    way
}

/// A WeakMap's value lives as long as its key. Where each value has a key of its own, what holds the keys is the cause:
/// the way leads through the key then, not through the WeakMap.
fn by_key(view: HeapView<'_>, tree: &GrowthTree, head: Head, path: Vec<Step>) -> Vec<Step> {
    let entry = |n: NodeOrdinal| tree.entry_of[n.0 as usize];
    let first = path.iter().position(|step| tree.within(entry(step.node), head.entry));
    let last = first.unwrap_or(path.len()).min(path.len() - 1);
    let is_weak = |&i: &usize| path[i].edge.is_some_and(|e| weak_table(view.edge_bytes(e)).is_some());
    let Some(at) = (1..=last).rev().find(is_weak) else { return path };
    let (table, value) = (path[at - 1].node, path[at].node);
    let pair = path[at].edge.and_then(|e| weak_pair(view.edge_bytes(e)));
    let keys = view.analysis.holders(value).take(MOST_LOOKED_AT);
    let mut keys = keys.filter(|&(e, from)| from != table && weak_pair(view.edge_bytes(e)) == pair);
    let Some((e, key)) = keys.next().filter(|&(_, key)| grows_along(tree, head, entry(key))) else {
        return path;
    };
    let Some(mut way) = paths::to_root_past_weak_maps(view, key) else { return path };
    // Of a key that only native code holds, the WeakMap says more.
    if way.len() < 2 || view.ty(way[way.len() - 2].node) == node::SYNTHETIC {
        return path;
    }
    if way.iter().any(|step| step.node == value) {
        return path;
    }
    way.push(Step { edge: Some(e), node: value });
    // A value may refer to its key.
    let rest = path[at + 1..].iter().copied();
    let rest: Vec<Step> = rest.take_while(|later| way.iter().all(|step| step.node != later.node)).collect();
    way.extend(rest);
    way
}

/// Where on a path the growth begins, and the object that holds what grows.
fn growth_on(
    view: HeapView<'_>,
    tree: &GrowthTree,
    head: Head,
    chain: bool,
    path: &[Step],
) -> Option<(usize, usize)> {
    let entry = |at: usize| tree.entry_of[path[at].node.0 as usize];
    let within = |at: &usize| tree.within(entry(*at), head.entry);
    let mut grows = if head.in_place { path.len() } else { (0..path.len()).find(within)? };
    // What is kept by two things hangs from what dominates both: a listener that grows, too, is on the way.
    while !head.in_place && !chain && grows > 1 && grows_along(tree, head, entry(grows - 1)) {
        grows -= 1;
    }
    let mut holder = grows.saturating_sub(1);
    while holder > 0 && view.is_part(path[holder].node) {
        holder -= 1;
    }
    Some((grows, holder))
}

/// Whether objects elsewhere become more as those of a head do.
fn grows_along(tree: &GrowthTree, head: Head, entry: u32) -> bool {
    let (own, others) = (tree.counts(head.entry), tree.counts(entry));
    tree.steps() > 1
        && others.windows(2).all(|pair| pair[1] > pair[0])
        && growth(others) >= 2
        && growth(others) >= growth(own) / 2
}

/// The way through the reference by which what holds the growth is known, and that reference.
fn named_path(
    namer: &Namer<'_, '_>,
    path: Vec<Step>,
    head: Head,
    chain: bool,
) -> Option<(Vec<Step>, Option<Named>)> {
    let view = namer.view;
    let (_, holder) = growth_on(view, namer.tree, head, chain, &path)?;
    let mut at = holder;
    let mut levels = 0;
    let reference = loop {
        let n = path[at].node;
        if at == 0 || view.ty(n) == node::SYNTHETIC {
            return Some((path, None));
        }
        if !view.is_part(n) {
            if view.is_context(n) {
                return Some((path, None));
            }
            if let Some(found) = namer.reference(n) {
                break found;
            }
            levels += 1;
            if levels > UNNAMED {
                return Some((path, None));
            }
        }
        at -= 1;
    };
    let mut refs: Vec<Reference> = Vec::new();
    let inner = reference;
    let reference = match namer.container(&inner) {
        Some(container) => {
            refs.push(inner);
            container
        }
        None => inner,
    };
    let words = namer.words(&reference);
    let lead = namer.lead(&reference);
    let named = |at| Named { reference, words: words.clone(), at, lead: lead.clone() };
    // From a method's object to its variables there is no way by name.
    let above = lead.iter().filter(|_| !view.is_context(reference.from));
    let above = above.flat_map(|lead| lead.steps.iter().copied());
    let refs: Vec<Reference> = above.chain([reference]).chain(refs).collect();
    let named_at = |path: &[Step]| path.iter().position(|step| step.edge == Some(reference.edge));
    let on_path = |r: &Reference| path.iter().any(|step| step.edge == Some(r.edge) && step.node == r.to);
    if refs.iter().all(on_path) {
        let named = named_at(&path).map(named);
        return Some((path, named));
    }
    let Some(mut way) = paths::to_root_without(view, refs[0].from, inner.to) else {
        let named = named_at(&path).map(named);
        return Some((path, named));
    };
    way.extend(refs.iter().map(|r| Step { edge: Some(r.edge), node: r.to }));
    let rest = &path[at + 1..];
    if way.iter().any(|step| rest.iter().any(|later| later.node == step.node)) {
        return Some((path, None));
    }
    let named = named_at(&way).map(named);
    way.extend_from_slice(rest);
    Some((way, named))
}

/// Ends a path where an entry of the suspect comes a second time.
fn cut(tree: &GrowthTree, head: Head, mut path: Vec<Step>) -> Vec<Step> {
    let entry = |step: &Step| tree.entry_of[step.node.0 as usize];
    let Some(first) = path.iter().position(|step| tree.within(entry(step), head.entry)) else { return path };
    let again = (first + 1..path.len()).find(|&i| (first..i).any(|j| entry(&path[j]) == entry(&path[i])));
    path.truncate(again.map_or(path.len(), |i| i + 1).min(first + TAIL));
    path
}

/// Goes on from what grows to what it is that it keeps: down the largest part of it, while that is most of it.
fn extend(view: HeapView<'_>, tree: &GrowthTree, head: Head, mut path: Vec<Step>) -> Vec<Step> {
    if head.in_place {
        return path;
    }
    for _ in 0..4 {
        let Some(&Step { node: at, .. }) = path.last() else { break };
        let plain =
            view.is_part(at) || view.is_closure(at) || view.is_context(at) || is_builtin(&view.text(at));
        if !plain {
            break;
        }
        let retained = |n: NodeOrdinal| view.analysis.retained_size(n);
        let entry = |n: NodeOrdinal| tree.entry_of[n.0 as usize];
        let inside = view.edges(at).take(4_000).filter(|&(e, to)| {
            view.analysis.edge_code(e) != edge::WEAK
                && view.analysis.dominator(to) == at
                && tree.within(entry(to), head.entry)
                && !view.is_string(to)
                && matches!(view.ty(to), node::OBJECT | node::CLOSURE | node::ARRAY | node::NATIVE)
        });
        let Some((e, to)) = inside.max_by_key(|&(_, to)| (retained(to), Reverse(view.analysis.id(to))))
        else {
            break;
        };
        if retained(to) < retained(at) / 5 * 2 || path.iter().any(|step| step.node == to) {
            break;
        }
        path.push(Step { edge: Some(e), node: to });
    }
    path
}

/// Classes of a suspect and its growth by node type.
fn classes(
    view: HeapView<'_>,
    tree: &GrowthTree,
    examples: &[u32],
    head: Head,
) -> (Vec<SuspectClass>, BTreeMap<u8, i64>) {
    let steps = tree.steps();
    let mut by_name: HashMap<String, SuspectClass> = HashMap::new();
    let mut by_type = BTreeMap::new();
    let inside = if head.in_place { vec![head.entry] } else { tree.subtree(head.entry) };
    for entry in inside {
        let example = examples[entry as usize];
        if example == u32::MAX {
            continue;
        }
        let n = NodeOrdinal(example);
        let sum: &mut i64 = by_type.entry(view.ty(n)).or_insert(0);
        *sum = sum.saturating_add(growth(tree.own(entry)));
        let class = by_name.entry(view.analysis.class_name(n)).or_insert_with_key(|name| SuspectClass {
            class_name: name.clone(),
            counts: vec![0; steps],
            sizes: vec![0; steps],
        });
        for step in 0..steps {
            class.counts[step] += tree.counts(entry)[step];
            class.sizes[step] = class.sizes[step].saturating_add(tree.own(entry)[step]);
        }
    }
    let mut classes: Vec<SuspectClass> = by_name.into_values().collect();
    classes.retain(|class| growth(&class.sizes) > 0);
    classes.sort_by(|a, b| {
        growth(&b.sizes).cmp(&growth(&a.sizes)).then_with(|| a.class_name.cmp(&b.class_name))
    });
    (classes, by_type)
}
