//! The verdict: which objects leak, who holds them, through which variable, at which line, and why.
//!
//! Snapshots of one program go in, oldest first; [`Leaks`] comes out, plain data. The way there: all snapshots
//! are laid over each other by *where* objects hang (no ids are needed), the topmost places that
//! become more in every step are the heads of leaks, and each head's usual way from a root shows what stays and
//! what grows. Detectors (`detect/`) then recognise the cause on that way, and the source index finds the lines.
//!
//! Time: about that of the dominators of each snapshot, plus a bounded search per suspect. Memory: 16 bytes per
//! node of two snapshots at a time. Pure: nothing is printed or read; sources come from the caller. Broken and
//! hostile snapshots give strange answers, never a panic.
#![forbid(unsafe_code)]

mod case;
mod dead;
mod detect;
mod heads;
mod naming;
mod outside;
mod paths;
mod report;
mod single;
mod source_index;
mod sources;
mod telling;
mod tree;
mod turnover;
mod view;
mod words;

pub use dead::{DeadVariable, dead_variables};
pub use report::*;
pub use sources::{NoSources, Original, SourceExcerpt, Sources};
pub use words::{count, size};

use case::Case;
use source_index::SourceIndex;
use stillheap_analysis::{Analysis, NodeOrdinal};
use tree::{GrowthTree, growth};
use view::{HeapView, is_builtin, weak_pair};

#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Suspects to give, at most.
    pub limit: usize,
    /// Growth per step from which something is suspected, in bytes, instead of what is no noise in a running service.
    pub least_growth: Option<i64>,
}

impl Default for Options {
    fn default() -> Self {
        Options { limit: 5, least_growth: None }
    }
}

/// Heads that are looked into; those beyond are smaller than all of these.
const MOST_HEADS: usize = 24;
/// Share of all growth from which on something counts that is Node's own and of which nobody's line can be named.
const MUCH: f64 = 0.1;
/// Classes given of each suspect.
const MOST_CLASSES: usize = 10;

/// What leaks, from snapshots given oldest first; of a single one, what is suspiciously many and large.
pub fn leaks(snapshots: &[Analysis<'_>], sources: &dyn Sources, options: Options) -> Leaks {
    let Some(&newest) = snapshots.last() else {
        let heap = outside::course(snapshots);
        return Leaks { verdict: "No snapshot was given.".to_owned(), heap, suspects: Vec::new() };
    };
    let mut tree = GrowthTree::new(snapshots);
    let mut heads = heads::find(&tree, options.least_growth);
    if heads.is_empty() && heads::grows_at_all(&tree, options.least_growth) {
        let other = GrowthTree::with_chains_apart(snapshots);
        heads = heads::find(&other, options.least_growth);
        heads.retain(|head| other.entries[head.entry as usize].repeats);
        if !heads.is_empty() {
            tree = other;
        }
    }
    heads.truncate(MOST_HEADS);
    turnover::leave_out(snapshots, &tree, &mut heads);
    let examples = examples(&tree, newest);
    let view = HeapView::new(newest);
    let source_index = SourceIndex::new(view, sources);
    let members = case::members(newest, &tree, &heads);
    let cases: Vec<Case<'_, '_>> = heads
        .iter()
        .zip(members)
        .filter_map(|(&head, members)| Case::new(&source_index, &tree, &examples, head, members))
        .collect();
    let heap = outside::course(snapshots);
    let mut suspects = merge(&cases, |group| suspect(group, &examples));
    let known = suspects.iter().map(|s| s.growth_per_step).fold(0, i64::saturating_add);
    let all = if snapshots.len() == 1 {
        heap.sizes.last().map_or(1, |&size| growth(&[size]))
    } else {
        known.max(heap.growth_per_step).max(1)
    };
    for suspect in &mut suspects {
        suspect.share_of_growth = (suspect.growth_per_step as f64 / all as f64).clamp(0.0, 1.0);
    }
    suspects.extend(outside::suspect(&heap, known));
    suspects.sort_by_key(|s| std::cmp::Reverse(s.growth_per_step));
    if snapshots.len() == 1 {
        single::reword(&mut suspects);
    } else {
        leave_out_consequences(&mut suspects);
    }
    suspects.truncate(options.limit);
    Leaks { verdict: verdict(&suspects, snapshots.len()), heap, suspects }
}

/// Leaves out what Node itself collects beside a larger suspect, and of which nobody's line can be named: timers, symbols
/// and records of what the suspect has started.
fn leave_out_consequences(suspects: &mut Vec<Suspect>) {
    let is_consequence = |suspect: &Suspect| {
        let script = suspect.cause.location.as_ref().and_then(|at| at.script.as_deref());
        let nobody_s = script.is_none_or(|script| script.is_empty() || script.starts_with("node:"));
        let general = matches!(
            suspect.cause.kind,
            CauseKind::Collection | CauseKind::Growth | CauseKind::ConcatenatedString
        );
        let holder = suspect.path.iter().take_while(|step| !step.grows).last();
        let by_node = holder.is_none_or(|step| matches!(step.owner, Owner::Root | Owner::Runtime));
        nobody_s && general && by_node && !suspect.path.is_empty()
    };
    let mut at = 0;
    suspects.retain(|suspect| {
        at += 1;
        // Alone, it counts where it is much of what grows: modules that are loaded late are little here and there.
        (at == 1 && suspect.share_of_growth >= MUCH) || !is_consequence(suspect)
    });
}

/// One node of the newest snapshot for each entry that has any.
fn examples(tree: &GrowthTree, newest: Analysis<'_>) -> Vec<u32> {
    let mut examples = vec![u32::MAX; tree.entries.len()];
    for (n, &entry) in (0u32..).zip(&tree.entry_of) {
        let known = &mut examples[entry as usize];
        if *known == u32::MAX || newest.id(NodeOrdinal(n)) < newest.id(NodeOrdinal(*known)) {
            *known = n;
        }
    }
    examples
}

/// Cases with the same holder are one: the keys, the values and the table of a Map.
fn merge<'c, 'v, 's>(
    cases: &'c [Case<'v, 's>],
    make: impl Fn(&[&'c Case<'v, 's>]) -> Suspect,
) -> Vec<Suspect> {
    let mut groups: Vec<Vec<&Case<'_, '_>>> = Vec::new();
    for case in cases {
        let same = groups.iter_mut().find(|group| group.iter().any(|other| belongs(other, case)));
        match same {
            Some(group) => group.push(case),
            None => groups.push(vec![case]),
        }
    }
    let mut suspects: Vec<(Suspect, &Case<'_, '_>)> = Vec::new();
    for group in &groups {
        let next = make(group);
        let same = |(other, _): &&mut (Suspect, _)| {
            let known = other.cause.location.is_some() && other.cause.location == next.cause.location;
            known && other.cause.variable == next.cause.variable
        };
        match suspects.iter_mut().find(same) {
            Some((other, _)) => absorb(other, &next),
            None => suspects.push((next, group[0])),
        }
    }
    // Two collections that a library fills together are one leak.
    for i in (1..suspects.len()).rev() {
        let beside = suspects[..i].iter().position(|(_, case)| case.grows_beside(suspects[i].1));
        let Some(j) = beside else { continue };
        let (other, _) = suspects.remove(i);
        let first = &mut suspects[j].0;
        if let Some(variable) =
            other.cause.variable.as_deref().filter(|v| first.cause.variable.as_deref() != Some(*v))
        {
            first.cause.detail += &format!("; {variable} beside it grows with it");
        }
        absorb(first, &other);
    }
    // A WeakMap's values live as long as their keys: what keeps those is the cause.
    for i in (0..suspects.len()).rev() {
        if suspects[i].0.cause.kind != CauseKind::WeakMap {
            continue;
        }
        let Some(way) = key_path(suspects[i].1) else { continue };
        let keeps = |(other, case): &(Suspect, &Case<'_, '_>)| {
            let on_way = |n: &u32| case.tree.within(*n, case.head.entry);
            other.cause.kind != CauseKind::WeakMap && way.iter().any(on_way)
        };
        if let Some(j) = suspects.iter().position(keeps) {
            let (values, _) = suspects.remove(i);
            let j = if j > i { j - 1 } else { j };
            absorb(&mut suspects[j].0, &values);
        }
    }
    suspects.into_iter().map(|(suspect, _)| suspect).collect()
}

/// Entries on the way from a root to a key of the WeakMap whose values grow.
fn key_path(case: &Case<'_, '_>) -> Option<Vec<u32>> {
    let view = case.view;
    let at = case.weak_map().filter(|&at| at > 0)?;
    let (table, value) = (case.node(at - 1), case.node(at));
    let pair = weak_pair(case.edge(at))?;
    let mut keys = view.analysis.holders(value).take(1_000);
    let (_, key) = keys.find(|&(e, from)| from != table && weak_pair(view.edge_bytes(e)) == Some(pair))?;
    let way = paths::to_root_past_weak_maps(view, key)?;
    Some(way.iter().map(|step| case.tree.entry_of[step.node.0 as usize]).collect())
}

/// Whether `other` is part of what `case` is about: held by the same object, or by what also holds its objects.
fn belongs(case: &Case<'_, '_>, other: &Case<'_, '_>) -> bool {
    let tree = case.tree;
    let entry = |n: NodeOrdinal| tree.entry_of[n.0 as usize];
    let holders = |case: &Case<'_, '_>| entry(case.holder_node());
    if holders(case) == holders(other) {
        return true;
    }
    let also = |of: &Case<'_, '_>, holder: u32| {
        of.members.iter().take(10).any(|&member| {
            let mut at = vec![member];
            for _ in 0..3 {
                let holders =
                    |&n: &NodeOrdinal| of.view.analysis.holders(n).take(2_000).map(|(_, from)| from);
                let mut up: Vec<NodeOrdinal> = at.iter().flat_map(holders).collect();
                // The oldest, rather than those that V8 wrote first.
                up.sort_by_key(|&n| of.view.analysis.id(n));
                up.dedup();
                up.truncate(100);
                if up.iter().any(|&n| entry(n) == holder) {
                    return true;
                }
                at = up.into_iter().filter(|&n| of.view.is_part(n)).collect();
            }
            false
        })
    };
    also(case, holders(other)) || also(other, holders(case))
}

fn suspect(group: &[&Case<'_, '_>], examples: &[u32]) -> Suspect {
    let main = group[0];
    let finding = detect::cause(main);
    let steps = main.tree.steps();
    let mut retained_sizes = vec![0; steps];
    let mut classes: Vec<SuspectClass> = Vec::new();
    for case in group {
        let head = case.head;
        let sizes = if head.in_place { case.tree.own(head.entry) } else { case.tree.total(head.entry) };
        add(&mut retained_sizes, sizes);
        merge_classes(&mut classes, &case.classes);
    }
    let class_name = telling::class(group, finding.cause.kind, examples);
    let counts = classes
        .iter()
        .find(|class| class.class_name == class_name)
        .map_or_else(|| main.tree.counts(main.head.entry).to_vec(), |class| class.counts.clone());
    classes.truncate(MOST_CLASSES);
    Suspect {
        class_name: Some(class_name),
        counts,
        growth_per_step: outside::per_step(&retained_sizes),
        retained_sizes,
        share_of_growth: 0.0,
        stands_out: None,
        confidence: None,
        classes,
        path: words::steps(main, finding.decisive),
        cause: finding.cause,
        explanation: finding.explanation,
        advice: finding.advice,
    }
}

fn add(sum: &mut [u64], more: &[u64]) {
    for (sum, more) in sum.iter_mut().zip(more) {
        *sum = sum.saturating_add(*more);
    }
}

fn merge_classes(into: &mut Vec<SuspectClass>, more: &[SuspectClass]) {
    for class in more {
        match into.iter_mut().find(|other| other.class_name == class.class_name) {
            Some(other) => {
                add(&mut other.counts, &class.counts);
                add(&mut other.sizes, &class.sizes);
            }
            None => into.push(class.clone()),
        }
    }
    into.sort_by_key(|class| std::cmp::Reverse(growth(&class.sizes)));
}

fn absorb(suspect: &mut Suspect, other: &Suspect) {
    add(&mut suspect.retained_sizes, &other.retained_sizes);
    suspect.growth_per_step = suspect.growth_per_step.saturating_add(other.growth_per_step);
    let says_little = |suspect: &Suspect| suspect.class_name.as_deref().is_none_or(is_builtin);
    if says_little(suspect) && !says_little(other) {
        suspect.class_name.clone_from(&other.class_name);
        suspect.counts.clone_from(&other.counts);
    }
    merge_classes(&mut suspect.classes, &other.classes);
    suspect.classes.truncate(MOST_CLASSES);
}

/// The answer in one sentence.
fn verdict(suspects: &[Suspect], snapshots: usize) -> String {
    let place = suspects.first().and_then(|s| s.cause.location.as_ref());
    let place = place.map_or_else(String::new, |l| format!(" ({})", report::short(l)));
    if snapshots == 1 {
        return single::verdict(suspects, &place);
    }
    let Some(first) = suspects.first() else {
        return format!("No leak found in these {snapshots} snapshots.");
    };
    match &first.class_name {
        // "Array leaks: Array kept is filled" says the same twice.
        Some(class) if is_builtin(class) && first.cause.detail.starts_with(&format!("{class} ")) => {
            format!("{}{place}.", first.cause.detail)
        }
        Some(class) => format!("{class} leaks: {}{place}.", first.cause.detail),
        None => format!("The leak is outside the JavaScript heap: {}.", first.cause.detail),
    }
}
