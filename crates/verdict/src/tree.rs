//! All snapshots in one tree: what hangs where, and how much of it there is in each.
//!
//! Object ids mean nothing across most snapshots (they are cleared after a capture, and a forked process gives
//! out its own), so objects are matched by where they are: the way down the dominator tree, written as edge
//! names and kinds of objects. Ways of equal writing fall together, within a snapshot (the elements of an array)
//! and across snapshots. A way that repeats itself, as through the elements of a linked list, is bent back on
//! its first round: otherwise a list of a million elements would be a million levels deep.
//!
//! Time: per snapshot one pass over the edges with a random access each, and three hash look-ups per node. Memory:
//! 12 bytes per node while running and 4 per node of the newest and the oldest snapshot after; the tree itself is small, and
//! bounded by [`MOST_ENTRIES`].

use std::cmp::Reverse;
use std::panic::resume_unwind;

use foldhash::{HashMap, HashMapExt};
use stillheap_analysis::types::{edge, node};
use stillheap_analysis::{Analysis, EdgeOrdinal, NodeOrdinal};

use crate::view::{HeapView, is_builtin, is_index, weak_table};

/// Beyond this, new ways are not told apart any more.
const MOST_ENTRIES: usize = 4_000_000;
/// How many levels up a repetition is looked for.
const LOOK_BACK: usize = 16;
/// Deeper levels fall together with their parents.
const MOST_LEVELS: u32 = 500;
/// An object with more properties is a dictionary: its keys are data, not names.
const DICTIONARY: usize = 200;
/// And so is one with fewer, down to this, if nearly all of them lead to things of one kind.
const SMALL_DICTIONARY: usize = 24;
/// Percent.
const OF_ONE_KIND: usize = 90;

/// V8's table of strings that are there once.
pub(crate) const INTERNALIZED: &[u8] = b"(Internalized strings)";

/// Not held by its dominator directly.
pub(crate) const NO_LABEL: u32 = 0;
/// An element, or an entry of one of V8's tables.
const ELEMENT: u32 = 1;
/// A key of a dictionary.
const KEY: u32 = 2;
/// A value in a WeakMap.
const WEAK_VALUE: u32 = 3;
const FIRST_NAME: u32 = 4;

/// One way from the root, and the objects at its end.
pub(crate) struct TreeNode {
    pub(crate) parent: u32,
    pub(crate) label: u32,
    pub(crate) kind: u32,
    pub(crate) level: u32,
    /// Something below it was bent back on it: it is the first of a repeating pattern.
    pub(crate) repeats: bool,
}

/// The tree. Entry 0 is the root; parents have smaller numbers than what is below them.
pub(crate) struct GrowthTree {
    pub(crate) entries: Vec<TreeNode>,
    steps: usize,
    counts: Vec<u64>,
    sizes: Vec<u64>,
    totals: Vec<u64>,
    /// Entry of each node of the newest snapshot.
    pub(crate) entry_of: Vec<u32>,
    /// The same of the oldest snapshot's nodes; empty if there is but one.
    pub(crate) oldest_entry_of: Vec<u32>,
    /// Numbers of the entries directly below each.
    pub(crate) below: Vec<Vec<u32>>,
}

impl GrowthTree {
    /// Builds the tree from snapshots given oldest first.
    pub(crate) fn new(snapshots: &[Analysis<'_>]) -> GrowthTree {
        GrowthTree::build(snapshots, false)
    }

    /// The same, but with chains of the application's objects in one place each, wherever they hang: what holds the
    /// end of a chain may be another thing at every moment, a timer now and the stack then.
    pub(crate) fn with_chains_apart(snapshots: &[Analysis<'_>]) -> GrowthTree {
        GrowthTree::build(snapshots, true)
    }

    fn build(snapshots: &[Analysis<'_>], chains_apart: bool) -> GrowthTree {
        let mut builder = Builder::new(snapshots.len());
        builder.chains_apart = chains_apart;
        builder.find_anchors(snapshots);
        let mut entry_of = Vec::new();
        let mut oldest = Vec::new();
        for (step, pair) in snapshots.chunks(2).enumerate() {
            // The costly part of two snapshots at a time: more would hold too much memory at once.
            let labels = std::thread::scope(|scope| {
                let other = pair.get(1).map(|second| scope.spawn(|| labels(*second)));
                let first = labels(pair[0]);
                let second = other.map(|handle| handle.join().unwrap_or_else(|panic| resume_unwind(panic)));
                [Some(first), second]
            });
            for ((offset, snapshot), labels) in pair.iter().enumerate().zip(labels) {
                if step == 0 && offset == 1 {
                    oldest = std::mem::take(&mut entry_of);
                }
                entry_of = builder.add(step * 2 + offset, *snapshot, &labels.unwrap_or_default());
            }
        }
        builder.finish(entry_of, oldest)
    }

    pub(crate) fn steps(&self) -> usize {
        self.steps
    }

    /// Objects of an entry in each snapshot.
    pub(crate) fn counts(&self, entry: u32) -> &[u64] {
        &self.counts[entry as usize * self.steps..][..self.steps]
    }

    /// Bytes of an entry's own objects in each snapshot.
    pub(crate) fn own(&self, entry: u32) -> &[u64] {
        &self.sizes[entry as usize * self.steps..][..self.steps]
    }

    /// Bytes of an entry and all below it in each snapshot.
    pub(crate) fn total(&self, entry: u32) -> &[u64] {
        &self.totals[entry as usize * self.steps..][..self.steps]
    }

    /// Whether `entry` is `above` or below it.
    pub(crate) fn within(&self, mut entry: u32, above: u32) -> bool {
        while entry > above {
            entry = self.entries[entry as usize].parent;
        }
        entry == above
    }

    /// All entries of a subtree, `top` first.
    pub(crate) fn subtree(&self, top: u32) -> Vec<u32> {
        let mut found = vec![top];
        let mut next = 0;
        while next < found.len() {
            found.extend_from_slice(&self.below[found[next] as usize]);
            next += 1;
        }
        found
    }
}

/// Sizes in a damaged file may be anything.
fn clamp(bytes: u64) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

/// Last less first; the value itself if there is but one.
pub(crate) fn growth(values: &[u64]) -> i64 {
    match values {
        [] => 0,
        [only] => clamp(*only),
        [first, .., last] => clamp(*last) - clamp(*first),
    }
}

/// How each node's dominator holds it, by place in dominator order: one of the labels above, or a name of the
/// snapshot's string table.
fn labels(analysis: Analysis<'_>) -> Vec<u32> {
    let nodes = analysis.snapshot().node_count() as usize;
    let mut dominator = vec![u32::MAX; nodes];
    let mut order = Vec::with_capacity(nodes);
    for (n, up) in analysis.dominator_order() {
        order.push(n.0);
        dominator[n.0 as usize] = order[up as usize];
    }
    let mut label = vec![NO_LABEL; nodes];
    // Names of properties and variables win over V8's own names.
    let mut strong = vec![false; nodes];
    for from in (0..nodes as u32).map(NodeOrdinal) {
        let dictionary = is_dictionary(analysis, from);
        for e in analysis.edge_range(from).map(EdgeOrdinal) {
            let to = analysis.target(e).0;
            if dominator[to as usize] != from.0 {
                continue;
            }
            let Some((found, is_strong)) = label_of(analysis, from, e, dictionary) else { continue };
            let (known, was_strong) = (label[to as usize], strong[to as usize]);
            // Of several names the same one in every snapshot, in whichever order V8 wrote them.
            if known == NO_LABEL
                || (is_strong, Reverse(label_key(analysis, found)))
                    > (was_strong, Reverse(label_key(analysis, known)))
            {
                label[to as usize] = found;
                strong[to as usize] = is_strong;
            }
        }
    }
    order.iter().map(|&n| label[n as usize]).collect()
}

/// What labels are compared by.
fn label_key(analysis: Analysis<'_>, label: u32) -> (u32, &[u8]) {
    match label.checked_sub(FIRST_NAME) {
        Some(name) => (FIRST_NAME, analysis.text(name)),
        None => (label, b""),
    }
}

/// Whether an object's property names are data.
pub(crate) fn is_dictionary(analysis: Analysis<'_>, object: NodeOrdinal) -> bool {
    let range = analysis.edge_range(object);
    if range.len() > DICTIONARY || range.len() < SMALL_DICTIONARY {
        return range.len() > DICTIONARY;
    }
    if analysis.type_code(object) != node::OBJECT {
        return false;
    }
    let mut kinds: Vec<(u8, u32)> = range
        .map(EdgeOrdinal)
        .filter(|&e| analysis.edge_code(e) == edge::PROPERTY)
        .map(|e| analysis.target(e))
        .map(|to| match analysis.type_code(to) {
            // A string's name is its text, a number's its value.
            ty @ (node::OBJECT | node::ARRAY | node::CLOSURE | node::NATIVE) => (ty, analysis.name_index(to)),
            ty => (ty, 0),
        })
        .collect();
    kinds.sort_unstable();
    let most = kinds.chunk_by(|a, b| a == b).map(<[_]>::len).max().unwrap_or(0);
    kinds.len() >= SMALL_DICTIONARY && most * 100 >= kinds.len() * OF_ONE_KIND
}

/// How an edge is written, and whether somebody has chosen that name; None for one that holds nothing.
fn label_of(
    analysis: Analysis<'_>,
    from: NodeOrdinal,
    e: EdgeOrdinal,
    dictionary: bool,
) -> Option<(u32, bool)> {
    Some(match analysis.edge_code(e) {
        edge::WEAK | edge::INVISIBLE | edge::SHORTCUT => return None,
        edge::ELEMENT => (ELEMENT, true),
        edge::HIDDEN => match analysis.block_variable_of(from, e) {
            Some(name) => (name + FIRST_NAME, true),
            None => (ELEMENT, false),
        },
        edge::PROPERTY if dictionary => (KEY, true),
        code => match analysis.edge_name_index(e) {
            None => (ELEMENT, false),
            Some(name) if code == edge::INTERNAL => {
                let text = analysis.text(name);
                let numbered = text.first().is_some_and(u8::is_ascii_digit);
                let found = if numbered && weak_table(text).is_some() {
                    WEAK_VALUE
                } else if is_index(text) || (numbered && analysis.type_code(from) == node::SYNTHETIC) {
                    // Handles are numbered, too: `12 / DevTools console`.
                    ELEMENT
                } else {
                    name + FIRST_NAME
                };
                (found, false)
            }
            Some(name) => (name + FIRST_NAME, true),
        },
    })
}

/// Strings that V8's table of internalized strings lists (it keeps none of them alive) and one object holds: that
/// object, and how it is written. To the dominators they would belong to nobody.
fn internalized(analysis: Analysis<'_>) -> HashMap<u32, (NodeOrdinal, u32)> {
    let mut found = HashMap::new();
    let Some(table) = analysis.edge_range(analysis.snapshot().root()).map(EdgeOrdinal).find_map(|e| {
        let roots = analysis.target(e);
        let groups = analysis.edge_range(roots).map(|e| analysis.target(EdgeOrdinal(e)));
        (analysis.type_code(roots) == node::SYNTHETIC).then_some(groups)?.find(|&group| {
            analysis.type_code(group) == node::SYNTHETIC
                && analysis.text(analysis.name_index(group)) == INTERNALIZED
        })
    }) else {
        return found;
    };
    for to in analysis.edge_range(table).map(|e| analysis.target(EdgeOrdinal(e))) {
        let mut only = None;
        let mut alone = true;
        for (e, from) in analysis.holders(to).filter(|&(_, from)| from != table) {
            let Some((label, _)) = label_of(analysis, from, e, is_dictionary(analysis, from)) else {
                continue;
            };
            alone &= only.is_none_or(|(other, _)| other == from);
            only = Some((from, label));
            if !alone {
                break;
            }
        }
        if let Some(holder) = only.filter(|_| alone) {
            found.insert(to.0, holder);
        }
    }
    found
}

/// The name of an anchor and that of its reference, by which one of several is chosen.
type AnchorWords<'s> = (&'s [u8], &'s [u8]);

/// What tells objects apart besides their type.
type KindKey = (u8, u32, u64);

struct Builder {
    steps: usize,
    entries: Vec<TreeNode>,
    counts: Vec<u64>,
    sizes: Vec<u64>,
    children: HashMap<(u32, u32, u32), u32>,
    names: HashMap<Box<[u8]>, u32>,
    kinds: HashMap<KindKey, u32>,
    /// For each kind: whether it may be an anchor, later whether it is one.
    anchors: Vec<bool>,
    /// For each kind that says what an object is: its rank in a chain of several kinds.
    telling: Vec<Option<(u8, u64)>>,
    chains_apart: bool,
}

impl Builder {
    fn new(steps: usize) -> Builder {
        Builder {
            steps,
            entries: vec![TreeNode { parent: 0, label: NO_LABEL, kind: 0, level: 0, repeats: false }],
            counts: vec![0; steps],
            sizes: vec![0; steps],
            children: HashMap::new(),
            names: HashMap::new(),
            kinds: HashMap::from_iter([((u8::MAX, 0, 0), 0)]),
            anchors: vec![false],
            telling: vec![None],
            chains_apart: false,
        }
    }

    /// Kinds that say what an object is, and whose number stays the same; in a single snapshot, those that are
    /// there once.
    fn find_anchors(&mut self, snapshots: &[Analysis<'_>]) {
        let mut counts: Vec<Vec<u32>> = Vec::new();
        for &snapshot in snapshots {
            let mut local = Local::new(snapshot);
            let mut found = vec![0; self.anchors.len()];
            for n in (0..snapshot.snapshot().node_count()).map(NodeOrdinal) {
                if !matches!(snapshot.type_code(n), node::OBJECT | node::CLOSURE | node::HIDDEN) {
                    continue;
                }
                let kind = local.kind(self, n) as usize;
                if kind >= found.len() {
                    found.resize(kind + 1, 0);
                }
                found[kind] += 1;
            }
            counts.push(found);
        }
        for kind in 0..self.anchors.len() {
            let of = |found: &Vec<u32>| found.get(kind).copied().unwrap_or(0);
            let first = counts.first().map_or(0, of);
            let stable = first > 0 && counts.iter().all(|found| of(found) == first);
            self.anchors[kind] &= stable && (snapshots.len() > 1 || first == 1);
        }
    }

    /// Puts a snapshot's nodes into the tree; gives the entry of each.
    fn add(&mut self, step: usize, analysis: Analysis<'_>, labels: &[u32]) -> Vec<u32> {
        let mut local = Local::new(analysis);
        let size = analysis.self_sizes();
        let kinds: Vec<u32> = (0..labels.len() as u32).map(|n| local.kind(self, NodeOrdinal(n))).collect();
        let named = self.named(&mut local, &kinds);
        let mut entry_at: Vec<u32> = Vec::with_capacity(labels.len());
        let mut entry_of = vec![0; labels.len()];
        let internalized = internalized(analysis);
        let flattened: Vec<bool> =
            (0..labels.len() as u32).map(|n| analysis.is_flattened(NodeOrdinal(n))).collect();
        let mut order: Vec<NodeOrdinal> = Vec::with_capacity(labels.len());
        for (((n, up), &label), place) in analysis.dominator_order().zip(labels).zip(0u32..) {
            let entry = if place == 0 || internalized.contains_key(&n.0) {
                0
            } else {
                let label = local.label(self, label);
                let kind = kinds[n.0 as usize];
                if self.anchors[kind as usize] {
                    self.child(0, NO_LABEL, kind)
                } else if let Some(&(anchor, label)) = named.get(&n.0) {
                    let anchor = self.child(0, NO_LABEL, anchor);
                    self.child(anchor, label, kind)
                } else if self.chains_apart && self.continues(entry_at[up as usize], kind) {
                    let chain = self.child(0, label, kind);
                    self.entries[chain as usize].repeats = true;
                    chain
                } else if local.view.is_string(n) && flattened[order[up as usize].0 as usize] {
                    entry_at[up as usize]
                } else {
                    self.child(entry_at[up as usize], label, kind)
                }
            };
            order.push(n);
            entry_at.push(entry);
            entry_of[n.0 as usize] = entry;
        }
        let mut strings: Vec<(u32, (NodeOrdinal, u32))> = internalized.into_iter().collect();
        strings.sort_unstable_by_key(|&(n, _)| n);
        for (n, (from, label)) in strings {
            let label = local.label(self, label);
            entry_of[n as usize] = self.child(entry_of[from.0 as usize], label, kinds[n as usize]);
        }
        for (n, &entry) in (0u32..).map(NodeOrdinal).zip(&entry_of) {
            // The text counts, and what is gone with the next collection does not.
            if flattened[n.0 as usize] {
                continue;
            }
            let slot = entry as usize * self.steps + step;
            self.counts[slot] += 1;
            // Compiled code and hidden classes come and go with the optimiser.
            if !matches!(analysis.type_code(n), node::CODE | node::OBJECT_SHAPE | node::SYNTHETIC) {
                self.sizes[slot] = self.sizes[slot].saturating_add(size(n));
            }
        }
        entry_of
    }

    /// What anchors hold by name: kind of the anchor and the name, the same ones in every snapshot if there are
    /// several.
    fn named(&mut self, local: &mut Local<'_>, kinds: &[u32]) -> HashMap<u32, (u32, u32)> {
        let analysis = local.view.analysis;
        let mut named: HashMap<u32, (AnchorWords<'_>, (u32, u32))> = HashMap::new();
        for (from, &kind) in kinds.iter().enumerate() {
            if !self.anchors[kind as usize] {
                continue;
            }
            for e in analysis.edge_range(NodeOrdinal(from as u32)).take(DICTIONARY).map(EdgeOrdinal) {
                let to = analysis.target(e);
                if !matches!(local.view.edge_code(e), edge::PROPERTY | edge::CONTEXT)
                    || analysis.type_code(to) != node::OBJECT
                    || self.anchors[kinds[to.0 as usize] as usize]
                {
                    continue;
                }
                let name = analysis.edge_name_index(e).or_else(|| analysis.block_variable(e));
                let Some(name) = name else { continue };
                if matches!(analysis.text(name), b"__proto__" | b"prototype" | b"constructor") {
                    continue;
                }
                let words =
                    (analysis.text(analysis.name_index(NodeOrdinal(from as u32))), analysis.text(name));
                let found = (words, (kind, local.name(self, name)));
                let best = named.entry(to.0).or_insert(found);
                *best = found.min(*best);
            }
        }
        named.into_iter().map(|(n, (_, found))| (n, found)).collect()
    }

    fn child(&mut self, parent: u32, label: u32, kind: u32) -> u32 {
        if let Some(&known) = self.children.get(&(parent, label, kind)) {
            return known;
        }
        let level = self.entries[parent as usize].level + 1;
        let entry = if let Some(earlier) = self.repetition(parent, label, kind) {
            self.entries[earlier as usize].repeats = true;
            earlier
        } else if level > MOST_LEVELS || self.entries.len() >= MOST_ENTRIES {
            return parent;
        } else {
            self.entries.push(TreeNode { parent, label, kind, level, repeats: false });
            self.counts.resize(self.entries.len() * self.steps, 0);
            self.sizes.resize(self.entries.len() * self.steps, 0);
            self.entries.len() as u32 - 1
        };
        self.children.insert((parent, label, kind), entry);
        entry
    }

    /// Whether an object below an entry is one more of a chain: close above there is one of the same kind. A round of
    /// several kinds counts at one of them, whichever the chain begins with: an object rather than a function, and
    /// that rather than a context.
    fn continues(&self, parent: u32, kind: u32) -> bool {
        let Some(own) = self.telling[kind as usize] else { return false };
        let mut at = parent;
        for _ in 0..LOOK_BACK {
            let above = self.entries[at as usize].kind;
            if at == 0 || self.telling[above as usize].is_some_and(|other| other < own) {
                return false;
            }
            if above == kind {
                return true;
            }
            at = self.entries[at as usize].parent;
        }
        false
    }

    /// The entry further up at which the same happened before: same label and kind, and the same above it.
    fn repetition(&self, parent: u32, label: u32, kind: u32) -> Option<u32> {
        let same = |e: u32, label: u32, kind: u32| {
            let entry = &self.entries[e as usize];
            entry.label == label && entry.kind == kind
        };
        if same(parent, label, kind) {
            return Some(parent);
        }
        let above = &self.entries[parent as usize];
        let mut at = above.parent;
        for _ in 0..LOOK_BACK {
            if at == 0 {
                return None;
            }
            let up = self.entries[at as usize].parent;
            if same(at, label, kind) && up != 0 && same(up, above.label, above.kind) {
                return Some(at);
            }
            at = up;
        }
        None
    }

    fn finish(self, entry_of: Vec<u32>, oldest_entry_of: Vec<u32>) -> GrowthTree {
        let steps = self.steps;
        let mut totals = self.sizes.clone();
        let mut below = vec![Vec::new(); self.entries.len()];
        for entry in (1..self.entries.len()).rev() {
            let parent = self.entries[entry].parent as usize;
            below[parent].push(entry as u32);
            for step in 0..steps {
                let more = totals[entry * steps + step];
                let sum = &mut totals[parent * steps + step];
                *sum = sum.saturating_add(more);
            }
        }
        GrowthTree {
            entries: self.entries,
            steps,
            counts: self.counts,
            sizes: self.sizes,
            totals,
            entry_of,
            oldest_entry_of,
            below,
        }
    }
}

/// One snapshot's names and kinds as the tree's.
struct Local<'s> {
    view: HeapView<'s>,
    names: Vec<u32>,
    kinds: HashMap<(u8, u32), u32>,
    scopes: HashMap<u32, u64>,
}

impl<'s> Local<'s> {
    fn new(analysis: Analysis<'s>) -> Local<'s> {
        Local {
            view: HeapView::new(analysis),
            names: vec![0; analysis.text_count() as usize],
            kinds: HashMap::new(),
            scopes: HashMap::new(),
        }
    }

    fn name(&mut self, builder: &mut Builder, name: u32) -> u32 {
        let Some(slot) = self.names.get_mut(name as usize) else { return NO_LABEL };
        if *slot == 0 {
            let text = self.view.analysis.text(name);
            let next = FIRST_NAME + builder.names.len() as u32;
            *slot = *builder.names.entry(text.into()).or_insert(next);
        }
        *slot
    }

    /// A label of this snapshot as the tree's.
    fn label(&mut self, builder: &mut Builder, label: u32) -> u32 {
        if label < FIRST_NAME { label } else { self.name(builder, label - FIRST_NAME) }
    }

    fn kind(&mut self, builder: &mut Builder, n: NodeOrdinal) -> u32 {
        let ty = self.view.ty(n);
        let key = match ty {
            // V8 puts concatenated strings together as it goes.
            node::STRING | node::CONS_STRING => (node::STRING, 0, 0),
            node::SLICED_STRING => (ty, 0, 0),
            node::NUMBER | node::BIGINT | node::SYMBOL | node::REGEXP => (ty, 0, 0),
            node::CLOSURE => {
                let place =
                    self.view.location(n).map_or(0, |l| (l.line as u64) << 20 | l.column as u64 | 1 << 60);
                let name = self.name(builder, self.view.analysis.name_index(n));
                (ty, name, place)
            }
            _ => {
                let index = self.view.analysis.name_index(n);
                if !self.view.is_context(n) {
                    if let Some(&kind) = self.kinds.get(&(ty, index)) {
                        return kind;
                    }
                    let name = self.name(builder, index);
                    let text = self.view.raw_name(n);
                    let telling = ty == node::OBJECT && !is_builtin(&String::from_utf8_lossy(text));
                    let kind = builder.kind((ty, name, 0), telling, text);
                    self.kinds.insert((ty, index), kind);
                    return kind;
                }
                (ty, 0, self.scope(n))
            }
        };
        // A context's scope and a function's place tell what they are.
        builder.kind(key, key.2 > 1, self.view.raw_name(n))
    }

    /// A number for the scope that a context belongs to: the names that V8 keeps of it.
    fn scope(&mut self, context: NodeOrdinal) -> u64 {
        let Some(scope) = self.view.internal(context, "scope_info") else { return 1 };
        let view = self.view;
        *self.scopes.entry(scope.0).or_insert_with(|| {
            fnv(view.scope_strings(scope).into_iter().flat_map(|part| [view.raw_name(part), b"\0"]))
        })
    }
}

impl Builder {
    fn kind(&mut self, key: KindKey, telling: bool, name: &[u8]) -> u32 {
        let next = self.kinds.len() as u32;
        let kind = *self.kinds.entry(key).or_insert(next);
        if kind == next {
            self.anchors.push(telling);
            let rank = match key {
                (node::CLOSURE, ..) => 1,
                (_, _, 0) => 0,
                _ => 2,
            };
            let order = fnv([name, &key.2.to_le_bytes()]);
            self.telling.push(telling.then_some((rank, order)));
        }
        kind
    }
}

/// A number for bytes, the same in every run (Fowler, Noll and Vo's hash).
fn fnv<'b>(parts: impl IntoIterator<Item = &'b [u8]>) -> u64 {
    let bytes = parts.into_iter().flatten();
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, &byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}
