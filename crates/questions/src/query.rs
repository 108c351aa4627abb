//! The nodes that an expression holds for.

use serde::{Deserialize, Serialize};
use stillheap_analysis::NodeInfo;
use stillheap_graph::sums::sum;

use crate::failure::Failure;
use crate::instances::NodeOrder;
use crate::language::{Expression, matching};
use crate::opened::View;
use crate::pattern::patterns;
use crate::window::{PageInfo, Window};

/// Asks for nodes by an expression.
#[derive(Clone, Debug, Default, Deserialize, schemars::JsonSchema, clap::Args)]
#[serde(default)]
pub struct QueryRequest {
    /// Which nodes, such as 'class = Email* and retained > 1MB'
    #[arg(value_name = "EXPRESSION")]
    pub expression: String,
    /// The part of the list.
    #[command(flatten)]
    #[serde(flatten)]
    pub window: Window,
    /// The order of the rows
    #[arg(long, value_enum, default_value_t)]
    pub sort: NodeOrder,
    /// Only nodes whose name (a string's text) matches: text, gl*b or /regex/
    #[arg(long, value_name = "PATTERN")]
    pub filter: Vec<String>,
    /// Also list nodes of size 0, which other lists leave out
    #[arg(long)]
    pub all: bool,
}

/// The nodes an expression holds for.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct QueryAnswer {
    /// The expression.
    pub expression: String,
    /// How many nodes.
    pub count: u64,
    /// Sum of their self sizes.
    pub self_size: u64,
    /// What would be freed with all of them.
    pub retained_size: u64,
    /// The rows.
    pub nodes: Vec<NodeInfo>,
    /// Which rows.
    pub page: PageInfo,
}

impl View<'_> {
    /// The nodes an expression holds for.
    pub fn query(&self, request: &QueryRequest) -> Result<QueryAnswer, Failure> {
        let expression = Expression::parse(&request.expression)?;
        let patterns = patterns(&request.filter)?;
        let analysis = self.analysis();
        let mut found = matching(analysis, &expression, request.all);
        found.retain(|&n| patterns.iter().all(|p| p.matches(&analysis.name(n))));
        let retained_size = analysis.retained_size_of_all(&found);
        let self_size = sum(found.iter().map(|&n| analysis.self_size(n)));
        analysis.sort_nodes(&mut found, request.sort.sort());
        let total = found.len();
        let (rows, page) = request.window.cut(found, total);
        Ok(QueryAnswer {
            expression: request.expression.clone(),
            count: total as u64,
            self_size,
            retained_size,
            nodes: rows.into_iter().map(|n| analysis.node(n)).collect(),
            page,
        })
    }
}
