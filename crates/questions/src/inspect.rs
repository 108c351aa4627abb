//! One node: what it is and what it holds.

use clap::ValueEnum;
use serde::{Deserialize, Serialize};
use stillheap_analysis::{EdgeInfo, EdgeSort, NodeDetail, Page, StackFrame};

use crate::failure::Failure;
use crate::id::Id;
use crate::opened::View;
use crate::pattern::patterns;
use crate::window::{PageInfo, Window};

/// Asks for a node.
#[derive(Clone, Debug, Deserialize, schemars::JsonSchema, clap::Args)]
#[serde(default, rename_all = "camelCase")]
pub struct InspectRequest {
    /// The node, like @12345
    #[arg(value_name = "@ID")]
    pub id: Id,
    /// The part of the list.
    #[command(flatten)]
    #[serde(flatten)]
    pub window: Window,
    /// The order of the fields
    #[arg(long, value_enum, default_value = "name")]
    pub sort: EdgeOrder,
    /// Only fields whose name matches: text, gl*b or /regex/
    #[arg(long, value_name = "PATTERN")]
    pub filter: Vec<String>,
    /// Characters of a string's text to show
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    pub text_limit: usize,
}

impl Default for InspectRequest {
    fn default() -> Self {
        let window = Window::default();
        InspectRequest { id: Id(0), window, sort: EdgeOrder::Name, filter: Vec::new(), text_limit: 10_000 }
    }
}

/// Orders of a node's edges.
#[derive(Clone, Copy, Debug, Default, Deserialize, schemars::JsonSchema, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum EdgeOrder {
    /// Largest retained size first.
    #[default]
    Retained,
    /// By name, as DevTools does.
    Name,
    /// As in the file.
    File,
}

/// A node.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Inspection {
    /// Everything about it but its edges.
    pub node: NodeDetail,
    /// A function's context: the variables that it keeps alive, its own and those of its neighbours.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub variables: Option<Vec<EdgeInfo>>,
    /// Where it was allocated, innermost function first, if that was tracked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allocation_stack: Option<Vec<StackFrame>>,
    /// What it holds.
    pub fields: Vec<EdgeInfo>,
    /// Which of its fields.
    pub page: PageInfo,
}

impl View<'_> {
    /// Everything about a node.
    pub fn inspect(&self, request: &InspectRequest) -> Result<Inspection, Failure> {
        let analysis = self.analysis();
        let node = self.node(request.id)?;
        let detail = analysis.inspect(node, request.text_limit);
        let context = detail.function.as_ref().and_then(|f| f.context.as_ref());
        let variables = context.map(|context| {
            let all = analysis.children(context.ordinal, EdgeSort::RetainedSize, Page::ALL).items;
            let variables = all.into_iter().filter(|e| e.edge_type == "context" || e.variable.is_some());
            variables.collect()
        });
        let (fields, page) = self.fields(node, request.sort, &request.filter, request.window)?;
        let allocation_stack = analysis.allocation_stack(node);
        Ok(Inspection { node: detail, variables, allocation_stack, fields, page })
    }

    /// A page of a node's edges.
    pub(super) fn fields(
        &self,
        node: stillheap_analysis::NodeOrdinal,
        order: EdgeOrder,
        filter: &[String],
        window: Window,
    ) -> Result<(Vec<EdgeInfo>, PageInfo), Failure> {
        let analysis = self.analysis();
        let sort = match order {
            EdgeOrder::Retained => EdgeSort::RetainedSize,
            EdgeOrder::Name => EdgeSort::Name,
            EdgeOrder::File => EdgeSort::File,
        };
        let patterns = patterns(filter)?;
        if patterns.is_empty() {
            let found = analysis.children(node, sort, window.page());
            return Ok((found.items, window.of(found.total)));
        }
        let mut all = analysis.children(node, sort, Page::ALL).items;
        all.retain(|edge| patterns.iter().all(|p| p.matches(&edge.name)));
        let total = all.len();
        Ok(window.cut(all, total))
    }
}
