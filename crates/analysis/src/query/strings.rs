//! Duplicate strings and what they waste.

use serde::Serialize;
use stillheap_graph::sums::sum;

use crate::page::{Page, Paged};
use crate::passes::{duplicates, names};
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
    /// Bytes that one copy instead of all would save: all retained sizes but the smallest.
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
    pub fn duplicate_strings(&self, sort: DuplicateSort, page: Page) -> Paged<DuplicateStrings> {
        let size = self.size_fn();
        let mut rows: Vec<DuplicateStrings> = duplicates::compute(self.graph(), size)
            .into_iter()
            .map(|group| {
                let nodes: Vec<NodeOrdinal> = group.nodes.into_iter().map(NodeOrdinal).collect();
                let retained = nodes.iter().map(|&n| self.retained_size(n));
                let total_retained_size = sum(retained.clone());
                DuplicateStrings {
                    value: String::new(),
                    count: nodes.len() as u64,
                    total_self_size: sum(nodes.iter().map(|n| size(n.0))),
                    total_retained_size,
                    wasted_size: total_retained_size - retained.min().unwrap_or(0),
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
            let text = names::display(self.graph(), row.nodes[0].0);
            DuplicateStrings { value: String::from_utf8_lossy(&text).into_owned(), ..row.clone() }
        })
    }
}
