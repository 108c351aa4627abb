//! Functions whose closures keep variables alive.

use serde::{Deserialize, Serialize};
use stillheap_analysis::{ClosureRow, Page};

use crate::failure::Failure;
use crate::opened::View;
use crate::pattern::patterns;
use crate::window::{PageInfo, Window};

/// Asks for closures by function.
#[derive(Clone, Debug, Default, Deserialize, schemars::JsonSchema, clap::Args)]
#[serde(default)]
pub struct ClosuresRequest {
    /// The part of the list.
    #[command(flatten)]
    #[serde(flatten)]
    pub window: Window,
    /// What comes first
    #[arg(long, value_enum, default_value_t)]
    pub sort: ClosureOrder,
    /// Only functions whose name or script matches: text, gl*b or /regex/
    #[arg(long, value_name = "PATTERN")]
    pub filter: Vec<String>,
}

/// Orders of functions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, schemars::JsonSchema, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum ClosureOrder {
    /// Those whose contexts retain most first.
    #[default]
    Retained,
    /// Most closures first.
    Count,
    /// Most contexts first.
    Contexts,
    /// By name.
    Name,
}

/// Functions that have closures.
#[derive(Serialize)]
pub struct Closures {
    /// The rows.
    pub closures: Vec<ClosureRow>,
    /// Which rows.
    pub page: PageInfo,
}

impl View<'_> {
    /// Closures by function.
    pub fn closures(&self, request: &ClosuresRequest) -> Result<Closures, Failure> {
        let analysis = self.analysis();
        let patterns = patterns(&request.filter)?;
        if patterns.is_empty() && request.sort == ClosureOrder::Retained {
            let found = analysis.closures(request.window.page());
            return Ok(Closures { closures: found.items, page: request.window.of(found.total) });
        }
        let mut rows = analysis.closures(Page::ALL).items;
        rows.retain(|row| {
            let script = row.position.as_ref().and_then(|p| p.script.as_deref()).unwrap_or_default();
            patterns.iter().all(|p| p.matches(&row.name) || p.matches(script))
        });
        match request.sort {
            ClosureOrder::Retained => {}
            ClosureOrder::Count => rows.sort_by_key(|row| std::cmp::Reverse(row.count)),
            ClosureOrder::Contexts => rows.sort_by_key(|row| std::cmp::Reverse(row.contexts)),
            ClosureOrder::Name => rows.sort_by(|a, b| a.name.cmp(&b.name)),
        }
        let total = rows.len();
        let (closures, page) = request.window.cut(rows, total);
        Ok(Closures { closures, page })
    }
}
