//! What the heap is made of, as a tree: the dominator tree with equal objects put together.
//!
//! A dominator tree has as many nodes as the heap; nobody can look at it. Here the objects that one holder
//! dominates stand together by class, and so do what they dominate, level by level: "the module cache holds 900
//! `Session`s, which hold 900 Maps". A class stands at most twice on a way from the root: the objects of the
//! third are put with the second, so that a list of a million elements is two levels deep, not a million.
//! Objects whose size is counted with their owner have no level of their own; what they dominate is their
//! dominator's.
//!
//! Every byte is counted once: a group's retained size is the self sizes of all objects in and below it, and the
//! root's is that of the whole dominator tree. Time: a few steps and one look-up per node. Memory while running:
//! 4 bytes per node, 32 per group and its look-up; [`MOST_GROUPS`] bounds the groups of strange heaps.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use foldhash::{HashMap, HashMapExt};
use serde::Serialize;
use stillheap_graph::sums::add;

use crate::snapshot::{Analysis, NodeOrdinal};

/// How often a class may stand on a way from the root.
const MOST_ON_A_WAY: u32 = 2;

/// Levels; deeper objects are put with their dominator's group.
const MOST_LEVELS: u32 = 40;

/// Groups before they are cut down to what was asked for; then objects are put with their dominator's group.
const MOST_GROUPS: usize = 1 << 22;

/// Objects of one class that stand together, and what they dominate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ClassTree {
    pub class_name: String,
    /// Objects in the group.
    pub count: u64,
    /// Bytes of their own.
    pub self_size: u64,
    /// Bytes of theirs and of all that is below.
    pub retained_size: u64,
    /// The one of them that retains most.
    pub largest: LargestObject,
    /// The groups below, largest first, as far as they are shown.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub children: Vec<ClassTree>,
    /// What of the groups below is not shown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hidden: Option<HiddenGroups>,
}

/// An object that stands for its group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LargestObject {
    /// Its id, as in `@123`.
    pub id: u64,
    /// Its display name.
    pub name: String,
    /// What it retains, in bytes.
    pub retained_size: u64,
}

/// Groups too many or too small to be shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct HiddenGroups {
    pub groups: u64,
    /// Bytes in and below them.
    pub retained_size: u64,
}

/// A group while the tree is built.
struct ClassGroup {
    parent: u32,
    class: u32,
    level: u32,
    count: u64,
    own: u64,
    /// Dominator number of the object that retains most.
    largest: u32,
}

impl Analysis<'_> {
    /// The tree, with the `limit` groups that retain most (and at least the root); a group is shown only below
    /// one that is.
    pub fn class_tree(&self, limit: usize) -> ClassTree {
        let groups = self.groups();
        let retained = sums(&groups);
        let children = children(&groups, &retained);
        let shown = choose(&children, &retained, limit.max(1));
        self.shown_tree(
            0,
            &Shown { groups: &groups, retained: &retained, children: &children, shown: &shown },
        )
    }

    /// Every group, parents before their children; the first is the root's.
    fn groups(&self) -> Vec<ClassGroup> {
        let (dominators, retained, size) = (self.dominators(), self.retained(), self.size_fn());
        let classes = self.snapshot.classes();
        let class_of = |number: usize| classes.of_node[dominators.order[number] as usize];
        let root = dominators.order[0];
        let mut groups = vec![ClassGroup {
            parent: 0,
            class: class_of(0),
            level: 0,
            count: 1,
            own: size(root),
            largest: 0,
        }];
        let mut places: HashMap<(u32, u32), u32> = HashMap::new();
        let mut place_of = vec![0u32; dominators.order.len()];
        for number in 1..dominators.order.len() {
            // A dominator's number is smaller than those of what it dominates.
            let above = place_of[dominators.idom[number] as usize];
            let bytes = size(dominators.order[number]);
            if bytes == 0 {
                place_of[number] = above;
                continue;
            }
            let class = class_of(number);
            let place = match repeated(&groups, above, class) {
                Some(place) => place,
                None => match places.get(&(above, class)) {
                    Some(&place) => place,
                    None if groups[above as usize].level >= MOST_LEVELS || groups.len() >= MOST_GROUPS => {
                        above
                    }
                    None => {
                        let place = groups.len() as u32;
                        let level = groups[above as usize].level + 1;
                        let largest = number as u32;
                        groups.push(ClassGroup { parent: above, class, level, count: 0, own: 0, largest });
                        places.insert((above, class), place);
                        place
                    }
                },
            };
            place_of[number] = place;
            let group = &mut groups[place as usize];
            add(&mut group.own, bytes);
            if group.class == class {
                group.count += 1;
                if retained[number] > retained[group.largest as usize] {
                    group.largest = number as u32;
                }
            }
        }
        groups
    }

    /// Levels are few, so the recursion is shallow.
    fn shown_tree(&self, at: u32, shown: &Shown<'_>) -> ClassTree {
        let group = &shown.groups[at as usize];
        let mut hidden = HiddenGroups::default();
        let mut children = Vec::new();
        for &child in &shown.children[at as usize] {
            if shown.shown[child as usize] {
                children.push(self.shown_tree(child, shown));
            } else {
                hidden.groups += 1;
                add(&mut hidden.retained_size, shown.retained[child as usize]);
            }
        }
        let largest = NodeOrdinal(self.dominators().order[group.largest as usize]);
        ClassTree {
            class_name: String::from_utf8_lossy(&self.snapshot.classes().list[group.class as usize].name)
                .into_owned(),
            count: group.count,
            self_size: group.own,
            retained_size: shown.retained[at as usize],
            largest: LargestObject {
                id: self.id(largest),
                name: self.name(largest).into_owned(),
                retained_size: self.retained_size(largest),
            },
            children,
            hidden: (hidden.groups > 0).then_some(hidden),
        }
    }
}

struct Shown<'t> {
    groups: &'t [ClassGroup],
    retained: &'t [u64],
    children: &'t [Vec<u32>],
    shown: &'t [bool],
}

/// The nearest group of the class on the way up, if there may be no further one.
fn repeated(groups: &[ClassGroup], above: u32, class: u32) -> Option<u32> {
    let (mut at, mut seen, mut nearest) = (above, 0, None);
    while at != 0 {
        let group = &groups[at as usize];
        if group.class == class {
            seen += 1;
            nearest = nearest.or(Some(at));
            if seen == MOST_ON_A_WAY {
                return nearest;
            }
        }
        at = group.parent;
    }
    None
}

fn sums(groups: &[ClassGroup]) -> Vec<u64> {
    let mut sums: Vec<u64> = groups.iter().map(|g| g.own).collect();
    for at in (1..groups.len()).rev() {
        let more = sums[at];
        add(&mut sums[groups[at].parent as usize], more);
    }
    sums
}

/// Largest first.
fn children(groups: &[ClassGroup], retained: &[u64]) -> Vec<Vec<u32>> {
    let mut children = vec![Vec::new(); groups.len()];
    for (at, group) in groups.iter().enumerate().skip(1) {
        children[group.parent as usize].push(at as u32);
    }
    for list in &mut children {
        list.sort_by_key(|&child| (Reverse(retained[child as usize]), child));
    }
    children
}

/// Shows the largest group below those shown already, again and again.
fn choose(children: &[Vec<u32>], retained: &[u64], limit: usize) -> Vec<bool> {
    let mut shown = vec![false; children.len()];
    let mut open = BinaryHeap::from([(retained[0], Reverse(0u32))]);
    let mut left = limit;
    while let Some((_, Reverse(at))) = open.pop() {
        if left == 0 {
            break;
        }
        left -= 1;
        shown[at as usize] = true;
        open.extend(children[at as usize].iter().map(|&child| (retained[child as usize], Reverse(child))));
    }
    shown
}
