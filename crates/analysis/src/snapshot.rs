//! A snapshot and the passes computed for it so far.
//!
//! The columns never change after loading; each pass is kept in a cell of its own the first time somebody asks.
//! Two models share what does not differ between them (distances, classes, retainers).

use std::sync::OnceLock;

use foldhash::HashMap;
use stillheap_graph::{Column, Completeness, Graph, Header, Packing, Salvage, SnapshotData};

use crate::bits::Bits;
use crate::passes::aggregates::{self, TreeOrder};
use crate::passes::classes::{self, Classes};
use crate::passes::distances::{self, Reach};
use crate::passes::dominators::{self, Dominators};
use crate::passes::ephemerons::Ephemerons;
use crate::passes::fold::{self, Sizes};
use crate::passes::native_contexts::{self, NativeContexts};
use crate::passes::retainers::Retainers;
use crate::passes::ropes::Ropes;
use crate::passes::shapes::{Definition, PlainObjects};
use crate::passes::table::ClassTable;
use crate::passes::{essential, scripts, statistics};
use crate::scratch::BufferPool;
use crate::threads::both;

/// A node, by its position in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize)]
#[serde(transparent)]
pub struct NodeOrdinal(pub u32);

/// An edge, by its position in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize)]
#[serde(transparent)]
pub struct EdgeOrdinal(pub u32);

/// Which numbers to compute.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Model {
    /// Chrome DevTools' numbers, node by node.
    #[default]
    Devtools,
    /// What the garbage collector sees: sizes are not folded into owners, objects of the page are not treated
    /// apart, and a WeakMap's value is held by key and table together (neither dominates it alone).
    Gc,
}

impl Model {
    /// The name used in reports: `devtools` or `gc`.
    pub fn name(self) -> &'static str {
        match self {
            Model::Devtools => "devtools",
            Model::Gc => "gc",
        }
    }
}

/// An opened snapshot.
pub struct Snapshot {
    pub(crate) data: SnapshotData,
    pub(crate) cache: Cache,
}

#[derive(Default)]
pub(crate) struct Cache {
    pub(crate) ephemerons: OnceLock<Ephemerons>,
    pub(crate) reach: OnceLock<Reach>,
    pub(crate) retainers: OnceLock<Retainers>,
    pub(crate) ropes: OnceLock<Ropes>,
    pub(crate) plain_objects: OnceLock<PlainObjects>,
    pub(crate) definitions: OnceLock<Vec<Definition>>,
    pub(crate) classes: OnceLock<Classes>,
    pub(crate) contexts: OnceLock<NativeContexts>,
    pub(crate) by_id: OnceLock<Column<u32>>,
    pub(crate) scripts: OnceLock<HashMap<i64, String>>,
    pub(crate) models: [ModelCache; 2],
    pub(crate) scratch: BufferPool,
}

#[derive(Default)]
pub(crate) struct ModelCache {
    pub(crate) sizes: OnceLock<Option<Sizes>>,
    pub(crate) dominators: OnceLock<Dominators>,
    pub(crate) retained: OnceLock<Column<u64>>,
    pub(crate) tree: OnceLock<TreeOrder>,
    pub(crate) table: OnceLock<ClassTable>,
    pub(crate) statistics: OnceLock<statistics::Statistics>,
}

impl Snapshot {
    /// A snapshot of which nothing has been computed yet.
    pub fn new(data: SnapshotData) -> Snapshot {
        Snapshot::assembled(data, Cache::default())
    }

    pub(crate) fn assembled(data: SnapshotData, cache: Cache) -> Snapshot {
        Snapshot { data, cache }
    }

    pub(crate) fn graph(&self) -> &Graph {
        &self.data.graph
    }

    /// The file's header.
    pub fn header(&self) -> &Header {
        &self.data.header
    }

    /// How the input was packed.
    pub fn packing(&self) -> Packing {
        self.data.packing
    }

    /// What is missing, if the input was truncated.
    pub fn salvage(&self) -> Option<&Salvage> {
        self.data.salvage.as_ref()
    }

    /// Whether the file is whole.
    pub fn completeness(&self) -> &Completeness {
        &self.data.completeness
    }

    /// Nodes in the file.
    pub fn node_count(&self) -> u32 {
        self.data.graph.node_count()
    }

    /// Edges in the file.
    pub fn edge_count(&self) -> u32 {
        self.data.graph.edge_count()
    }

    pub fn root(&self) -> NodeOrdinal {
        NodeOrdinal(self.data.graph.root)
    }

    /// Fields per node in the file; ordinal times this is DevTools' node index.
    pub fn node_field_count(&self) -> u32 {
        self.data.header.nodes.width as u32
    }

    /// Sections that are kept but not understood (scopes in very new V8): name and raw numbers.
    pub fn extra_sections(&self) -> impl Iterator<Item = (&str, &[i64])> {
        let mut end = 0;
        self.data.graph.extra_names.iter().map(move |(name, len)| {
            end += len;
            (name.as_str(), &self.data.graph.extra[end - len..end])
        })
    }

    /// The node with an id, as in `@123`. If a broken file has it twice, the first.
    pub fn node_by_id(&self, id: u64) -> Option<NodeOrdinal> {
        let by_id = self.by_id();
        // By hand, so that a column in a file is read around the steps only.
        let (mut low, mut high) = (0, by_id.len());
        while low < high {
            let middle = low + (high - low) / 2;
            if self.data.graph.id(by_id[middle]) < id { low = middle + 1 } else { high = middle }
        }
        by_id.get(low).copied().filter(|&n| self.data.graph.id(n) == id).map(NodeOrdinal)
    }

    /// Ordinals by id; equal ids stay in file order.
    pub(crate) fn by_id(&self) -> &Column<u32> {
        self.cache.by_id.get_or_init(|| {
            let ids = |n: u32| self.data.graph.id(n);
            if (0..self.node_count()).all(|n| ids(n) <= u32::MAX.into()) {
                // Id and ordinal in one word sort without looking anything up.
                let mut order: Vec<u64> =
                    (0..self.node_count()).map(|n| ids(n) << 32 | u64::from(n)).collect();
                order.sort_unstable();
                return order.into_iter().map(|word| word as u32).collect::<Vec<u32>>().into();
            }
            let mut order: Vec<u32> = (0..self.node_count()).collect();
            order.sort_by_key(|&n| ids(n));
            order.into()
        })
    }

    /// The questions that depend on a model.
    pub fn analysis(&self, model: Model) -> Analysis<'_> {
        Analysis { snapshot: self, model }
    }

    pub(crate) fn ephemerons(&self) -> &Ephemerons {
        self.cache.ephemerons.get_or_init(|| Ephemerons::new(&self.data.graph.strings))
    }

    pub(crate) fn reach(&self) -> &Reach {
        let scratch = &self.cache.scratch;
        self.cache.reach.get_or_init(|| distances::compute(&self.data.graph, self.ephemerons(), scratch))
    }

    pub(crate) fn retainers(&self) -> &Retainers {
        self.cache.retainers.get_or_init(|| Retainers::new(&self.data.graph))
    }

    pub(crate) fn ropes(&self) -> &Ropes {
        self.cache.ropes.get_or_init(|| Ropes::compute(&self.data.graph))
    }

    pub(crate) fn plain_objects(&self) -> &PlainObjects {
        self.cache.plain_objects.get_or_init(|| PlainObjects::collect(&self.data.graph))
    }

    pub(crate) fn definitions(&self) -> &[Definition] {
        self.cache.definitions.get_or_init(|| self.plain_objects().infer(&self.data.graph))
    }

    pub(crate) fn classes(&self) -> &Classes {
        let scratch = &self.cache.scratch;
        self.cache.classes.get_or_init(|| {
            classes::compute(&self.data.graph, self.plain_objects(), self.definitions(), scratch)
        })
    }

    pub(crate) fn scripts(&self) -> &HashMap<i64, String> {
        self.cache.scripts.get_or_init(|| scripts::collect(self.graph(), self.header()))
    }

    pub(crate) fn native_contexts(&self) -> &NativeContexts {
        self.cache.contexts.get_or_init(|| native_contexts::compute(&self.data.graph))
    }
}

/// A snapshot seen through a model. Cheap to make and to copy.
#[derive(Clone, Copy)]
pub struct Analysis<'s> {
    pub(crate) snapshot: &'s Snapshot,
    pub(crate) model: Model,
}

impl<'s> Analysis<'s> {
    /// The snapshot underneath.
    pub fn snapshot(&self) -> &'s Snapshot {
        self.snapshot
    }

    pub fn model(&self) -> Model {
        self.model
    }

    fn cache(&self) -> &'s ModelCache {
        &self.snapshot.cache.models[self.model as usize]
    }

    fn scratch(&self) -> &'s BufferPool {
        &self.snapshot.cache.scratch
    }

    pub(crate) fn graph(&self) -> &'s Graph {
        &self.snapshot.data.graph
    }

    pub(crate) fn sizes(&self) -> Option<&'s Sizes> {
        let fold = || match self.model {
            Model::Devtools => fold::compute(self.graph(), self.scratch()),
            Model::Gc => None,
        };
        self.cache().sizes.get_or_init(fold).as_ref()
    }

    /// Self sizes of this model, as a function that needs no look-up of the cache.
    pub(crate) fn size_fn(&self) -> impl Fn(u32) -> u64 + Copy + 's {
        let (graph, sizes) = (self.graph(), self.sizes());
        move |ordinal| match sizes {
            Some(sizes) => sizes.get(ordinal),
            None => graph.size(ordinal),
        }
    }

    pub(crate) fn dominators(&self) -> &'s Dominators {
        self.cache().dominators.get_or_init(|| {
            let (graph, snapshot) = (self.graph(), self.snapshot);
            let page = (self.model == Model::Devtools).then(|| &snapshot.reach().page);
            let essential = essential::compute(graph, page, snapshot.ephemerons());
            dominators::compute(graph, &essential, self.scratch())
        })
    }

    /// Retained sizes by dominator number.
    pub(crate) fn retained(&self) -> &'s Column<u64> {
        let retained = || dominators::retained(self.dominators(), self.size_fn(), self.scratch());
        self.cache().retained.get_or_init(|| retained().into())
    }

    pub(crate) fn tree(&self) -> &'s TreeOrder {
        self.cache().tree.get_or_init(|| TreeOrder::new(self.dominators(), self.scratch()))
    }

    pub(crate) fn table(&self) -> &'s ClassTable {
        self.cache().table.get_or_init(|| self.table_of(None))
    }

    /// The classes of a part of the nodes, or of all.
    pub(crate) fn table_of(&self, kept: Option<&Bits>) -> ClassTable {
        let snapshot = self.snapshot;
        let classes = snapshot.classes();
        let rows = aggregates::compute(
            classes,
            self.dominators(),
            self.retained(),
            self.tree(),
            &snapshot.reach().distance,
            self.size_fn(),
            |ordinal| kept.is_none_or(|kept| kept.get(ordinal)),
        );
        ClassTable::new(rows, &classes.list)
    }

    /// Computes everything that the summary needs, on two threads.
    pub fn prepare(&self) {
        let _keep = self.scratch().keep();
        let sizes_and_classes = || {
            self.sizes();
            self.snapshot.classes();
        };
        both(sizes_and_classes, || {
            self.dominators();
        });
        let statistics = || {
            self.statistics();
        };
        both(statistics, || {
            self.table();
        });
    }

    /// Where the bytes are.
    pub fn statistics(&self) -> &'s statistics::Statistics {
        self.cache().statistics.get_or_init(|| {
            let extra = self.snapshot.data.header.extra_native_bytes();
            statistics::compute(self.graph(), self.retained()[0], extra, self.size_fn())
        })
    }

    /// Self size of a node in this model: folded in `devtools`, as in the file in `gc`.
    pub fn self_size(&self, node: NodeOrdinal) -> u64 {
        self.size_fn()(node.0)
    }

    /// What would be freed with the node.
    pub fn retained_size(&self, node: NodeOrdinal) -> u64 {
        self.retained()[self.dominators().number[node.0 as usize] as usize]
    }

    /// Steps from a user root; see [`crate::SYSTEM_DISTANCE`] and [`crate::UNREACHABLE_DISTANCE`].
    pub fn distance(&self, node: NodeOrdinal) -> i32 {
        self.snapshot.reach().distance[node.0 as usize]
    }

    /// The immediate dominator; the root's is the root.
    pub fn dominator(&self, node: NodeOrdinal) -> NodeOrdinal {
        NodeOrdinal(self.dominators().idom_of(node.0))
    }
}
