//! Strings: the largest ones, or those that are there more than once.

use serde::{Deserialize, Serialize};
use stillheap_analysis::{DuplicateSort, DuplicateStrings, NodeInfo, NodeOrdinal, Page, Sameness};
use stillheap_graph::sums::sum;

use crate::failure::Failure;
use crate::opened::View;
use crate::pattern::patterns;
use crate::window::{PageInfo, Window};

/// Asks for strings.
#[derive(Clone, Debug, Default, Deserialize, schemars::JsonSchema, clap::Args)]
#[serde(default)]
pub struct StringsRequest {
    /// Duplicated strings instead of the largest ones
    #[arg(long)]
    pub duplicates: bool,
    /// The part of the list.
    #[command(flatten)]
    #[serde(flatten)]
    pub window: Window,
    /// The order of the rows; wasted and count are for duplicates
    #[arg(long, value_enum, default_value_t)]
    pub sort: StringOrder,
    /// Only texts that match: text, gl*b or /regex/
    #[arg(long, value_name = "PATTERN")]
    pub filter: Vec<String>,
}

/// Orders of strings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, schemars::JsonSchema, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum StringOrder {
    /// Most bytes that one copy would save first; without duplicates, largest first.
    #[default]
    Wasted,
    /// Largest (sum of) retained sizes first.
    Retained,
    /// Most copies first.
    Count,
}

/// Strings.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Strings {
    /// Texts that several strings have.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duplicates: Option<Vec<Duplicate>>,
    /// What one copy of each text would save, over all texts that pass the filter.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wasted_size: Option<u64>,
    /// The largest strings.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub strings: Option<Vec<NodeInfo>>,
    /// Which rows.
    pub page: PageInfo,
}

/// A text that several strings have.
#[derive(Serialize)]
pub struct Duplicate {
    /// The text and what it costs.
    #[serde(flatten)]
    pub text: DuplicateStrings,
    /// Ids of the first few.
    pub ids: Vec<u64>,
}

impl View<'_> {
    /// Strings.
    pub fn strings(&self, request: &StringsRequest) -> Result<Strings, Failure> {
        if request.duplicates { self.duplicates(request) } else { self.largest_strings(request) }
    }

    fn duplicates(&self, request: &StringsRequest) -> Result<Strings, Failure> {
        let analysis = self.analysis();
        let patterns = patterns(&request.filter)?;
        let sort = match request.sort {
            StringOrder::Wasted => DuplicateSort::Wasted,
            StringOrder::Retained => DuplicateSort::RetainedSize,
            StringOrder::Count => DuplicateSort::Count,
        };
        let mut all = analysis.duplicate_strings(Sameness::Whole, sort, Page::ALL).items;
        all.retain(|row| patterns.iter().all(|p| p.matches(&row.value)));
        let wasted = sum(all.iter().map(|row| row.wasted_size));
        let total = all.len();
        let (rows, page) = request.window.cut(all, total);
        let duplicates = rows.into_iter().map(|text| {
            let ids = text.nodes.iter().take(5).map(|&n| analysis.id(n)).collect();
            Duplicate { text, ids }
        });
        Ok(Strings { duplicates: Some(duplicates.collect()), wasted_size: Some(wasted), strings: None, page })
    }

    fn largest_strings(&self, request: &StringsRequest) -> Result<Strings, Failure> {
        if request.sort == StringOrder::Count {
            return Err(Failure::argument("--sort count works only with --duplicates"));
        }
        let analysis = self.analysis();
        let patterns = patterns(&request.filter)?;
        let mut found: Vec<NodeOrdinal> = (0..self.snapshot.node_count())
            .map(NodeOrdinal)
            .filter(|&n| {
                matches!(analysis.node_type(n), "string" | "concatenated string" | "sliced string")
                    && analysis.self_size(n) > 0
                    && patterns.iter().all(|p| p.matches(&analysis.name(n)))
            })
            .collect();
        found.sort_by_key(|&n| std::cmp::Reverse(analysis.retained_size(n)));
        let total = found.len();
        let (rows, page) = request.window.cut(found, total);
        let strings = rows.into_iter().map(|n| analysis.node(n)).collect();
        Ok(Strings { duplicates: None, wasted_size: None, strings: Some(strings), page })
    }
}
