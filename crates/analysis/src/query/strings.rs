//! Duplicate strings and what they waste.

use foldhash::{HashMap, HashMapExt, HashSet, HashSetExt};
use serde::Serialize;
use stillheap_graph::sums::sum;
use stillheap_graph::types::node;

use crate::page::{Page, Paged};
use crate::passes::duplicates::{self, Sameness};
use crate::passes::names;
use crate::snapshot::{Analysis, NodeOrdinal};

/// Strings with the same text.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DuplicateStrings {
    /// The text (its first 1024 UTF-16 units if it is concatenated).
    pub value: String,
    /// How many nodes have it.
    pub count: u64,
    /// Sum of self sizes.
    pub total_self_size: u64,
    /// Sum of retained sizes.
    pub total_retained_size: u64,
    /// Bytes that one copy instead of all would save: all retained sizes but the smallest. Copies that are part of a
    /// longer text which is there more than once are counted there.
    pub wasted_size: u64,
    /// V8 cut the text; the copies agree in length and hash too, as far as the file has them.
    pub truncated: bool,
    /// The nodes, in file order.
    #[serde(skip)]
    pub nodes: Vec<NodeOrdinal>,
}

/// Order of duplicate strings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DuplicateSort {
    /// Largest sum of retained sizes first, as DevTools does.
    #[default]
    RetainedSize,
    /// Most wasted bytes first.
    Wasted,
    /// Most copies first.
    Count,
}

impl<'s> Analysis<'s> {
    /// Texts that more than one string node has.
    pub fn duplicate_strings(
        &self,
        same: Sameness,
        sort: DuplicateSort,
        page: Page,
    ) -> Paged<DuplicateStrings> {
        let size = self.size_fn();
        let ropes = self.snapshot.ropes();
        let groups = duplicates::compute(self.graph(), ropes, same, size);
        let inner = self.inner_copies(&groups);
        let mut rows: Vec<DuplicateStrings> = groups
            .into_iter()
            .map(|group| {
                let nodes: Vec<NodeOrdinal> = group.nodes.into_iter().map(NodeOrdinal).collect();
                let retained = nodes.iter().map(|&n| self.retained_size(n));
                let total_retained_size = sum(retained.clone());
                let outer = nodes.iter().filter(|n| !inner.contains(&n.0)).map(|&n| self.retained_size(n));
                let outer_size = sum(outer.clone());
                DuplicateStrings {
                    value: String::new(),
                    count: nodes.len() as u64,
                    total_self_size: sum(nodes.iter().map(|n| size(n.0))),
                    total_retained_size,
                    wasted_size: outer_size - outer.min().unwrap_or(0),
                    truncated: group.truncated,
                    nodes,
                }
            })
            .collect();
        match sort {
            DuplicateSort::RetainedSize => rows.sort_by_key(|r| std::cmp::Reverse(r.total_retained_size)),
            DuplicateSort::Wasted => rows.sort_by_key(|r| std::cmp::Reverse(r.wasted_size)),
            DuplicateSort::Count => rows.sort_by_key(|r| std::cmp::Reverse(r.count)),
        }
        Paged::of(&rows, page, |row| {
            let text = names::display(self.graph(), || ropes, row.nodes[0].0);
            DuplicateStrings { value: String::from_utf8_lossy(&text).into_owned(), ..row.clone() }
        })
    }

    /// Copies that a concatenated string owns which itself has copies.
    fn inner_copies(&self, groups: &[duplicates::DuplicateGroup]) -> HashSet<u32> {
        let copies: HashSet<u32> = groups.iter().flat_map(|group| &group.nodes).copied().collect();
        // For each node of the way up: whether it or one above it, as far as those are concatenated strings, is a copy.
        let mut known: HashMap<u32, bool> = HashMap::new();
        let mut inner = HashSet::new();
        for &copy in &copies {
            let mut way = Vec::new();
            let mut at = self.dominator(NodeOrdinal(copy)).0;
            let found = loop {
                if self.type_code(NodeOrdinal(at)) != node::CONS_STRING {
                    break false;
                }
                if copies.contains(&at) {
                    break true;
                }
                if let Some(&found) = known.get(&at) {
                    break found;
                }
                way.push(at);
                at = self.dominator(NodeOrdinal(at)).0;
            };
            known.extend(way.into_iter().map(|n| (n, found)));
            if found {
                inner.insert(copy);
            }
        }
        inner
    }
}
