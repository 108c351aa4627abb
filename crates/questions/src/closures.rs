//! Functions whose closures keep variables alive.

use serde::{Deserialize, Serialize};
use stillheap_analysis::{ClosureRow, Page};
use stillheap_verdict::{DeadVariable, dead_variables};

use crate::failure::Failure;
use crate::opened::View;
use crate::pattern::patterns;
use crate::scripts::Scripts;
use crate::window::{PageInfo, Window};

/// Asks for closures by function.
#[derive(Clone, Debug, Default, Deserialize, schemars::JsonSchema, clap::Args)]
#[serde(default)]
pub struct ClosuresRequest {
    /// The part of the list.
    #[command(flatten)]
    #[serde(flatten)]
    pub window: Window,
    /// The order of the rows
    #[arg(long, value_enum, default_value_t)]
    pub sort: ClosureOrder,
    /// Only functions whose name or script matches: text, gl*b or /regex/
    #[arg(long, value_name = "PATTERN")]
    pub filter: Vec<String>,
    /// Also list functions of Node.js itself (scripts named node:…) and native ones
    #[arg(long)]
    pub all: bool,
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
    /// Variables that no live function reads, those that retain most first.
    pub dead: Vec<DeadVariable>,
    /// The rows.
    pub closures: Vec<ClosureRow>,
    /// Functions of Node.js itself and native ones that match and are left out.
    pub hidden: usize,
    /// Which rows.
    pub page: PageInfo,
}

impl View<'_> {
    /// Closures by function.
    pub fn closures(&self, request: &ClosuresRequest) -> Result<Closures, Failure> {
        let analysis = self.analysis();
        let patterns = patterns(&request.filter)?;
        let mut dead = dead_variables(analysis, &Scripts::new(None));
        dead.retain(|variable| {
            patterns.iter().all(|p| p.matches(&variable.function) || p.matches(script_of(variable)))
        });
        if request.all && patterns.is_empty() && request.sort == ClosureOrder::Retained {
            let found = analysis.closures(request.window.page());
            return Ok(Closures {
                dead,
                closures: found.items,
                hidden: 0,
                page: request.window.of(found.total),
            });
        }
        let mut rows = analysis.closures(Page::ALL).items;
        rows.retain(|row| patterns.iter().all(|p| p.matches(&row.name) || p.matches(script(row))));
        let matching = rows.len();
        // Where V8 gave positions, only native functions have none.
        let positioned = rows.iter().any(|row| !script(row).is_empty());
        let foreign =
            |row: &ClosureRow| script(row).starts_with(NODE) || positioned && script(row).is_empty();
        rows.retain(|row| request.all || !foreign(row));
        let hidden = matching - rows.len();
        match request.sort {
            ClosureOrder::Retained => {}
            ClosureOrder::Count => rows.sort_by_key(|row| std::cmp::Reverse(row.count)),
            ClosureOrder::Contexts => rows.sort_by_key(|row| std::cmp::Reverse(row.contexts)),
            ClosureOrder::Name => rows.sort_by(|a, b| a.name.cmp(&b.name)),
        }
        let total = rows.len();
        let (closures, page) = request.window.cut(rows, total);
        Ok(Closures { dead, closures, hidden, page })
    }
}

/// How the names of Node's own scripts begin.
const NODE: &str = "node:";

fn script(row: &ClosureRow) -> &str {
    row.position.as_ref().and_then(|position| position.script.as_deref()).unwrap_or_default()
}

fn script_of(variable: &DeadVariable) -> &str {
    variable.location.as_ref().and_then(|location| location.script.as_deref()).unwrap_or_default()
}
