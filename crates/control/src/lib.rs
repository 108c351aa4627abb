//! What a process that has loaded stillheap tells others about itself: the status page.
//!
//! The page is a small anonymous file (a memfd named [`MEMFD_NAME`]) that the process keeps open. Anyone who
//! may signal the process can find it under `/proc/PID/fd` and read it, from outside a container, too; no
//! file lies about, no port is open, and it is gone with the process.
//!
//! Layout: [`PAGE_SIZE`] bytes; a line with the length and checksum of the text, then that text, JSON of
//! [`Status`]. A reader that meets a half-written page sees a wrong checksum and reads again.
#![forbid(unsafe_code)]

mod watch;

use serde::{Deserialize, Serialize};
pub use watch::{NOTES, Note, SAMPLES, Sample, Watch};

/// The name of the memfd; it shows in `/proc/PID/fd` as `/memfd:stillheap-status (deleted)`.
pub const MEMFD_NAME: &str = "stillheap-status";

/// The size of the page in bytes.
pub const PAGE_SIZE: usize = 16 * 1024;

/// Counts up when a field changes its meaning.
pub const PROTOCOL: u32 = 1;

const HEADER: usize = 32;

/// How many finished captures the page keeps.
pub const KEPT: usize = 4;

/// What a process says about itself.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    /// [`PROTOCOL`] of the writer.
    pub protocol: u32,
    /// stillheap's version in that process.
    pub version: String,
    /// The process id as the process itself sees it (in a container, the container's).
    pub pid: u32,
    /// The runtime, like `v22.23.3`.
    pub node: String,
    /// The number of the signal that asks for a snapshot; `None` when no handler is installed.
    pub signal: Option<i32>,
    /// Why captures will not go through V8 directly, when they won't.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub engine_reason: Option<String>,
    /// How many signals have arrived.
    pub signals: u64,
    /// How many captures a signal asked for have ended, well or badly.
    pub finished: u64,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub running: Option<CaptureProgress>,
    /// The last [`KEPT`] outcomes, the newest last.
    pub outcomes: Vec<CaptureOutcome>,
    /// What a growth watch has seen; `None` while there is none. The main thread's goes before a worker's.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub watch: Option<Watch>,
}

/// How far a capture is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct CaptureProgress {
    /// What is being done.
    pub phase: Phase,
    /// Work done so far, in the phase's own unit.
    pub done: u64,
    /// All of the phase's work; 0 while that is unknown.
    pub total: u64,
}

/// The parts of a capture, in order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// Asked for; the JavaScript thread has not come to it yet.
    #[default]
    Waiting,
    /// V8 walks the heap; counted in V8's own steps.
    Generating,
    /// V8 writes the snapshot out; counted in bytes.
    Serializing,
    /// The rest is compressed, synced and renamed; counted in bytes.
    Writing,
}

/// The end of one capture.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CaptureOutcome {
    /// Counts the captures that signals asked for in this process, from 1.
    pub number: u64,
    /// A capture result or an error, in the shape that the JavaScript side uses.
    pub outcome: serde_json::Value,
}

/// The page for `status`. What doesn't fit is left out, the oldest first: samples, then outcomes.
pub fn encode(status: &Status) -> Vec<u8> {
    let mut status = status.clone();
    loop {
        let text = serde_json::to_vec(&status).unwrap_or_default();
        let samples = status.watch.as_ref().map_or(0, |watch| watch.samples.len());
        if text.len() + HEADER <= PAGE_SIZE || (status.outcomes.is_empty() && samples == 0) {
            let mut page = format!("{:08} {:016x}", text.len(), checksum(&text)).into_bytes();
            page.resize(HEADER - 1, b' ');
            page.push(b'\n');
            page.extend_from_slice(&text);
            page.truncate(PAGE_SIZE);
            return page;
        }
        match &mut status.watch {
            Some(watch) if samples > 0 => drop(watch.samples.drain(..samples.div_ceil(2))),
            _ => drop(status.outcomes.remove(0)),
        }
    }
}

/// The status on a page; `None` when it was being written, or isn't one.
pub fn decode(page: &[u8]) -> Option<Status> {
    let header = std::str::from_utf8(page.get(..HEADER)?).ok()?;
    let mut words = header.split_ascii_whitespace();
    let length: usize = words.next()?.parse().ok()?;
    let expected = u64::from_str_radix(words.next()?, 16).ok()?;
    let text = page.get(HEADER..HEADER.checked_add(length)?)?;
    (checksum(text) == expected).then(|| serde_json::from_slice(text).ok()).flatten()
}

/// FNV-1a, to tell a torn page from a whole one; nobody is kept out by it.
fn checksum(text: &[u8]) -> u64 {
    text.iter()
        .fold(0xcbf2_9ce4_8422_2325, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(outcomes: usize, size: usize) -> Status {
        let outcome =
            |number| CaptureOutcome { number, outcome: serde_json::json!({ "file": "x".repeat(size) }) };
        Status {
            protocol: PROTOCOL,
            signal: Some(12),
            outcomes: (1..=outcomes as u64).map(outcome).collect(),
            ..Status::default()
        }
    }

    #[test]
    fn what_is_encoded_is_decoded() {
        let status = status(3, 10);
        assert_eq!(decode(&encode(&status)), Some(status));
    }

    #[test]
    fn a_torn_page_is_recognised() {
        let mut page = encode(&status(1, 10));
        let last = page.len() - 3;
        page[last] ^= 1;
        assert_eq!(decode(&page), None);
        assert_eq!(decode(&page[..20]), None);
        assert_eq!(decode(&[]), None);
    }

    #[test]
    fn samples_make_room_for_outcomes() {
        let mut status = status(2, 7000);
        let mut watch = Watch::default();
        (0..SAMPLES).for_each(|_| watch.add(Sample { used: u64::MAX, ..Sample::default() }));
        status.watch = Some(watch);
        let decoded = decode(&encode(&status)).unwrap();
        assert_eq!(decoded.outcomes.len(), 2);
        let watch = decoded.watch.unwrap();
        assert!(watch.samples.len() < SAMPLES && watch.seen == SAMPLES as u64);
    }

    #[test]
    fn a_full_watch_fits() {
        let mut status = status(0, 0);
        let mut watch = Watch::default();
        let sample = Sample {
            at: u64::MAX,
            used: u64::MAX,
            limit: u64::MAX,
            rss: Some(u64::MAX),
            ..Sample::default()
        };
        (0..SAMPLES).for_each(|_| watch.add(sample.clone()));
        (0..NOTES).for_each(|_| watch.note(Note { text: "x".repeat(500), ..Note::default() }));
        status.watch = Some(watch);
        assert_eq!(decode(&encode(&status)), Some(status));
    }

    #[test]
    fn what_does_not_fit_is_left_out_from_the_oldest() {
        let page = encode(&status(4, 6000));
        assert!(page.len() <= PAGE_SIZE);
        let numbers: Vec<u64> = decode(&page).unwrap().outcomes.iter().map(|o| o.number).collect();
        assert_eq!(numbers, [3, 4]);
    }
}
