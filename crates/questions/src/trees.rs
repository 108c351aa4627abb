//! Two ways down from a node: what it holds (containment) and what only it keeps alive (dominators).
//!
//! Trees are cut by depth, by rows per node and by [`MOST_ROWS`] in all, so that an answer stays of a size that
//! a person or a program can take.

use serde::{Deserialize, Serialize};
use stillheap_analysis::{EdgeInfo, EdgeSort, NodeInfo, NodeOrdinal, Page, Paged};

use crate::failure::Failure;
use crate::id::Id;
use crate::inspect::EdgeOrder;
use crate::opened::View;
use crate::pattern::patterns;
use crate::window::{PageInfo, Window};

/// Rows of a tree below its first level, at most.
pub const MOST_ROWS: usize = 10_000;

/// Levels of a tree, at most.
pub const MOST_LEVELS: usize = 100;

/// How far a tree goes.
#[derive(Clone, Copy, Debug, Deserialize, schemars::JsonSchema, clap::Args)]
#[serde(default)]
pub struct TreeShape {
    /// Levels to show, up to 100
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub depth: usize,
    /// Rows to show under each row of the first level and below; 0 shows all
    #[arg(long, value_name = "N", default_value_t = 5)]
    pub branch: usize,
}

impl Default for TreeShape {
    fn default() -> Self {
        TreeShape { depth: 1, branch: 5 }
    }
}

impl TreeShape {
    pub(super) fn check(self) -> Result<(), Failure> {
        if (1..=MOST_LEVELS).contains(&self.depth) {
            return Ok(());
        }
        Err(Failure::argument(format!(
            "the depth of a tree is from 1 to {MOST_LEVELS}; given: {}",
            self.depth
        )))
    }
}

/// A tree while it is made.
pub(super) struct GrowingTree {
    shape: TreeShape,
    /// Rows that may still come.
    budget: usize,
    /// The nodes above the next row.
    way: Vec<NodeOrdinal>,
}

impl GrowingTree {
    pub(super) fn new(shape: TreeShape, start: NodeOrdinal) -> GrowingTree {
        GrowingTree { shape, budget: MOST_ROWS, way: vec![start] }
    }

    /// Whether a node is shown already on the way to the next row.
    pub(super) fn repeats(&self, node: NodeOrdinal) -> bool {
        self.way.contains(&node)
    }

    /// The rows below `node`, made by `row` of what `find` finds, and how many more there are. Nothing beyond the depth
    /// asked for.
    pub(super) fn below<F, R>(
        &mut self,
        node: NodeOrdinal,
        find: impl FnOnce(Page) -> Paged<F>,
        mut row: impl FnMut(F, &mut GrowingTree) -> R,
    ) -> (Option<Vec<R>>, Option<usize>) {
        if self.way.len() >= self.shape.depth || self.budget == 0 {
            return (None, None);
        }
        let found = find(Page::first(self.shape.branch));
        self.budget = self.budget.saturating_sub(found.items.len());
        let more = found.total - found.items.len();
        self.way.push(node);
        let rows = found.items.into_iter().map(|item| row(item, self)).collect();
        self.way.pop();
        (Some(rows), Some(more).filter(|&more| more > 0))
    }
}

/// Asks what a node dominates, and what dominates it.
#[derive(Clone, Debug, Default, Deserialize, schemars::JsonSchema, clap::Args)]
#[serde(default)]
pub struct DominatorsRequest {
    /// The node, like @12345; the root if left out
    #[arg(value_name = "@ID")]
    pub id: Option<Id>,
    /// The part of the list.
    #[command(flatten)]
    #[serde(flatten)]
    pub window: Window,
    /// The size of the tree.
    #[command(flatten)]
    #[serde(flatten)]
    pub shape: TreeShape,
    /// The order of the rows
    #[arg(long, value_enum, default_value_t)]
    pub sort: DominatedOrder,
    /// Only nodes whose class or name matches: text, gl*b or /regex/
    #[arg(long, value_name = "PATTERN")]
    pub filter: Vec<String>,
}

/// Orders of dominated nodes.
#[derive(Clone, Copy, Debug, Default, Deserialize, schemars::JsonSchema, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum DominatedOrder {
    /// Largest retained size first.
    #[default]
    Retained,
    /// Largest self size first.
    #[value(name = "self")]
    #[serde(rename = "self")]
    SelfSize,
    /// By id: roughly the oldest first.
    Id,
}

/// Asks what a node holds.
#[derive(Clone, Debug, Default, Deserialize, schemars::JsonSchema, clap::Args)]
#[serde(default)]
pub struct ContainmentRequest {
    /// The node, like @12345; the root if left out
    #[arg(value_name = "@ID")]
    pub id: Option<Id>,
    /// The part of the list.
    #[command(flatten)]
    #[serde(flatten)]
    pub window: Window,
    /// The size of the tree.
    #[command(flatten)]
    #[serde(flatten)]
    pub shape: TreeShape,
    /// The order of the rows
    #[arg(long, value_enum, default_value_t)]
    pub sort: EdgeOrder,
    /// Only edges whose name matches: text, gl*b or /regex/
    #[arg(long, value_name = "PATTERN")]
    pub filter: Vec<String>,
}

/// The dominator tree around a node.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Dominators {
    /// The node asked about.
    pub node: NodeInfo,
    /// From its immediate dominator up to the root; at most 100, the nearest first.
    pub chain: Vec<NodeInfo>,
    /// How long the whole chain is.
    pub chain_length: usize,
    /// What it dominates directly.
    pub dominated: Vec<Dominated>,
    /// Which part of that.
    pub page: PageInfo,
}

/// A node of the dominator tree.
#[derive(Serialize)]
pub struct Dominated {
    /// The node.
    pub node: NodeInfo,
    /// What it dominates in turn; left out below the depth asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dominated: Option<Vec<Dominated>>,
    /// How many more it dominates.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub more: Option<usize>,
}

/// What a node holds.
#[derive(Serialize)]
pub struct Containment {
    /// The node asked about.
    pub node: NodeInfo,
    /// Its edges.
    pub edges: Vec<Contained>,
    /// Which of them.
    pub page: PageInfo,
}

/// An edge down.
#[derive(Serialize)]
pub struct Contained {
    /// The edge and the node it leads to.
    #[serde(flatten)]
    pub edge: EdgeInfo,
    /// The node is shown already, further up on the way here.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub repeated: bool,
    /// The edges of that node; left out below the depth asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub edges: Option<Vec<Contained>>,
    /// How many more edges that node has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub more: Option<usize>,
}

impl View<'_> {
    fn node_or_root(&self, id: Option<Id>) -> Result<NodeOrdinal, Failure> {
        id.map_or_else(|| Ok(self.snapshot.root()), |id| self.node(id))
    }

    /// The dominator tree around a node.
    pub fn dominators(&self, request: &DominatorsRequest) -> Result<Dominators, Failure> {
        request.shape.check()?;
        let analysis = self.analysis();
        let node = self.node_or_root(request.id)?;
        let patterns = patterns(&request.filter)?;
        let up = || analysis.dominator_ordinals(node).skip(1);
        let (rows, page) = if patterns.is_empty() && matches!(request.sort, DominatedOrder::Retained) {
            let found = analysis.dominated(node, request.window.page());
            (found.items, request.window.of(found.total))
        } else {
            let mut all = analysis.dominated(node, Page::ALL).items;
            all.retain(|n| patterns.iter().all(|p| p.matches(&n.class_name) || p.matches(&n.name)));
            match request.sort {
                DominatedOrder::Retained => {}
                DominatedOrder::SelfSize => all.sort_by_key(|n| std::cmp::Reverse(n.self_size)),
                DominatedOrder::Id => all.sort_by_key(|n| n.id),
            }
            let total = all.len();
            request.window.cut(all, total)
        };
        let mut tree = GrowingTree::new(request.shape, node);
        let dominated = rows.into_iter().map(|n| self.dominated(n, &mut tree)).collect();
        Ok(Dominators {
            node: analysis.node(node),
            chain: up().take(100).map(|n| analysis.node(n)).collect(),
            chain_length: up().count(),
            dominated,
            page,
        })
    }

    fn dominated(&self, node: NodeInfo, tree: &mut GrowingTree) -> Dominated {
        let find = |page| self.analysis().dominated(node.ordinal, page);
        let (dominated, more) = tree.below(node.ordinal, find, |n, tree| self.dominated(n, tree));
        Dominated { node, dominated, more }
    }

    /// What a node holds.
    pub fn containment(&self, request: &ContainmentRequest) -> Result<Containment, Failure> {
        request.shape.check()?;
        let node = self.node_or_root(request.id)?;
        let (rows, page) = self.fields(node, request.sort, &request.filter, request.window)?;
        let mut tree = GrowingTree::new(request.shape, node);
        let edges = rows.into_iter().map(|e| self.contained(e, &mut tree)).collect();
        Ok(Containment { node: self.analysis().node(node), edges, page })
    }

    fn contained(&self, edge: EdgeInfo, tree: &mut GrowingTree) -> Contained {
        let to = edge.node.ordinal;
        if tree.repeats(to) {
            return Contained { edge, repeated: true, edges: None, more: None };
        }
        let find = |page| self.analysis().children(to, EdgeSort::RetainedSize, page);
        let (edges, more) = tree.below(to, find, |e, tree| self.contained(e, tree));
        Contained { edge, repeated: false, edges, more }
    }
}
