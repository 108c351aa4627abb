//! What leaks.

use serde::{Deserialize, Serialize};
pub use stillheap_verdict::Confidence;
use stillheap_verdict::{Leaks, Options, Sources};

use crate::diff::{SalvagedFile, salvaged};
use crate::failure::Failure;
use crate::opened::{Opened, SCHEMA_VERSION, View, ask_all};
use crate::order::{OrderedBy, ProcessFiles, arrange};

/// Asks what leaks.
#[derive(Clone, Debug, Deserialize, schemars::JsonSchema, clap::Args)]
#[serde(default, rename_all = "camelCase")]
pub struct LeaksRequest {
    /// Suspects to show
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..))]
    pub limit: u16,
    /// Least growth of a suspect from file to file, in bytes, instead of 6 kB or 0.3 % of the heap
    #[arg(long, value_name = "BYTES")]
    pub least_growth: Option<u32>,
    /// Take the files as snapshots of one process in the order given, oldest first
    #[arg(long)]
    pub as_given: bool,
}

impl Default for LeaksRequest {
    fn default() -> Self {
        LeaksRequest { limit: 5, least_growth: None, as_given: false }
    }
}

/// What leaks.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LeaksAnswer {
    schema_version: u32,
    model: &'static str,
    /// The process that most files are of.
    #[serde(flatten)]
    pub main: ProcessLeaks,
    /// What was done to the files given: put in order, left out, taken apart by process.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// Where the files are of several processes, the others, each judged by itself.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub others: Vec<ProcessLeaks>,
    /// Truncated files and what they lack.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub salvaged: Vec<SalvagedFile>,
}

/// What leaks in one process.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ProcessLeaks {
    /// The files, oldest first.
    pub files: Vec<String>,
    /// How their order is known.
    pub ordered_by: OrderedBy,
    /// Whose they are, where the files say it: `process 12, thread 3`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub process: Option<String>,
    /// The verdict.
    #[serde(flatten)]
    pub leaks: Leaks,
}

impl LeaksAnswer {
    /// The verdicts, one for each process.
    pub fn processes(&self) -> impl Iterator<Item = &ProcessLeaks> {
        std::iter::once(&self.main).chain(&self.others)
    }

    /// Whether something leaks. One snapshot accuses nobody, unless something stands out in it with so much confidence
    /// as is asked for.
    pub fn fails(&self, least: Option<Confidence>) -> bool {
        let mut suspects = self.processes().flat_map(|process| &process.leaks.suspects);
        suspects.any(|suspect| match suspect.confidence {
            Some(confidence) => least.is_some_and(|least| confidence >= least),
            None => true,
        })
    }
}

/// What leaks, as `files` tell. They are put in order, and apart by process, unless the request says otherwise. All are
/// looked at under the first one's model.
///
/// # Errors
/// There is no file, or nothing tells in which order they were taken.
pub fn leaks(
    files: &[&Opened],
    request: &LeaksRequest,
    sources: &dyn Sources,
) -> Result<LeaksAnswer, Failure> {
    ask_all(files, |views| suspects(views, request, sources))
        .map(|leaks| LeaksAnswer { salvaged: salvaged(files), ..leaks })
}

/// The same for views that the caller keeps. What files lack is left out.
///
/// # Errors
/// There are no files.
pub fn suspects(
    files: &[View<'_>],
    request: &LeaksRequest,
    sources: &dyn Sources,
) -> Result<LeaksAnswer, Failure> {
    let Some(first) = files.first() else {
        return Err(Failure::argument("a verdict needs at least one snapshot"));
    };
    let arranged = arrange(files, request.as_given)?;
    let least_growth = request.least_growth.map(i64::from);
    let options = Options { limit: usize::from(request.limit), least_growth };
    let judged = |group: ProcessFiles| {
        let files: Vec<View<'_>> = group.files.iter().map(|&i| files[i]).collect();
        let analyses: Vec<_> = files.iter().map(|file| file.snapshot.analysis(first.model)).collect();
        ProcessLeaks {
            files: files.iter().map(|file| file.file.to_owned()).collect(),
            ordered_by: group.ordered_by,
            process: group.process,
            leaks: stillheap_verdict::leaks(&analyses, sources, options),
        }
    };
    let mut groups = arranged.groups.into_iter().map(judged);
    let Some(main) = groups.next() else {
        return Err(Failure::argument("a verdict needs at least one snapshot"));
    };
    Ok(LeaksAnswer {
        schema_version: SCHEMA_VERSION,
        model: first.model.name(),
        main,
        notes: arranged.notes,
        others: groups.collect(),
        salvaged: Vec::new(),
    })
}
