//! What can be told of a heap at its limit without reading it: a small JSON file (docs/json-schema.md) that is
//! written before the snapshot is tried, and again when its outcome is known.

use std::cell::RefCell;
use std::path::{Path, PathBuf};

use serde::Serialize;
use stillheap_limits::{Cgroups, status_kilobytes};
use stillheap_protocol::{CaptureRequest, CaptureResult, Compression, Failure, LossyPath, outcome_json};
use stillheap_redact::NameRedactor;
use stillheap_sink::{Destination, OpenedFile};
use stillheap_v8::{Allocations, CurrentIsolate, SpaceStatistics, Statistics};

use super::Limits;
use crate::capture::TargetPaths;
use crate::isolates::Target;
use crate::request::redaction;
use crate::status;

/// So many functions are named on stderr.
const NAMED: usize = 3;

/// Counts up when a field changes its meaning.
const SCHEMA_VERSION: u32 = 1;

/// The report. Bytes throughout.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Evidence {
    schema_version: u32,
    kind: &'static str,
    version: &'static str,
    time: String,
    pid: u32,
    thread_id: u32,
    is_main_thread: bool,
    node: Option<String>,
    heap_limit: HeapLimit,
    statistics: Option<Statistics>,
    spaces: Vec<SpaceStatistics>,
    process: ProcessEvidence,
    cgroups: Vec<CgroupEvidence>,
    /// Null unless they are sampled, or until they have been read.
    allocations: Option<Allocations>,
    /// Whether running out of a group's memory ends all its processes, and the parent with the child.
    #[serde(skip)]
    pub(super) ends_together: bool,
    /// `{"result": …}` or `{"error": …}`; null until it is known.
    snapshot: Option<serde_json::Value>,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct HeapLimit {
    /// Bytes, when the limit was reached.
    current: usize,
    /// Bytes, when the isolate began.
    initial: usize,
    /// Bytes, while the snapshot is taken.
    raised: usize,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct ProcessEvidence {
    resident: Option<u64>,
    resident_peak: Option<u64>,
    address_space: Option<u64>,
    swapped: Option<u64>,
    machine_available: Option<u64>,
}

#[derive(Clone, Debug, Serialize)]
struct CgroupEvidence {
    directory: LossyPath,
    limit: Option<u64>,
    used: Option<u64>,
}

impl Evidence {
    /// Asks V8 and the system; on the isolate's thread.
    pub(super) fn gather(target: &Target, limits: Limits) -> Self {
        let read = |path: &str| stillheap_limits::read_text(path).unwrap_or_default();
        let status = read("/proc/self/status");
        let groups = Cgroups::find(&read("/proc/self/cgroup"), &read("/proc/self/mountinfo"));
        let ends_together = groups.0.iter().any(stillheap_limits::Cgroup::ends_together);
        let cgroups = groups.0.into_iter().map(|group| CgroupEvidence {
            limit: group.limit(),
            used: group.used(),
            directory: group.directory.into(),
        });
        Self {
            schema_version: SCHEMA_VERSION,
            kind: "near-heap-limit",
            version: env!("CARGO_PKG_VERSION"),
            time: chrono::Utc::now().to_rfc3339_opts(chrono::SecondsFormat::Millis, true),
            pid: std::process::id(),
            thread_id: target.thread_id,
            is_main_thread: target.is_main,
            node: status::node(),
            heap_limit: HeapLimit { current: limits.current, initial: limits.initial, raised: limits.raised },
            statistics: CurrentIsolate::get().and_then(CurrentIsolate::statistics),
            spaces: CurrentIsolate::get().map(CurrentIsolate::spaces).unwrap_or_default(),
            process: ProcessEvidence {
                resident: status_kilobytes(&status, "VmRSS"),
                resident_peak: status_kilobytes(&status, "VmHWM"),
                address_space: status_kilobytes(&status, "VmSize"),
                swapped: status_kilobytes(&status, "VmSwap"),
                machine_available: status_kilobytes(&read("/proc/meminfo"), "MemAvailable"),
            },
            ends_together,
            cgroups: cgroups.filter(|group| group.limit.is_some()).collect(),
            allocations: None,
            snapshot: None,
        }
    }

    /// Asks V8 what lives of the allocations that it has sampled; on the isolate's thread.
    pub(super) fn add_allocations(&mut self, target: &Target, request: &CaptureRequest) {
        self.allocations = CurrentIsolate::get().and_then(|isolate| isolate.allocations(target.environment));
        match redaction(request) {
            Ok(None) => {}
            // The same placeholders as in the snapshot.
            Ok(Some(options)) => {
                if let Some(allocations) = &mut self.allocations {
                    let names = RefCell::new(NameRedactor::new(options.key));
                    allocations.rename(
                        |name| names.borrow_mut().function(name),
                        |name| names.borrow_mut().script(name),
                    );
                }
            }
            Err(_) => self.allocations = None,
        }
    }

    /// Who allocated most of it, for a log.
    pub(super) fn allocations_line(&self) -> Option<String> {
        let allocations = self.allocations.as_ref()?;
        let part = |bytes: u64| bytes.saturating_mul(100) / allocations.bytes().max(1);
        let tops = allocations.tops(NAMED).into_iter();
        let tops: Vec<_> = tops.map(|(name, bytes)| format!("{name} {} %", part(bytes))).collect();
        (!tops.is_empty()).then(|| format!("stillheap: live objects were allocated by {}", tops.join(", ")))
    }

    /// The snapshot's result.
    pub(super) fn add_outcome(&mut self, outcome: &Result<CaptureResult, Failure>) {
        self.snapshot = Some(outcome_json(outcome));
    }

    /// Writes it where the snapshot will go, under the same name with another extension.
    pub(super) fn write(&self, request: &CaptureRequest) -> Result<PathBuf, Failure> {
        let request =
            CaptureRequest { compress: Compression::None, spool: false, redact: None, ..request.clone() };
        let place =
            TargetPaths::choose(&request, self.thread_id, chrono::Utc::now())?.with_extension(".json");
        let (opened, ..) = place.open(&request)?;
        self.finish(opened)
    }

    /// Writes it again, with what has been added, in the first one's place.
    pub(super) fn rewrite(&self, path: &Path) -> Result<PathBuf, Failure> {
        let destination = Destination { path: path.to_owned(), overwrite: true, generated: false };
        self.finish(OpenedFile::create(destination, Compression::None)?)
    }

    fn finish(&self, opened: OpenedFile) -> Result<PathBuf, Failure> {
        let mut text = serde_json::to_vec_pretty(self).unwrap_or_default();
        text.push(b'\n');
        let mut direct = opened.start()?;
        direct.write(&text)?;
        Ok(direct.finish()?.path)
    }
}
