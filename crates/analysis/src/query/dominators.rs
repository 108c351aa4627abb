//! The dominator tree: what a node keeps alive, and through whom.

use super::NodeInfo;
use crate::page::{Page, Paged};
use crate::snapshot::{Analysis, NodeOrdinal};

impl<'s> Analysis<'s> {
    /// From the node up to the root: every step would free it.
    pub fn dominator_chain(&self, node: NodeOrdinal) -> Vec<NodeInfo> {
        self.dominator_ordinals(node).map(|n| self.node(n)).collect()
    }

    /// The same as ordinals, computed step by step; a chain can be as long as the heap is large.
    pub fn dominator_ordinals(&self, node: NodeOrdinal) -> impl Iterator<Item = NodeOrdinal> + 's {
        let dominators = self.dominators();
        let mut next = Some(dominators.number[node.0 as usize]);
        std::iter::from_fn(move || {
            let number = next?;
            next = (number != 0).then(|| dominators.idom[number as usize]);
            Some(NodeOrdinal(dominators.order[number as usize]))
        })
    }

    /// What a node dominates directly, largest retained size first.
    pub fn dominated(&self, node: NodeOrdinal, page: Page) -> Paged<NodeInfo> {
        let (dominators, tree, retained) = (self.dominators(), self.tree(), self.retained());
        let number = dominators.number[node.0 as usize];
        let mut children: Vec<u32> = tree.children(number).collect();
        let ordinal = |number: u32| dominators.order[number as usize];
        children.sort_by_key(|&c| (std::cmp::Reverse(retained[c as usize]), ordinal(c)));
        Paged::of(&children, page, |&c| self.node(NodeOrdinal(ordinal(c))))
    }
}
