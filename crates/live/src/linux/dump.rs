//! A snapshot of a running process.

use std::io::Write;

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::{Map, json};
use stillheap_attach::Pause;
use stillheap_heap::Watcher;
use stillheap_protocol::timestamp;

use crate::error::Result;
use crate::linux::process::Process;

/// What the pause was made of, in milliseconds.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PauseParts {
    /// Stopping the main thread.
    pub stop_ms: f64,
    /// The fork, with what is compared before it.
    pub fork_ms: f64,
    /// Giving V8's memory its marks back, and the donor's return.
    pub restore_ms: f64,
}

fn ms(time: std::time::Duration) -> f64 {
    (time.as_secs_f64() * 1e6).round() / 1e3
}

impl PauseParts {
    fn of(pause: &Pause) -> PauseParts {
        PauseParts {
            stop_ms: ms(pause.stopping),
            fork_ms: ms(pause.forking),
            restore_ms: ms(pause.restoring),
        }
    }
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Captured {
    /// How long the main thread stood still, in milliseconds.
    pub pause_ms: f64,
    /// What the pause was spent on.
    pub pause_parts: PauseParts,
    /// From the first thread that was stopped to the last that was let go.
    pub helpers_pause_ms: f64,
    /// `process.version`.
    pub node_version: String,
    /// The position of the isolate that was read.
    pub isolate: usize,
    /// How many isolates the process has.
    pub isolates: usize,
    pub node_count: u64,
    pub edge_count: u64,
    pub live_bytes: u64,
    /// When the heap was as the snapshot has it.
    pub time: String,
    /// The process's copy, which is gone.
    pub copy_pid: u32,
    /// Bytes that this command copied.
    pub copied_bytes: u64,
    /// The main thread seemed to be in a collection at every moment that was tried.
    pub while_collecting: bool,
    /// The copy has been reaped. Else the process has one zombie, which the next run reaps.
    pub reaped: bool,
}

/// When a process was started: ticks since the machine was, on its clock.
fn start_time(pid: u32) -> Option<String> {
    let ticks = i64::try_from(stillheap_limits::stat_of(pid)?.started).ok()?;
    let system = stillheap_limits::read_text("/proc/stat").ok()?;
    let booted: i64 = system.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()?;
    // A tick is a hundredth of a second on every Linux that user space sees.
    Some(timestamp(DateTime::<Utc>::from_timestamp_millis(booted * 1000 + ticks * 10)?))
}

impl Process {
    /// Writes a snapshot of the process as it is now.
    ///
    /// # Errors
    /// It was left alone, its heap can't be read, `out` failed, or the watcher said stop. The process goes on.
    pub fn capture(&self, out: impl Write, watcher: Watcher<'_>) -> Result<Captured> {
        let (pid, started) = (self.pid(), start_time(self.pid()));
        let (captured, ended) = self.read_copy(|copy| {
            let time = timestamp(Utc::now());
            let entries = |facts: &stillheap_heap::ProcessInfo, isolate: usize| {
                let entry = json!({
                    "version": env!("CARGO_PKG_VERSION"),
                    "mode": "attach",
                    "pid": pid,
                    "threadId": isolate,
                    "startTime": started,
                    "time": time,
                    "isolate": isolate,
                    "nodeVersion": facts.node,
                    // Ids of objects of the old generation are their addresses; those of the young one are in no other file.
                    "objectIds": "addresses",
                });
                Map::from_iter([("stillheap".to_owned(), entry)])
            };
            let written =
                stillheap_heapfile::write(&copy.memory, &self.layout, self.choice(), entries, out, watcher)?;
            let pause = copy.frozen.pause();
            Ok(Captured {
                pause_ms: ms(pause.total),
                pause_parts: PauseParts::of(&pause),
                helpers_pause_ms: ms(pause.helpers),
                node_version: written.process.node,
                isolate: written.isolate,
                isolates: written.isolates.len(),
                node_count: written.nodes,
                edge_count: written.edges,
                live_bytes: written.live_bytes,
                time,
                copy_pid: copy.frozen.copy(),
                copied_bytes: copy.memory.live.copied(),
                while_collecting: copy.collecting,
                reaped: false,
            })
        })?;
        Ok(Captured { reaped: ended.reaped, ..captured })
    }
}
