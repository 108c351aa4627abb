//! Keeps the status page (see stillheap-control) up to date.

use std::fs::File;
use std::sync::Mutex;

use stillheap_control::{CaptureOutcome, CaptureProgress, KEPT, PROTOCOL, Phase, Status, Watch, encode};

use crate::sync::lock;

struct StatusPage {
    status: Status,
    file: Option<File>,
}

static PAGE: Mutex<Option<StatusPage>> = Mutex::new(None);

/// Makes the page. Where there are no memfds, the process has no page, and all else works.
pub fn open(node: &str, engine_reason: Option<String>) {
    let mut page = lock(&PAGE);
    if page.is_some() {
        return;
    }
    let status = Status {
        protocol: PROTOCOL,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        pid: std::process::id(),
        node: node.to_owned(),
        engine_reason,
        ..Status::default()
    };
    let file = create();
    if let Some(file) = &file {
        write(file, &encode(&status));
    }
    *page = Some(StatusPage { status, file });
}

/// Changes the status and writes it out.
fn update(change: impl FnOnce(&mut Status)) {
    if let Some(page) = lock(&PAGE).as_mut() {
        change(&mut page.status);
        if let Some(file) = &page.file {
            write(file, &encode(&page.status));
        }
    }
}

/// The runtime's version, as JavaScript said it.
pub fn node() -> Option<String> {
    lock(&PAGE).as_ref().map(|page| page.status.node.clone())
}

pub fn signal(signal: Option<i32>) {
    update(|status| status.signal = signal);
}

pub fn signals_arrived(count: u64) {
    update(|status| {
        status.signals += count;
        status.running.get_or_insert_default();
    });
}

pub fn running(phase: Phase, done: u64, total: u64) {
    update(|status| status.running = Some(CaptureProgress { phase, done, total }));
}

/// A signal's capture has ended.
pub fn ended(outcome: serde_json::Value, more: bool) {
    update(|status| {
        status.finished += 1;
        status.running = more.then(CaptureProgress::default);
        status.outcomes.push(CaptureOutcome { number: status.finished, outcome });
        if status.outcomes.len() > KEPT {
            status.outcomes.remove(0);
        }
    });
}

/// Shows what a growth watch has seen. A worker's is shown only where the main thread has none.
pub fn watched(thread_id: u32, change: impl FnOnce(&mut Watch)) {
    update(|status| {
        let shown = status.watch.get_or_insert_with(|| Watch { thread_id, ..Watch::default() });
        if shown.thread_id != thread_id {
            if thread_id != 0 {
                return;
            }
            *shown = Watch { thread_id, ..Watch::default() };
        }
        change(shown);
    });
}

/// Takes the watch of a thread off the page.
pub fn unwatched(thread_id: u32) {
    update(|status| {
        status.watch.take_if(|watch| watch.thread_id == thread_id);
    });
}

#[cfg(target_os = "linux")]
fn create() -> Option<File> {
    use nix::sys::memfd::{MFdFlags, memfd_create};
    memfd_create(stillheap_control::MEMFD_NAME, MFdFlags::MFD_CLOEXEC).ok().map(File::from)
}

#[cfg(not(target_os = "linux"))]
fn create() -> Option<File> {
    None
}

#[cfg(unix)]
fn write(file: &File, page: &[u8]) {
    use std::os::unix::fs::FileExt;
    // Memory may be short; then the page is old, which its readers can live with.
    let _ = file.write_all_at(page, 0);
}

#[cfg(not(unix))]
fn write(_file: &File, _page: &[u8]) {}
