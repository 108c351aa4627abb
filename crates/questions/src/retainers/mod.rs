//! Who holds a node: directly, as a tree, and by which paths to a root.

mod merged;

pub use merged::{MergedPath, MergedTree, PathEnd};
use serde::{Deserialize, Serialize};
use stillheap_analysis::{EdgeInfo, NodeInfo, NodeOrdinal, Page, RootPath};

use crate::failure::Failure;
use crate::id::Id;
use crate::opened::View;
use crate::pattern::patterns;
use crate::trees::GrowingTree;
use crate::trees::TreeShape;
use crate::window::{PageInfo, Window};

/// Asks who holds a node, or the objects of a class.
#[derive(Clone, Debug, Deserialize, schemars::JsonSchema, clap::Args)]
#[serde(default)]
pub struct RetainersRequest {
    /// A node, like @12345, or a class by name or key
    #[arg(value_name = "@ID|CLASS")]
    pub target: String,
    /// The part of the list.
    #[command(flatten)]
    #[serde(flatten)]
    pub window: Window,
    /// The size of the tree.
    #[command(flatten)]
    #[serde(flatten)]
    pub shape: TreeShape,
    /// Paths to a root to show, shortest first
    #[arg(long, value_name = "N", default_value_t = 3)]
    pub paths: usize,
    /// The order of the rows
    #[arg(long, value_enum, default_value_t)]
    pub sort: HolderOrder,
    /// Only holders whose class matches: text, gl*b or /regex/
    #[arg(long, value_name = "PATTERN")]
    pub filter: Vec<String>,
}

impl Default for RetainersRequest {
    fn default() -> Self {
        RetainersRequest {
            target: String::new(),
            window: Window::default(),
            shape: TreeShape::default(),
            paths: 3,
            sort: HolderOrder::default(),
            filter: Vec::new(),
        }
    }
}

/// Orders of holders.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, schemars::JsonSchema, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum HolderOrder {
    /// A node's: nearest to a root first. A class's: those that hold most objects first.
    #[default]
    Best,
    /// Nearest to a root first.
    Distance,
    /// Largest retained size of the holder first.
    Retained,
}

/// Who holds a node or a class.
#[derive(Serialize)]
#[serde(untagged)]
pub enum Retainers {
    /// A node's holders.
    Node(Box<NodeRetainers>),
    /// A class's holders.
    Class(Box<ClassRetainers>),
}

/// Who holds a node.
#[derive(Serialize)]
pub struct NodeRetainers {
    /// The node asked about.
    pub node: NodeInfo,
    /// Its holders.
    pub retainers: Vec<Holder>,
    /// Which of them.
    pub page: PageInfo,
    /// Ways to a root, shortest first.
    pub paths: Vec<RootPath>,
}

/// Who holds the objects of a class.
#[derive(Serialize)]
pub struct ClassRetainers {
    /// The class asked about.
    pub class: crate::instances::ClassTotals,
    /// The kinds of holders.
    pub retainers: Vec<MergedTree>,
    /// Which of them.
    pub page: PageInfo,
    /// The shortest ways to a root, the same ones taken together, most objects first.
    pub paths: Vec<MergedPath>,
    /// How many different ways there are.
    #[serde(rename = "pathsTotal")]
    pub paths_total: usize,
    /// Of how many objects the ways were followed; fewer than the class has if that is very large.
    pub examined: usize,
}

/// An edge up.
#[derive(Serialize)]
pub struct Holder {
    /// The edge and whose it is.
    #[serde(flatten)]
    pub edge: EdgeInfo,
    /// The holder is shown already, further down on the way here: a cycle.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub repeated: bool,
    /// Who holds the holder; left out above the depth asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retainers: Option<Vec<Holder>>,
    /// How many more hold it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub more: Option<usize>,
}

impl View<'_> {
    /// Who holds a node or a class.
    pub fn retainers(&self, request: &RetainersRequest) -> Result<Retainers, Failure> {
        request.shape.check()?;
        let by_id = request.target.strip_prefix('@').is_some_and(|rest| rest.parse::<u64>().is_ok());
        if by_id {
            let id: Id = request.target.parse().map_err(Failure::argument)?;
            let found = self.node_retainers(self.node(id)?, request)?;
            return Ok(Retainers::Node(Box::new(found)));
        }
        Ok(Retainers::Class(Box::new(self.class_retainers(request)?)))
    }

    fn node_retainers(
        &self,
        node: NodeOrdinal,
        request: &RetainersRequest,
    ) -> Result<NodeRetainers, Failure> {
        let analysis = self.analysis();
        let patterns = patterns(&request.filter)?;
        let (rows, page) = if patterns.is_empty() && request.sort != HolderOrder::Retained {
            let found = analysis.retainers(node, request.window.page());
            (found.items, request.window.of(found.total))
        } else {
            let mut all = analysis.retainers(node, Page::ALL).items;
            all.retain(|edge| patterns.iter().all(|p| p.matches(&edge.node.class_name)));
            if request.sort == HolderOrder::Retained {
                all.sort_by_key(|edge| std::cmp::Reverse(edge.node.retained_size));
            }
            let total = all.len();
            request.window.cut(all, total)
        };
        let mut tree = GrowingTree::new(request.shape, node);
        let retainers = rows.into_iter().map(|e| self.holder(e, &mut tree)).collect();
        let paths = if request.paths == 0 { Vec::new() } else { analysis.paths(node, request.paths, 0) };
        Ok(NodeRetainers { node: analysis.node(node), retainers, page, paths })
    }

    fn holder(&self, edge: EdgeInfo, tree: &mut GrowingTree) -> Holder {
        let from = edge.node.ordinal;
        let repeated = tree.repeats(from);
        // As in DevTools, what is a root to the user, or hangs right under one, is the end of the way.
        if repeated || edge.node.distance <= 1 {
            return Holder { edge, repeated, retainers: None, more: None };
        }
        let find = |page| self.analysis().retainers(from, page);
        let (retainers, more) = tree.below(from, find, |e, tree| self.holder(e, tree));
        Holder { edge, repeated, retainers, more }
    }
}
