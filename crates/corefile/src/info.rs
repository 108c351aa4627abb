//! What a core says about its process.

use std::path::Path;

use serde::Serialize;
use stillheap_graph::Result;
use stillheap_heap::{Facts, Timers};

use crate::death::{Why, why};
use crate::open::{CoreOptions, with_heap};

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct IsolateInfo {
    /// Its number, as --isolate takes it.
    pub number: usize,
    /// Whether it is the main thread's.
    pub main: bool,
    /// Pages of its own.
    pub pages: usize,
    /// Bytes of those pages.
    pub page_bytes: u64,
}

/// What `stillheap info` says of a core.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Info {
    pub pid: Option<u32>,
    /// The command, as the kernel kept it: cut after 80 bytes.
    pub command: Option<String>,
    /// process.argv.
    pub arguments: Vec<String>,
    /// The whole command with Node's own options, as the kernel started it; none if the core hasn't that part of the stack.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command_line: Option<Vec<String>>,
    /// The environment variable NODE_OPTIONS.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node_options: Option<String>,
    /// When the process was started, in milliseconds since 1970 (`performance.timeOrigin`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub started_ms: Option<f64>,
    pub node: String,
    pub v8: String,
    pub build_id: Option<String>,
    /// The program that symbols were read from.
    pub program: Option<String>,
    /// The signal that ended the process, if one did.
    pub signal: Option<i32>,
    /// Why it ended itself, as far as its memory tells.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<Why>,
    /// What V8 keeps of its last collections, as `--trace-gc` prints it; the oldest first.
    pub collections: Vec<String>,
    /// Node's handles and requests that were open, by their C++ class.
    pub handles: Vec<HandleInfo>,
    /// Timers that waited, the same ones together, the most frequent first.
    pub timers: Vec<TimerInfo>,
    pub threads: usize,
    pub isolates: Vec<IsolateInfo>,
    /// The isolate that the following numbers are of.
    pub isolate: usize,
    pub live_objects: u64,
    pub live_bytes: u64,
    /// Memory of the process that is in the core, by what it is.
    pub memory: MemoryInfo,
    /// Bytes that a truncated core has lost.
    pub missing_bytes: u64,
}

/// Open handles or requests of one class.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct HandleInfo {
    pub class: String,
    pub count: u64,
}

/// Timers with one function and one time.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TimerInfo {
    pub count: u64,
    pub milliseconds: f64,
    /// Whether they start again: setInterval.
    pub repeats: bool,
    /// Empty for a function without a name.
    pub function: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub script: Option<String>,
    /// Where the function begins, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub column: Option<u32>,
}

impl From<Timers> for TimerInfo {
    fn from(timers: Timers) -> TimerInfo {
        TimerInfo {
            count: timers.count,
            milliseconds: timers.milliseconds,
            repeats: timers.repeats,
            function: timers.function,
            script: timers.script,
            line: timers.place.map(|(line, _)| line),
            column: timers.place.map(|(_, column)| column),
        }
    }
}

/// What Node's objects say, as `info` shows it.
pub fn shown_facts(facts: Facts) -> (Vec<HandleInfo>, Vec<TimerInfo>) {
    let handles = facts.handles.into_iter().map(|(class, count)| HandleInfo { class, count });
    (handles.collect(), facts.timers.into_iter().map(TimerInfo::from).collect())
}

/// Bytes of mappings.
#[derive(Clone, Copy, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct MemoryInfo {
    /// Bytes of the pages of all isolates.
    pub v8_pages: u64,
    /// Anonymous, V8's pages not counted.
    pub anonymous: u64,
    /// Bytes of mapped files.
    pub files: u64,
}

/// What a debugger stops a process with that goes on afterwards.
const SIGSTOP: i32 = 19;

/// Reads what a core says about its process.
///
/// # Errors
/// As of [`crate::read`].
pub fn info(path: &Path, options: &CoreOptions) -> Result<Info> {
    with_heap(path, options, |found| {
        let core = &found.memory.core;
        let process = &found.live.process;
        let (handles, timers) = shown_facts(found.heap.facts(&found.live));
        let started = core.started_with();
        let signal = core.death().map(|d| d.signal).filter(|&signal| signal != 0 && signal != SIGSTOP);
        let v8_pages = found.isolates.iter().map(|i| i.bytes).sum();
        let (mut anonymous, mut files) = (0, 0);
        for mapping in core.mappings() {
            let bytes = mapping.end - mapping.start;
            if mapping.file.is_some() { files += bytes } else { anonymous += bytes }
        }
        Ok(Info {
            pid: core.process(),
            command: core.command().map(str::to_owned),
            arguments: process.arguments.clone(),
            node_options: started.as_ref().and_then(|started| {
                started
                    .environment
                    .iter()
                    .find_map(|one| one.strip_prefix("NODE_OPTIONS=").map(str::to_owned))
            }),
            command_line: started.map(|started| started.arguments),
            started_ms: found.heap.started_ms(&found.live),
            node: process.node.clone(),
            v8: process.v8.clone(),
            build_id: core.build_id().map(str::to_owned),
            program: core.program().map(|p| p.path().display().to_string()),
            signal,
            why: signal.and_then(|_| why(core, &found.heap, &found.live)),
            collections: found.heap.last_collections(),
            handles,
            timers,
            threads: core.threads().len(),
            isolates: found
                .isolates
                .iter()
                .enumerate()
                .map(|(number, i)| IsolateInfo { number, main: i.main, pages: i.pages, page_bytes: i.bytes })
                .collect(),
            isolate: found.isolate,
            live_objects: found.live.objects(),
            live_bytes: found.live.bytes(),
            memory: MemoryInfo { v8_pages, anonymous: anonymous.saturating_sub(v8_pages), files },
            missing_bytes: core.missing_bytes(),
        })
    })
}
