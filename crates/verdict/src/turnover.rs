//! What comes and goes: a cache with a time to live, a queue under load.
//!
//! The number of its entries rises with the load, in three snapshots as often as not in every step. But what was in it at
//! the first snapshot is gone at the last one, while of a leak everything is still there. Objects can't be told again
//! across snapshots; texts can: keys, ids, tokens.
//!
//! Time: a pass over the nodes of two snapshots, only where something might turn over. Memory: 8 bytes per text looked at.

use foldhash::{HashSet, HashSetExt};
use std::hash::BuildHasher;

use stillheap_analysis::types::node;
use stillheap_analysis::{Analysis, NodeOrdinal};

use crate::heads::Head;
use crate::tree::GrowthTree;

/// Growth beyond this, as a multiple of what there was at first, is a leak or a backlog that somebody has to see.
const MUCH: u64 = 2;
/// Share of the old texts of which so many are gone in what turns over.
const GONE: f64 = 0.7;
/// Fewer texts say nothing.
const LEAST_TEXTS: usize = 20;
/// Texts of one head that are looked at.
const MOST_TEXTS: usize = 5_000;
/// Shorter texts are words, not ids.
const LEAST_LENGTH: usize = 8;

/// Leaves out heads whose objects come and go.
pub(crate) fn leave_out(snapshots: &[Analysis<'_>], tree: &GrowthTree, heads: &mut Vec<Head>) {
    let (Some(&oldest), Some(&newest)) = (snapshots.first(), snapshots.last()) else { return };
    if snapshots.len() < 2 {
        return;
    }
    let slowly = |head: &Head| {
        let counts = tree.counts(head.entry);
        !head.in_place && counts[counts.len() - 1] < counts[0].saturating_mul(MUCH)
    };
    let mut place = vec![u32::MAX; tree.entries.len()];
    for (i, head) in heads.iter().enumerate().filter(|(_, head)| slowly(head)) {
        // An entry's key hangs beside it, from the table of both.
        let parent = tree.entries[head.entry as usize].parent;
        let table = parent != 0 && tree.below[parent as usize].len() < 50;
        for entry in tree.subtree(if table { parent } else { head.entry }) {
            place[entry as usize] = i as u32;
        }
    }
    let hasher = foldhash::fast::FixedState::default();
    let mut texts: Vec<HashSet<u64>> = vec![HashSet::new(); heads.len()];
    for (n, &entry) in (0u32..).map(NodeOrdinal).zip(&tree.oldest_entry_of) {
        let Some(texts) = texts.get_mut(place[entry as usize] as usize) else { continue };
        let name = oldest.text(oldest.name_index(n));
        if oldest.type_code(n) == node::STRING && name.len() >= LEAST_LENGTH && texts.len() < MOST_TEXTS {
            texts.insert(hasher.hash_one(name));
        }
    }
    if texts.iter().all(|texts| texts.len() < LEAST_TEXTS) {
        return;
    }
    let wanted: HashSet<u64> = texts.iter().flatten().copied().collect();
    let strings = (0..newest.snapshot().node_count()).map(NodeOrdinal);
    let strings = strings.filter(|&n| newest.type_code(n) == node::STRING);
    let hashes = strings.map(|n| hasher.hash_one(newest.text(newest.name_index(n))));
    let there: HashSet<u64> = hashes.filter(|hash| wanted.contains(hash)).collect();
    let mut texts = texts.into_iter();
    heads.retain(|_| {
        let texts = texts.next().unwrap_or_default();
        let gone = texts.difference(&there).count();
        texts.len() < LEAST_TEXTS || (gone as f64) < GONE * texts.len() as f64
    });
}
