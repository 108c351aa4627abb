//! The classes of a snapshot and where its bytes are: DevTools' Summary and Statistics.

use clap::ValueEnum;
use serde::{Deserialize, Serialize};
use stillheap_analysis::{ClassRow, ClassSort, Filter, NodeFilter, Page, Statistics};

use crate::failure::Failure;
use crate::opened::View;
use crate::pattern::Pattern;
use crate::window::{PageInfo, Window};

/// Asks for the classes.
#[derive(Clone, Debug, Default, Deserialize, schemars::JsonSchema, clap::Args)]
#[serde(default)]
pub struct SummaryRequest {
    #[command(flatten)]
    #[serde(flatten)]
    /// The part of the list.
    pub window: Window,
    /// The order of the rows
    #[arg(long, value_enum, default_value_t)]
    pub sort: ClassOrder,
    /// Only classes whose name matches (text, gl*b or /regex/), or one of DevTools' filters, such as
    /// objectsRetainedByContexts; may be given several times
    #[arg(long, value_name = "PATTERN")]
    pub filter: Vec<String>,
}

/// Orders of classes.
#[derive(Clone, Copy, Debug, Default, Deserialize, schemars::JsonSchema, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum ClassOrder {
    /// Largest retained size first.
    #[default]
    Retained,
    /// Largest shallow size first.
    Shallow,
    /// Most objects first.
    Count,
    /// Nearest to a root first.
    Distance,
    /// By name.
    Name,
}

/// The classes.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Summary {
    /// Of the whole snapshot.
    pub totals: Totals,
    /// Where the bytes are.
    pub statistics: Statistics,
    /// Classes in the snapshot, or under DevTools' filter, whatever their names.
    pub class_total: u64,
    /// The rows.
    pub classes: Vec<ClassRow>,
    /// Which rows.
    pub page: PageInfo,
}

/// Sizes of the whole snapshot.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Totals {
    /// Nodes in the file.
    pub nodes: u32,
    /// Edges in the file.
    pub edges: u32,
    /// Bytes: what the root retains, and what V8 counts outside its heap.
    pub total_size: u64,
}

/// Where the bytes are, alone.
#[derive(Serialize)]
pub struct StatisticsAnswer {
    /// Of the whole snapshot.
    pub totals: Totals,
    /// The parts.
    pub statistics: Statistics,
}

impl View<'_> {
    fn totals(&self) -> Totals {
        Totals {
            nodes: self.snapshot.node_count(),
            edges: self.snapshot.edge_count(),
            total_size: self.analysis().statistics().total,
        }
    }

    /// The classes.
    pub fn summary(&self, request: &SummaryRequest) -> Result<Summary, Failure> {
        let analysis = self.analysis();
        let (named, patterns) = split_filters(&request.filter)?;
        analysis.prepare();
        let table = analysis.classes(named.map(NodeFilter::Named));
        let sort = match request.sort {
            ClassOrder::Retained => ClassSort::RetainedSize,
            ClassOrder::Shallow => ClassSort::ShallowSize,
            ClassOrder::Count => ClassSort::Count,
            ClassOrder::Distance => ClassSort::Distance,
            ClassOrder::Name => ClassSort::Name,
        };
        let class_total = table.rows.len() as u64;
        let (classes, page) = if patterns.is_empty() {
            let found = table.sorted(sort, request.window.page());
            (found.items, request.window.of(found.total))
        } else {
            let mut rows = table.sorted(sort, Page::ALL).items;
            rows.retain(|row| patterns.iter().all(|p| p.matches(&row.name)));
            let total = rows.len();
            request.window.cut(rows, total)
        };
        let statistics = analysis.statistics().clone();
        Ok(Summary { totals: self.totals(), statistics, class_total, classes, page })
    }

    /// The statistics alone.
    pub fn statistics(&self) -> StatisticsAnswer {
        StatisticsAnswer { totals: self.totals(), statistics: self.analysis().statistics().clone() }
    }
}

/// DevTools' filter, if one is named, and the patterns.
fn split_filters(texts: &[String]) -> Result<(Option<Filter>, Vec<Pattern>), Failure> {
    let (mut named, mut patterns) = (None, Vec::new());
    for text in texts {
        match Filter::from_name(text) {
            Some(filter) if named.is_none_or(|n| n == filter) => named = Some(filter),
            Some(_) => {
                return Err(Failure::argument("only one of DevTools' filters can be asked for at a time"));
            }
            None => patterns.push(Pattern::parse(text)?),
        }
    }
    Ok((named, patterns))
}
