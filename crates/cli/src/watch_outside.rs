//! `watch PID` of a process that has not loaded stillheap: what the kernel says of its memory, without stopping it.
//!
//! V8 marks its pages `MADV_DONTFORK`, so `/proc/PID/smaps` tells them from other memory. They hold garbage, too: what
//! is alive only a look into the heap can tell (`stillheap info`).

use std::io::{self, Write};
use std::time::{Duration, Instant};

use chrono::{SecondsFormat, Utc};
use serde::Serialize;
use stillheap_limits::{Mapping, read_text, smaps, status_kilobytes};
use stillheap_questions::SCHEMA_VERSION;
use stillheap_render::size;

use crate::console::RetryWriter;
use crate::exit::{NO, OK, USAGE};
use crate::target::{Target, TargetError, refusal};

/// Between two looks whether it is time for a sample, or the process has ended.
const PAUSE: Duration = Duration::from_millis(100);

/// One sample, a line of `--json`.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Sample {
    schema_version: u32,
    kind: &'static str,
    pid: u32,
    number: u64,
    /// Milliseconds since 1970.
    at: i64,
    /// Pages of all V8 heaps of the process.
    page_bytes: u64,
    /// Of these, in memory.
    page_resident_bytes: u64,
    /// The process's memory: all, and what it has written itself.
    resident_bytes: u64,
    anonymous_bytes: u64,
}

impl Sample {
    /// None if there are no pages of V8.
    fn of(pid: u32, number: u64, mappings: &[Mapping], status: &str) -> Option<Sample> {
        let pages = || mappings.iter().filter(|m| m.anonymous && m.dont_fork && m.accessible);
        let bytes = |name: &str| status_kilobytes(status, name).unwrap_or(0);
        pages().next()?;
        Some(Sample {
            schema_version: SCHEMA_VERSION,
            kind: "outside",
            pid,
            number,
            at: Utc::now().timestamp_millis(),
            page_bytes: pages().map(|m| m.size() as u64).sum(),
            page_resident_bytes: pages().map(|m| m.resident).sum(),
            resident_bytes: bytes("VmRSS"),
            anonymous_bytes: bytes("RssAnon"),
        })
    }

    fn text(&self, first: &Sample) -> String {
        let growth = self.page_bytes as i64 - first.page_bytes as i64;
        format!(
            "{}  V8 pages {:>8}  ({}{} since the first)  rss {:>8}\n",
            Utc::now().to_rfc3339_opts(SecondsFormat::Secs, true),
            size(self.page_bytes),
            if growth < 0 { '-' } else { '+' },
            size(growth.unsigned_abs()),
            size(self.resident_bytes)
        )
    }
}

/// Samples until the process ends or the time is over.
pub fn watch(pid: u32, every: Duration, json: bool, until: Option<Instant>) -> Result<i32, TargetError> {
    let mut out = RetryWriter(io::stdout());
    let mut first: Option<Sample> = None;
    let mut due = Instant::now();
    let started = Target::started(pid);
    for number in 1.. {
        while Instant::now() < due {
            if until.is_some_and(|until| Instant::now() >= until) || Target::started(pid) != started {
                return Ok(OK);
            }
            std::thread::sleep(PAUSE.min(due.saturating_duration_since(Instant::now())));
        }
        due += every;
        let text = std::fs::read(format!("/proc/{pid}/smaps"));
        let text = match text {
            Ok(text) if Target::started(pid) == started => text,
            Err(error) if first.is_none() && error.kind() == io::ErrorKind::PermissionDenied => {
                return Err(refusal(
                    USAGE,
                    "EACCES",
                    format!("the memory of process {pid} may not be looked at by this user; use sudo"),
                ));
            }
            _ => return Ok(OK),
        };
        let status = read_text(format!("/proc/{pid}/status")).unwrap_or_default();
        let Some(sample) = Sample::of(pid, number, &smaps(&text), &status) else {
            return Err(refusal(
                USAGE,
                "ERR_STILLHEAP_UNFIT",
                format!("process {pid} has no V8 heap: it is not Node.js, or has just begun"),
            ));
        };
        let line = match json {
            true => serde_json::to_string(&sample).map_or_else(|_| String::new(), |line| line + "\n"),
            false => sample.text(first.as_ref().unwrap_or(&sample)),
        };
        if out.write_all(line.as_bytes()).and_then(|()| out.flush()).is_err() {
            return Ok(NO);
        }
        first.get_or_insert(sample);
    }
    Ok(OK)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_pages_of_v8_count() {
        let page = Mapping {
            start: 0x1000,
            end: 0x41000,
            anonymous: true,
            accessible: true,
            dont_fork: true,
            resident: 4096,
            ..Mapping::default()
        };
        let others = [
            Mapping { dont_fork: false, ..page },
            // A reservation, and a device.
            Mapping { accessible: false, ..page },
            Mapping { anonymous: false, ..page },
        ];
        let status = "VmRSS:\t   100 kB\nRssAnon:\t   60 kB\n";
        assert!(Sample::of(7, 1, &others, status).is_none());
        let all = [page, others[0], page, others[1], others[2]];
        let sample = Sample::of(7, 1, &all, status).unwrap();
        assert_eq!((sample.page_bytes, sample.page_resident_bytes), (0x80000, 8192));
        assert_eq!((sample.resident_bytes, sample.anonymous_bytes), (102_400, 61_440));
        let later = Sample { page_bytes: 0x40000, ..sample.clone() };
        assert!(later.text(&sample).contains("(-262 kB since the first)"), "{}", later.text(&sample));
    }
}
