//! Where growth begins: the topmost entries of the tree whose objects become more, or whose own bytes do.
//!
//! Above such a *head* nothing changes but sizes; below it everything is kept by it. So all growth below a head
//! is one leak, and what holds the head's objects is where to look. An entry is a head if the growth of its
//! number explains the growth of its bytes: of 5,000 contexts that become 5,003 while one of them collects
//! 100 MB, the 100 MB are not due to the three.

use crate::tree::{GrowthTree, growth};

/// Growth per step below this, in bytes, is noise: a running program always compiles, caches and logs.
const FLOOR: i64 = 6_000;
/// And so is growth per step below this part of the heap, in thousandths,
const NEGLIGIBLE: i64 = 3;
/// unless it is more than this.
const ALWAYS_WORTH: i64 = 256_000;
/// Share of all growth below which a head isn't worth a line.
const WORTH: f64 = 0.03;
/// Share of the bytes' growth that the number's growth must explain.
const EXPLAINS: f64 = 0.4;
/// Last step's growth against the first one's: below this it settles.
const SETTLES: f64 = 0.3;
/// Bytes of a table for each object in it, at most: a Map that has just doubled, its keys being numbers.
const BYTES_OF_ENTRY: u64 = 128;
/// For a single snapshot: so many times more objects than parents.
const FAN_OUT: u64 = 30;
/// For a single snapshot: share of the heap.
const LARGE: f64 = 0.08;
/// And never less than this, in bytes.
const LEAST: f64 = 100_000.0;

/// What grows.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Head {
    pub(crate) entry: u32,
    /// Bytes from the first snapshot to the last.
    pub(crate) growth: i64,
    /// The objects don't become more; they become larger.
    pub(crate) in_place: bool,
}

/// All heads, largest growth first.
pub(crate) fn find(tree: &GrowthTree, least: Option<i64>) -> Vec<Head> {
    let mut heads = Vec::new();
    let mut covered = vec![false; tree.entries.len()];
    let floor = floor(tree, least);
    for entry in 1..tree.entries.len() as u32 {
        if covered[tree.entries[entry as usize].parent as usize] {
            covered[entry as usize] = true;
            continue;
        }
        let found = if tree.steps() == 1 { stands_out(tree, entry) } else { grows(tree, entry, floor) };
        let Some(head) = found else { continue };
        covered[entry as usize] = !head.in_place;
        heads.push(head);
    }
    heads.sort_by_key(|head| (std::cmp::Reverse(head.growth), head.entry));
    let all: f64 = heads.iter().map(|head| head.growth as f64).sum();
    heads.retain(|head| head.growth as f64 >= all * WORTH);
    heads
}

/// Growth over all snapshots below which nothing is said.
fn floor(tree: &GrowthTree, least: Option<i64>) -> i64 {
    let heap = growth(&tree.total(0)[..1]);
    let noise = || FLOOR.max((heap / 1_000 * NEGLIGIBLE).min(ALWAYS_WORTH));
    least.map_or_else(noise, |least| least.max(1)).saturating_mul((tree.steps() as i64 - 1).max(1))
}

/// Whether the heap as a whole grows.
pub(crate) fn grows_at_all(tree: &GrowthTree, least: Option<i64>) -> bool {
    let total = tree.total(0);
    total.len() > 1 && steady(total) && growth(total) >= floor(tree, least)
}

/// More in every step, and not as if it were about to stop.
fn steady(values: &[u64]) -> bool {
    let steps: Vec<f64> = values.windows(2).map(|pair| pair[1] as f64 - pair[0] as f64).collect();
    let (Some(&first), Some(&last)) = (steps.first(), steps.last()) else { return false };
    steps.iter().all(|&step| step > 0.0) && (steps.len() == 1 || last >= SETTLES * first)
}

fn grows(tree: &GrowthTree, entry: u32, floor: i64) -> Option<Head> {
    let (counts, total, own) = (tree.counts(entry), tree.total(entry), tree.own(entry));
    let (all, by_itself) = (growth(total), growth(own));
    if all >= floor && steady(total) && steady(counts) {
        let (first, last) = (counts[0] as f64, counts[counts.len() - 1] as f64);
        // With two snapshots nothing tells what was made once from what is made again and again, but its number.
        let enough = if counts.len() > 2 { last - first >= 2.0 } else { last - first >= 8.0 };
        let explained = if first == 0.0 { all as f64 } else { (last - first) * total[0] as f64 / first };
        if enough && explained >= EXPLAINS * all as f64 {
            return Some(Head { entry, growth: all, in_place: false });
        }
    }
    (by_itself >= floor && steady(own) && !is_capacity(tree, entry)).then_some(Head {
        entry,
        growth: by_itself,
        in_place: true,
    })
}

/// Whether a table gets larger while what is in it does not become more: V8 doubles a table for entries that were taken out
/// as well. What is in it is known only if it is objects; numbers are in the table itself.
fn is_capacity(tree: &GrowthTree, entry: u32) -> bool {
    // A Map's entries hang from its table.
    let below = &tree.below[entry as usize];
    let inside: Vec<u32> = below.iter().flat_map(|&e| tree.below[e as usize].iter().copied()).collect();
    let of_step = |step: usize| below.iter().chain(&inside).map(|&e| tree.counts(e)[step]).sum();
    let contents: Vec<u64> = (0..tree.steps()).map(of_step).collect();
    let own = tree.own(entry);
    let of_objects = contents[contents.len() - 1].saturating_mul(BYTES_OF_ENTRY) >= own[own.len() - 1];
    of_objects && !steady(&contents)
}

/// A single snapshot: very many of them where there are few of what holds them, and much of the heap.
fn stands_out(tree: &GrowthTree, entry: u32) -> Option<Head> {
    let size = tree.total(entry)[0];
    let heap = tree.total(0)[0] as f64;
    if (size as f64) < (heap * LARGE).max(LEAST) {
        return None;
    }
    let parent = tree.entries[entry as usize].parent;
    let held_by = if parent == 0 { 1 } else { tree.counts(parent)[0].max(1) };
    let many = tree.counts(entry)[0] / held_by >= FAN_OUT || tree.entries[entry as usize].repeats;
    let large = tree.own(entry)[0] as f64 >= heap * 2.0 * LARGE;
    (many || large).then_some(Head { entry, growth: growth(&[size]), in_place: !many })
}
