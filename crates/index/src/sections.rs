//! What an index holds: the columns of the graph and of the passes that the light questions need.
//!
//! Each section is a column; here stands what it is in a snapshot, how long it must be and what its values must
//! be so that no pass can be led out of bounds or in circles by a forged file.

use stillheap_analysis::ResultsRef;
use stillheap_graph::SnapshotData;
use stillheap_graph::column::{Cell, Column, Slice};

macro_rules! sections {
    ($($name:ident),* $(,)?) => {
        /// A column in the index file.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Section { $($name),* }

        /// All of them, in the order of the file's directory.
        pub(crate) const ALL: &[Section] = &[$(Section::$name),*];
    };
}

sections! {
    NodeType, NodeName, NodeId, NodeSize, FirstEdge, NodeTrace, Detached,
    EdgeType, EdgeName, EdgeTo,
    StringBytes, StringEnds, StringKinds,
    LocationNodes, LocationScripts, LocationLines, LocationColumns,
    Samples, Functions, TreeId, TreeFunction, TreeCount, TreeSize, TreeParent, Extra,
    ById, Distance, ClassOf, Sizes,
    Order, Number, Dominator, Retained,
    TreeAt, TreeSpan, TreeEnd,
    FirstRetainer, Retainers,
}

/// The numbers that bound the sections.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct SectionCounts {
    pub(crate) nodes: u64,
    pub(crate) edges: u64,
    pub(crate) strings: u64,
    pub(crate) string_bytes: u64,
    pub(crate) locations: u64,
    pub(crate) call_sites: u64,
    pub(crate) classes: u64,
}

/// How long a section must be.
pub(crate) enum Length {
    Any,
    Exactly(u64),
    /// Or empty, if the snapshot has nothing of the kind.
    Optional(u64),
}

/// What its values must be.
#[derive(Clone, Copy)]
pub(crate) enum Rule {
    Any,
    Below(u64),
    /// From 1 up to this.
    Within(u64),
    /// Never falling, and never above this.
    Rising(u64),
    /// Each below its own position; at position 0, 0.
    BelowPosition,
    /// The same, or `u32::MAX`.
    ParentBefore,
}

impl Section {
    pub(crate) fn length(self, counts: &SectionCounts) -> Length {
        use Section::*;
        match self {
            NodeType | NodeName | NodeId | NodeSize | ById | Distance | ClassOf | Order | Number
            | Dominator | Retained | TreeAt | TreeSpan | TreeEnd => Length::Exactly(counts.nodes),
            FirstEdge | FirstRetainer => Length::Exactly(counts.nodes + 1),
            NodeTrace | Detached | Sizes => Length::Optional(counts.nodes),
            EdgeType | EdgeName | EdgeTo | Retainers => Length::Exactly(counts.edges),
            StringBytes => Length::Exactly(counts.string_bytes),
            StringEnds | StringKinds => Length::Exactly(counts.strings),
            LocationNodes | LocationScripts | LocationLines | LocationColumns => {
                Length::Exactly(counts.locations)
            }
            TreeId | TreeFunction | TreeCount | TreeSize | TreeParent => Length::Exactly(counts.call_sites),
            Samples | Functions | Extra => Length::Any,
        }
    }

    pub(crate) fn rule(self, counts: &SectionCounts) -> Rule {
        use Section::*;
        match self {
            NodeName => Rule::Below(counts.strings),
            EdgeTo | ById | Order | Number | TreeAt | LocationNodes => Rule::Below(counts.nodes),
            FirstEdge | FirstRetainer => Rule::Rising(counts.edges),
            StringEnds => Rule::Rising(counts.string_bytes),
            ClassOf => Rule::Below(counts.classes),
            Dominator => Rule::BelowPosition,
            TreeSpan | TreeEnd => Rule::Within(counts.nodes),
            TreeParent => Rule::ParentBefore,
            Retainers => Rule::Below(counts.edges),
            NodeType | NodeId | NodeSize | NodeTrace | Detached | EdgeType | EdgeName | StringBytes
            | StringKinds | LocationScripts | LocationLines | LocationColumns | Samples | Functions
            | TreeId | TreeFunction | TreeCount | TreeSize | Extra | Distance | Sizes | Retained => Rule::Any,
        }
    }

    /// Bytes of a value in memory.
    pub(crate) fn cell_bytes(self) -> usize {
        use Section::*;
        match self {
            NodeType | Detached | EdgeType | StringBytes | StringKinds => 1,
            StringEnds | LocationScripts | LocationLines | LocationColumns | Samples | Functions
            | TreeCount | TreeSize | Extra | Retained => 8,
            _ => 4,
        }
    }

    /// The section's values in a snapshot.
    pub(crate) fn of<'s>(self, data: &'s SnapshotData, results: &ResultsRef<'s>) -> Slice<'s> {
        use Section::*;
        let graph = &data.graph;
        let tree = &graph.trace_tree;
        match self {
            NodeType => all(&graph.node_type),
            NodeName => all(&graph.node_name),
            NodeId => all(&graph.node_id),
            NodeSize => all(&graph.node_size),
            FirstEdge => all(&graph.first_edge),
            NodeTrace => all(&graph.node_trace),
            Detached => all(&graph.detached),
            EdgeType => all(&graph.edge_type),
            EdgeName => all(&graph.edge_name),
            EdgeTo => all(&graph.edge_to),
            StringBytes => all(&graph.strings.bytes),
            StringEnds => all(&graph.strings.ends),
            StringKinds => all(&graph.strings.kinds),
            LocationNodes => all(&graph.location_nodes),
            LocationScripts => all(&graph.locations.scripts),
            LocationLines => all(&graph.locations.lines),
            LocationColumns => all(&graph.locations.columns),
            Samples => all(&graph.raw_samples),
            Functions => all(&graph.raw_functions),
            TreeId => all(&tree.id),
            TreeFunction => all(&tree.function),
            TreeCount => all(&tree.count),
            TreeSize => all(&tree.size),
            TreeParent => all(&tree.parent),
            Extra => all(&graph.extra),
            ById => all(results.by_id),
            Distance => all(results.distance),
            ClassOf => all(results.class_of),
            Sizes => results.sizes.map_or(Slice::U32(&[]), |(small, _)| all(small)),
            Order => all(results.order),
            Number => all(results.number),
            Dominator => all(results.dominator),
            Retained => all(results.retained),
            TreeAt => all(results.tree_at),
            TreeSpan => all(results.tree_span),
            TreeEnd => all(results.tree_end),
            FirstRetainer => all(results.first_retainer),
            Retainers => all(results.retainers),
        }
    }
}

fn all<'s, T: Cell>(column: &'s Column<T>) -> Slice<'s>
where
    Slice<'s>: From<&'s [T]>,
{
    Slice::from(&**column)
}
