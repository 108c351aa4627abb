//! When and where live objects were allocated, for files recorded while allocations were tracked.

use serde::{Deserialize, Serialize};
use stillheap_analysis::{AllocationSite, Page, SiteSort, TimelineSample};

use crate::failure::Failure;
use crate::opened::View;
use crate::pattern::patterns;
use crate::window::{PageInfo, Window};

/// Asks for the timeline.
#[derive(Clone, Debug, Default, Deserialize, schemars::JsonSchema, clap::Args)]
#[serde(default)]
pub struct TimelineRequest {
    /// The part of the list.
    #[command(flatten)]
    #[serde(flatten)]
    pub window: Window,
    /// Which call sites come first
    #[arg(long, value_enum, default_value_t)]
    pub sort: SiteOrder,
    /// Only call sites with a function or script on the stack that matches: text, gl*b or /regex/
    #[arg(long, value_name = "PATTERN")]
    pub filter: Vec<String>,
}

/// Orders of call sites.
#[derive(Clone, Copy, Debug, Default, Deserialize, schemars::JsonSchema, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum SiteOrder {
    /// Most bytes that are still alive first.
    #[default]
    LiveSize,
    /// Most objects that are still alive first.
    LiveCount,
    /// Most bytes ever allocated first.
    Size,
    /// Most allocations first.
    Count,
}

/// The timeline.
#[derive(Serialize)]
pub struct Timeline {
    /// All points of time; empty if the file has none.
    pub samples: Vec<TimelineSample>,
    /// Call sites; empty if allocation stacks were not recorded.
    pub sites: Vec<AllocationSite>,
    /// Which call sites.
    pub page: PageInfo,
}

impl View<'_> {
    /// The timeline.
    pub fn timeline(&self, request: &TimelineRequest) -> Result<Timeline, Failure> {
        let analysis = self.analysis();
        let patterns = patterns(&request.filter)?;
        let sort = match request.sort {
            SiteOrder::LiveSize => SiteSort::LiveSize,
            SiteOrder::LiveCount => SiteSort::LiveCount,
            SiteOrder::Size => SiteSort::Size,
            SiteOrder::Count => SiteSort::Count,
        };
        let (sites, page) = if patterns.is_empty() {
            let found = analysis.allocation_sites(sort, request.window.page());
            (found.items, request.window.of(found.total))
        } else {
            let mut all = analysis.allocation_sites(sort, Page::ALL).items;
            all.retain(|site| {
                patterns.iter().all(|p| {
                    site.stack.iter().any(|frame| {
                        let script = frame.position.as_ref().and_then(|at| at.script.as_deref());
                        p.matches(&frame.name) || script.is_some_and(|script| p.matches(script))
                    })
                })
            });
            let total = all.len();
            request.window.cut(all, total)
        };
        Ok(Timeline { samples: analysis.samples(), sites, page })
    }
}
