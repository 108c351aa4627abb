//! What changed between snapshots.

use serde::{Deserialize, Serialize};
use stillheap_analysis::{
    Analysis, Comparison, ComparisonTotals, DiffRow, DiffSort, Growth, GrowthSort, MatchedBy, Matching, Page,
    Salvage, SeriesClass, SeriesSort, compare, growth, series,
};

use crate::fail_on::{Condition, ConditionHit};
use crate::failure::Failure;
use crate::opened::{Opened, SCHEMA_VERSION, View, ask_all};
use crate::pattern::patterns;
use crate::window::{PageInfo, Window};

/// Asks what changed.
#[derive(Clone, Debug, Default, Deserialize, schemars::JsonSchema, clap::Args)]
#[serde(default, rename_all = "camelCase")]
pub struct DiffRequest {
    /// The part of the list.
    #[command(flatten)]
    #[serde(flatten)]
    pub window: Window,
    /// The order of the rows
    #[arg(long, value_enum, default_value_t)]
    pub sort: DiffOrder,
    /// Only classes whose name matches: text, gl*b or /regex/
    #[arg(long, value_name = "PATTERN")]
    pub filter: Vec<String>,
    /// How to match the objects of the files
    #[arg(long = "match", value_enum, default_value_t)]
    pub matching: MatchingBy,
    /// End with exit code 1 if this holds, such as 'EmailTemplate:count>100', '*:size>10MB', 'total:size>50MB',
    /// '/^Email/:grows'; may be given several times
    #[arg(long, value_name = "CONDITION")]
    pub fail_on: Vec<String>,
}

/// Orders of changed classes.
#[derive(Clone, Copy, Debug, Default, Deserialize, schemars::JsonSchema, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum DiffOrder {
    /// Largest growth in bytes first.
    #[default]
    Size,
    /// Largest growth in objects first.
    Count,
    /// Most added bytes first.
    Added,
    /// By name.
    Name,
}

/// Ways of matching.
#[derive(Clone, Copy, Debug, Default, Deserialize, schemars::JsonSchema, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum MatchingBy {
    /// By id if the files are of one process that kept its ids, else by class.
    #[default]
    Auto,
    /// By id in any case, as DevTools does.
    Id,
    /// By class.
    Class,
}

/// What changed.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Diff {
    schema_version: u32,
    model: &'static str,
    /// The files, oldest first.
    pub files: Vec<String>,
    /// How objects of the first and the last file were matched.
    pub matched_by: MatchedBy,
    /// Why.
    pub reason: String,
    /// Sums over all classes, filtered or not.
    pub totals: ComparisonTotals,
    /// Classes that changed from the first file to the last.
    pub classes: Vec<DiffRow>,
    /// Which of them.
    pub page: PageInfo,
    /// Objects that are in both and grew; left out if they cannot be known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grown: Option<Vec<Growth>>,
    /// With three files or more: the classes over all of them, those that grow in every step first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub series: Option<Vec<SeriesClass>>,
    /// The conditions asked for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<ConditionOutcome>,
    /// What the files say against being compared like this: their order, several processes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// Truncated files and what they lack.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub salvaged: Vec<SalvagedFile>,
}

/// Whether a condition was met.
#[derive(Serialize)]
pub struct ConditionOutcome {
    /// As it was given.
    pub condition: String,
    /// It holds: the exit code is 1.
    pub failed: bool,
    /// For which classes, and the value there; at most ten.
    pub classes: Vec<ConditionHit>,
}

/// A truncated file.
#[derive(Serialize)]
pub struct SalvagedFile {
    /// Which.
    pub file: String,
    /// What is missing.
    #[serde(flatten)]
    pub salvage: Salvage,
}

/// The truncated ones of some files.
pub(super) fn salvaged(files: &[&Opened]) -> Vec<SalvagedFile> {
    let found = files.iter().filter_map(|f| {
        let salvage = f.salvage()?.clone();
        Some(SalvagedFile { file: f.file.clone(), salvage })
    });
    found.collect()
}

/// Rows of `grown` at most, whatever the limit; a list for people.
const MOST_GROWN: usize = 10;

/// What changed from the first of `files` to the last. All are looked at under the first one's model.
///
/// # Errors
/// The request is wrong, or a file cannot be read any more.
pub fn diff(files: &[&Opened], request: &DiffRequest) -> Result<Diff, Failure> {
    let salvaged = salvaged(files);
    ask_all(files, |views| compared(views, request, salvaged))
}

fn compared(files: &[View<'_>], request: &DiffRequest, salvaged: Vec<SalvagedFile>) -> Result<Diff, Failure> {
    let (Some(first), Some(last)) = (files.first(), files.last()) else {
        return Err(Failure::argument("a comparison needs two snapshots"));
    };
    let patterns = patterns(&request.filter)?;
    let conditions: Vec<Condition> =
        request.fail_on.iter().map(|text| Condition::parse(text)).collect::<Result<_, _>>()?;
    let analyses: Vec<_> = files.iter().map(|f| f.snapshot.analysis(first.model)).collect();
    let (old, new) = (first.snapshot.analysis(first.model), last.snapshot.analysis(first.model));
    let matching = match request.matching {
        MatchingBy::Auto => Matching::Auto,
        MatchingBy::Id => Matching::Id,
        MatchingBy::Class => Matching::Class,
    };
    let comparison = compare(&old, &new, matching);
    let sort = match request.sort {
        DiffOrder::Size => DiffSort::SizeDelta,
        DiffOrder::Count => DiffSort::CountDelta,
        DiffOrder::Added => DiffSort::AddedSize,
        DiffOrder::Name => DiffSort::Name,
    };
    let keep = |name: &str| patterns.iter().all(|p| p.matches(name));
    let mut rows = comparison.sorted(sort, Page::ALL).items;
    rows.retain(|row| keep(&row.name));
    let total = rows.len();
    let (classes, page) = request.window.cut(rows, total);
    let matched = match comparison.matched_by {
        MatchedBy::Id => Matching::Id,
        MatchedBy::Class => Matching::Class,
    };
    let grown = growth(&old, &new, matched, GrowthSort::SelfSize, Page::first(MOST_GROWN));
    let mut course = None;
    if files.len() > 2 {
        let order = match request.sort {
            DiffOrder::Count => SeriesSort::CountDelta,
            _ => SeriesSort::Steady,
        };
        let mut all = series(&analyses).sorted(order, Page::ALL).items;
        all.retain(|class| keep(&class.name));
        course = Some(all);
    }
    let conditions = conditions
        .iter()
        .map(|condition| outcome(condition, &comparison, &new, course.as_deref()))
        .collect::<Result<_, _>>()?;
    let series = course.map(|all| {
        let total = all.len();
        request.window.cut(all, total).0
    });
    Ok(Diff {
        schema_version: SCHEMA_VERSION,
        model: first.model.name(),
        files: files.iter().map(|f| f.file.to_owned()).collect(),
        matched_by: comparison.matched_by,
        reason: comparison.reason.clone(),
        totals: comparison.totals(),
        classes,
        page,
        grown: grown.map(|page| page.items.into_iter().filter(|g| g.self_size_delta > 0).collect()),
        series,
        conditions,
        notes: crate::order::objections(files),
        salvaged,
    })
}

fn outcome(
    condition: &Condition,
    comparison: &Comparison,
    new: &Analysis<'_>,
    course: Option<&[SeriesClass]>,
) -> Result<ConditionOutcome, Failure> {
    let mut hits = condition.hits(comparison, &new.classes(None).rows, course)?;
    let failed = !hits.is_empty();
    hits.truncate(10);
    Ok(ConditionOutcome { condition: condition.text.clone(), failed, classes: hits })
}

impl Diff {
    /// The model whose sizes are given.
    pub fn model_name(&self) -> &'static str {
        self.model
    }

    /// A condition holds.
    pub fn failed(&self) -> bool {
        self.conditions.iter().any(|condition| condition.failed)
    }
}
