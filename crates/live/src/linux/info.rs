//! What a running process is: versions, memory, isolates.

use std::fs;

use serde::Serialize;
use stillheap_corefile::{HandleInfo, TimerInfo, shown_facts};
use stillheap_heap::Heap;
use stillheap_heap::unwatched;

use crate::error::Result;
use crate::linux::process::Process;

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct IsolateInfo {
    /// Its number, as --isolate takes it.
    pub number: usize,
    /// Whether it is the main thread's.
    pub main: bool,
    /// Bytes of its pages.
    pub page_bytes: u64,
}

/// Bytes of a process's memory.
#[derive(Clone, Copy, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Usage {
    pub resident_bytes: u64,
    /// Of it, what the process has written itself.
    pub anonymous_bytes: u64,
    /// The part of `resident_bytes` that are pages of files.
    pub file_bytes: u64,
    pub swap_bytes: u64,
    /// Bytes of the pages of all isolates.
    pub v8_pages: u64,
}

/// What `stillheap info PID` says.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Info {
    pub pid: u32,
    /// `process.version`.
    pub node: String,
    /// `process.versions.v8`.
    pub v8: String,
    /// The program and its arguments, flags included, as the system has them.
    pub command: Vec<String>,
    /// Seconds since it was started.
    pub uptime_s: f64,
    /// Threads as the kernel counts them.
    pub threads: usize,
    /// Open descriptors; none if they can't be counted.
    pub descriptors: Option<usize>,
    /// Of these, sockets.
    pub sockets: Option<usize>,
    pub memory: Usage,
    pub isolates: Vec<IsolateInfo>,
    /// The position of the isolate that the fields below describe.
    pub isolate: usize,
    pub live_objects: u64,
    pub live_bytes: u64,
    /// What V8 keeps of its last collections, as `--trace-gc` prints it; the oldest first.
    pub collections: Vec<String>,
    /// Node's handles and requests that are open, by their C++ class.
    pub handles: Vec<HandleInfo>,
    /// Timers that wait, the same ones together, the most frequent first.
    pub timers: Vec<TimerInfo>,
    /// How long the main thread stood still, in milliseconds.
    pub pause_ms: f64,
}

fn uptime(pid: u32) -> f64 {
    let now: f64 = stillheap_limits::read_text("/proc/uptime")
        .unwrap_or_default()
        .split(' ')
        .next()
        .and_then(|seconds| seconds.parse().ok())
        .unwrap_or(0.0);
    let started = stillheap_limits::stat_of(pid).map_or(0, |stat| stat.started);
    (now - started as f64 / 100.0).max(0.0)
}

fn usage(pid: u32, v8_pages: u64) -> Usage {
    let status = stillheap_limits::read_text(format!("/proc/{pid}/status")).unwrap_or_default();
    let bytes = |name: &str| stillheap_limits::status_kilobytes(&status, name).unwrap_or(0);
    Usage {
        resident_bytes: bytes("VmRSS"),
        anonymous_bytes: bytes("RssAnon"),
        file_bytes: bytes("RssFile"),
        swap_bytes: bytes("VmSwap"),
        v8_pages,
    }
}

/// How many descriptors a process has, and how many of them are sockets.
fn descriptors(pid: u32) -> Option<(usize, usize)> {
    let entries = fs::read_dir(format!("/proc/{pid}/fd")).ok()?;
    let links: Vec<_> = entries.flatten().filter_map(|entry| fs::read_link(entry.path()).ok()).collect();
    let sockets = links.iter().filter(|link| link.to_string_lossy().starts_with("socket:")).count();
    Some((links.len(), sockets))
}

impl Process {
    /// What the process is.
    ///
    /// # Errors
    /// It was left alone, or its heap can't be read.
    pub fn info(&self) -> Result<Info> {
        let pid = self.pid();
        let command = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let command = command.split(|&byte| byte == 0).filter(|word| !word.is_empty());
        let command = command.map(|word| String::from_utf8_lossy(word).into_owned()).collect();
        let threads = fs::read_dir(format!("/proc/{pid}/task")).map_or(0, Iterator::count);
        let descriptors = descriptors(pid);
        let uptime_s = uptime(pid);
        let (info, _) = self.read_copy(|copy| {
            let mut opened = Heap::open(&copy.memory, &self.layout, self.choice())?;
            let live = opened.heap.verify(&mut unwatched)?;
            let v8_pages = opened.isolates.iter().map(|isolate| isolate.bytes).sum();
            let isolates = opened.isolates.iter().enumerate();
            let (handles, timers) = shown_facts(opened.heap.facts(&live));
            Ok(Info {
                pid,
                node: live.process.node.clone(),
                v8: live.process.v8.clone(),
                command,
                uptime_s,
                threads,
                descriptors: descriptors.map(|(all, _)| all),
                sockets: descriptors.map(|(_, sockets)| sockets),
                memory: usage(pid, v8_pages),
                isolates: isolates
                    .map(|(number, i)| IsolateInfo { number, main: i.main, page_bytes: i.bytes })
                    .collect(),
                isolate: opened.isolate,
                live_objects: live.objects(),
                live_bytes: live.bytes(),
                collections: opened.heap.last_collections(),
                handles,
                timers,
                pause_ms: copy.frozen.pause().total.as_secs_f64() * 1e3,
            })
        })?;
        Ok(info)
    }
}
