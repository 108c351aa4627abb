//! Free-text search of names.

use super::{NodeFilter, NodeInfo};
use crate::page::{Page, Paged};
use crate::passes::names;
use crate::snapshot::{Analysis, NodeOrdinal};
use stillheap_graph::strings::kind;
use stillheap_graph::types::node;

impl<'s> Analysis<'s> {
    /// Nodes of non-zero size whose display name contains a text, in file order; ASCII and Unicode case are
    /// ignored unless `case_sensitive`.
    pub fn search(
        &self,
        text: &str,
        case_sensitive: bool,
        filter: Option<NodeFilter>,
        page: Page,
    ) -> Paged<NodeInfo> {
        let lower = text.to_lowercase();
        let found = self.search_by(filter, |name| {
            if case_sensitive {
                memchr::memmem::find(name.as_bytes(), text.as_bytes()).is_some()
            } else {
                contains_folded(name, &lower)
            }
        });
        Paged::of(&found, page, |n| self.node(*n))
    }

    /// The same with any test of the name: globs and regular expressions are the caller's. Each name of the
    /// file is tested once, however many nodes have it.
    pub fn search_by(
        &self,
        filter: Option<NodeFilter>,
        mut test: impl FnMut(&str) -> bool,
    ) -> Vec<NodeOrdinal> {
        let (graph, size) = (self.graph(), self.size_fn());
        let kept = filter.map(|f| self.kept(f));
        let matches: Vec<bool> = (0..graph.strings.len()).map(|i| test(&graph.strings.text(i))).collect();
        let mut found = Vec::new();
        for ordinal in 0..graph.node_count() {
            if kept.as_ref().is_some_and(|kept| !kept.get(ordinal)) || size(ordinal) == 0 {
                continue;
            }
            let custom = match graph.node_type[ordinal as usize] {
                node::CONS_STRING => true,
                node::OBJECT => graph.name_kind(ordinal) == kind::OBJECT,
                _ => false,
            };
            let hit = if custom {
                test(&String::from_utf8_lossy(&names::display(graph, || self.snapshot.ropes(), ordinal)))
            } else {
                matches[graph.node_name[ordinal as usize] as usize]
            };
            if hit {
                found.push(NodeOrdinal(ordinal));
            }
        }
        found
    }
}

fn contains_folded(name: &str, lower: &str) -> bool {
    if name.is_ascii() && lower.is_ascii() {
        let (name, lower) = (name.as_bytes(), lower.as_bytes());
        return lower.is_empty() || name.windows(lower.len()).any(|w| w.eq_ignore_ascii_case(lower));
    }
    name.to_lowercase().contains(lower)
}
