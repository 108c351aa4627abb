//! The results that the `devtools` model's summary, inspections and retainers need, for an index to keep.

use std::sync::OnceLock;

use foldhash::HashMap;
use stillheap_graph::{Column, SnapshotData};

use crate::passes::aggregates::TreeOrder;
use crate::passes::classes::{Class, Classes};
use crate::passes::distances::Reach;
use crate::passes::dominators::Dominators;
use crate::passes::fold::Sizes;
use crate::passes::retainers::Retainers;
use crate::passes::statistics::Statistics;
use crate::passes::table::ClassTable;
use crate::snapshot::{Cache, Model, ModelCache, Snapshot};
use crate::threads::both;

/// Results, computed earlier from the same data.
pub struct Results {
    /// Ordinals by id.
    pub by_id: Column<u32>,
    /// DevTools' distance of every node.
    pub distance: Column<i32>,
    /// Class of every node, a position in `classes`.
    pub class_of: Column<u32>,
    pub classes: Vec<Class>,
    /// Folded self sizes, if any differ from the file's; those that don't fit are in the map.
    pub sizes: Option<(Column<u32>, std::collections::HashMap<u32, u64>)>,
    /// Dominator number → ordinal.
    pub order: Column<u32>,
    /// Ordinal → dominator number.
    pub number: Column<u32>,
    /// Dominator number → that of the immediate dominator.
    pub dominator: Column<u32>,
    /// Retained size by dominator number.
    pub retained: Column<u64>,
    /// Position in the dominator tree → dominator number.
    pub tree_at: Column<u32>,
    /// Dominator number → nodes it dominates, itself included.
    pub tree_span: Column<u32>,
    /// Dominator number → position behind the last node it dominates.
    pub tree_end: Column<u32>,
    /// First of each node's retaining edges in `retainers`, and one past the end.
    pub first_retainer: Column<u32>,
    /// Retaining edges, node by node.
    pub retainers: Column<u32>,
    /// Rows of the class table.
    pub table: ClassTable,
    /// Where the bytes are.
    pub statistics: Statistics,
    /// Script id → name.
    pub scripts: Vec<(i64, String)>,
}

/// The same, of a snapshot that has computed them.
pub struct ResultsRef<'s> {
    /// Ordinals by id.
    pub by_id: &'s Column<u32>,
    /// DevTools' distance of every node.
    pub distance: &'s Column<i32>,
    /// Class of every node, a position in `classes`.
    pub class_of: &'s Column<u32>,
    pub classes: &'s [Class],
    /// Folded self sizes, if any differ from the file's; those that don't fit are in the map.
    pub sizes: Option<(&'s Column<u32>, &'s std::collections::HashMap<u32, u64>)>,
    /// Dominator number → ordinal.
    pub order: &'s Column<u32>,
    /// Ordinal → dominator number.
    pub number: &'s Column<u32>,
    /// Dominator number → that of the immediate dominator.
    pub dominator: &'s Column<u32>,
    /// Retained size by dominator number.
    pub retained: &'s Column<u64>,
    /// Position in the dominator tree → dominator number.
    pub tree_at: &'s Column<u32>,
    /// Dominator number → nodes it dominates, itself included.
    pub tree_span: &'s Column<u32>,
    /// Dominator number → position behind the last node it dominates.
    pub tree_end: &'s Column<u32>,
    /// First of each node's retaining edges in `retainers`, and one past the end.
    pub first_retainer: &'s Column<u32>,
    /// Retaining edges, node by node.
    pub retainers: &'s Column<u32>,
    /// Rows of the class table.
    pub table: &'s ClassTable,
    /// Where the bytes are.
    pub statistics: &'s Statistics,
    /// Script id → name.
    pub scripts: &'s HashMap<i64, String>,
}

impl Snapshot {
    /// A snapshot whose results are known.
    pub fn with_results(data: SnapshotData, results: Results) -> Snapshot {
        let sizes = results.sizes.map(|(small, large)| Sizes { small, large });
        let devtools = ModelCache {
            sizes: sizes.into(),
            dominators: OnceLock::from(Dominators {
                order: results.order,
                number: results.number,
                idom: results.dominator,
            }),
            retained: OnceLock::from(results.retained),
            tree: OnceLock::from(TreeOrder {
                at: results.tree_at,
                span: results.tree_span,
                end: results.tree_end,
            }),
            table: OnceLock::from(results.table),
            statistics: OnceLock::from(results.statistics),
        };
        let mut cache = Cache {
            // Who belongs to the page matters for the dominators only, and they are here.
            reach: OnceLock::from(Reach { distance: results.distance, page: Default::default() }),
            retainers: OnceLock::from(Retainers {
                first: results.first_retainer,
                edges: results.retainers,
                sources: None,
            }),
            classes: OnceLock::from(Classes { of_node: results.class_of, list: results.classes }),
            by_id: OnceLock::from(results.by_id),
            scripts: OnceLock::from(results.scripts.into_iter().collect::<HashMap<i64, String>>()),
            ..Cache::default()
        };
        cache.models[Model::Devtools as usize] = devtools;
        Snapshot::assembled(data, cache)
    }

    /// The results; those that have not been computed yet are computed now.
    pub fn results(&self) -> ResultsRef<'_> {
        // Two passes that the summary does not need, beside each other.
        let by_id = || {
            self.by_id();
        };
        both(by_id, || {
            self.retainers();
        });
        let devtools = self.analysis(Model::Devtools);
        let (dominators, tree) = (devtools.dominators(), devtools.tree());
        ResultsRef {
            by_id: self.by_id(),
            distance: &self.reach().distance,
            class_of: &self.classes().of_node,
            classes: &self.classes().list,
            sizes: devtools.sizes().map(|sizes| (&sizes.small, &sizes.large)),
            order: &dominators.order,
            number: &dominators.number,
            dominator: &dominators.idom,
            retained: devtools.retained(),
            tree_at: &tree.at,
            tree_span: &tree.span,
            tree_end: &tree.end,
            first_retainer: &self.retainers().first,
            retainers: &self.retainers().edges,
            table: devtools.table(),
            statistics: devtools.statistics(),
            scripts: self.scripts(),
        }
    }

    /// What the file says.
    pub fn data(&self) -> &SnapshotData {
        &self.data
    }
}
