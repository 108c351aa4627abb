//! What leaks.

use serde::{Deserialize, Serialize};
use stillheap_verdict::{Leaks, Options, Sources};

use crate::diff::{SalvagedFile, salvaged};
use crate::failure::Failure;
use crate::opened::{Opened, SCHEMA_VERSION, View, ask_all};

/// Asks what leaks.
#[derive(Clone, Debug, Deserialize, schemars::JsonSchema, clap::Args)]
#[serde(default, rename_all = "camelCase")]
pub struct LeaksRequest {
    /// Suspects to show
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..))]
    pub limit: u16,
    /// Suspect what grows by so many bytes from file to file, instead of 6 kB or 0.3 % of the heap
    #[arg(long, value_name = "BYTES")]
    pub least_growth: Option<u32>,
}

impl Default for LeaksRequest {
    fn default() -> Self {
        LeaksRequest { limit: 5, least_growth: None }
    }
}

/// What leaks.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LeaksAnswer {
    schema_version: u32,
    model: &'static str,
    /// The files, oldest first.
    pub files: Vec<String>,
    /// The verdict.
    #[serde(flatten)]
    pub leaks: Leaks,
    /// Truncated files and what they lack.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub salvaged: Vec<SalvagedFile>,
}

/// What leaks, as `files`, oldest first, tell. All are looked at under the first one's model.
///
/// # Errors
/// There are no files, or one cannot be read any more.
pub fn leaks(
    files: &[&Opened],
    request: &LeaksRequest,
    sources: &dyn Sources,
) -> Result<LeaksAnswer, Failure> {
    ask_all(files, |views| suspects(views, request, sources))
        .map(|leaks| LeaksAnswer { salvaged: salvaged(files), ..leaks })
}

/// The same of views, for those who ask more about them. What files lack is left out.
///
/// # Errors
/// There are no files.
pub fn suspects(
    files: &[View<'_>],
    request: &LeaksRequest,
    sources: &dyn Sources,
) -> Result<LeaksAnswer, Failure> {
    let Some(first) = files.first() else {
        return Err(Failure::argument("a verdict needs a snapshot"));
    };
    let analyses: Vec<_> = files.iter().map(|file| file.snapshot.analysis(first.model)).collect();
    let least_growth = request.least_growth.map(i64::from);
    let options = Options { limit: usize::from(request.limit), least_growth };
    Ok(LeaksAnswer {
        schema_version: SCHEMA_VERSION,
        model: first.model.name(),
        files: files.iter().map(|file| file.file.to_owned()).collect(),
        leaks: stillheap_verdict::leaks(&analyses, sources, options),
        salvaged: Vec::new(),
    })
}
