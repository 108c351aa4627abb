//! A process that has loaded stillheap, found by its status page (stillheap-control) under `/proc/PID/fd`, which
//! any user who may signal the process may read, from outside a container, too.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::time::Duration;

use stillheap_control::{MEMFD_NAME, PAGE_SIZE, Status, decode};

use crate::exit::USAGE;
use stillheap_limits::{read_text, stat_of};
use stillheap_questions::Failure;
use stillheap_render::visible;

/// How long to sleep between looks at the page.
pub const PAUSE: Duration = Duration::from_millis(25);

/// Why nothing came, and the exit code.
pub struct TargetError {
    pub why: Failure,
    pub code: i32,
}

pub fn refusal(code: i32, name: &str, message: String) -> TargetError {
    TargetError { why: Failure::new(name, message), code }
}

/// The process and its page.
pub struct Target {
    pub pid: u32,
    /// When it was started: an id can be given to another process later.
    started: Option<u64>,
    page: File,
}

impl Target {
    /// Looks for it; of several pages (copies of the module) the one that `wanted` likes best.
    pub fn find(pid: u32, wanted: impl Fn(&Status) -> bool) -> Result<Target, TargetError> {
        let directory = PathBuf::from(format!("/proc/{pid}"));
        if !directory.exists() {
            return Err(refusal(
                USAGE,
                "ESRCH",
                format!(
                    "there is no process {pid}; a process in a container has another PID outside it \
                     (docker inspect -f '{{{{.State.Pid}}}}' NAME)"
                ),
            ));
        }
        let started = start_time(pid);
        let mut pages = Vec::new();
        let entries = fs::read_dir(directory.join("fd")).map_err(|error| denied(pid, &error))?;
        for entry in entries.flatten() {
            // Descriptors come and go while we look.
            let Ok(link) = fs::read_link(entry.path()) else { continue };
            let ours = |name: &str| name.strip_prefix("/memfd:")?.split(' ').next().map(|n| n == MEMFD_NAME);
            if link.to_str().and_then(ours) == Some(true) {
                pages.push(File::open(entry.path()).map_err(|error| denied(pid, &error))?);
            }
        }
        let liked = |page: &File| read_page(page).is_some_and(|status| wanted(&status));
        let at = pages.iter().position(liked).unwrap_or(0);
        if pages.is_empty() {
            return Err(refusal(
                USAGE,
                "ERR_STILLHEAP_NOT_LOADED",
                format!(
                    "process {pid} ({}) has not loaded stillheap: start it with 'node -r stillheap app.js', or \
                     add require('stillheap')",
                    command(pid)
                ),
            ));
        }
        Ok(Target { pid, started, page: pages.swap_remove(at) })
    }

    /// When a process was started; None if there is none.
    pub fn started(pid: u32) -> Option<u64> {
        start_time(pid)
    }

    pub fn look(&self) -> Option<Status> {
        read_page(&self.page)
    }

    /// The page, which may be half-written for a moment.
    pub fn status(&self) -> Result<Status, TargetError> {
        for _ in 0..40 {
            if let Some(status) = self.look() {
                return Ok(status);
            }
            std::thread::sleep(PAUSE);
        }
        Err(refusal(
            USAGE,
            "ERR_STILLHEAP_PROTOCOL",
            format!(
                "the status page of process {} cannot be read; another version of stillheap may have written it",
                self.pid
            ),
        ))
    }

    pub fn has_ended(&self) -> bool {
        let now = start_time(self.pid);
        now.is_none() || now != self.started
    }
}

fn denied(pid: u32, error: &io::Error) -> TargetError {
    match error.kind() {
        io::ErrorKind::PermissionDenied => refusal(
            USAGE,
            "EACCES",
            format!(
                "process {pid} ({}) belongs to another user, or may not be looked into; run this as that user \
                 or as root",
                command(pid)
            ),
        ),
        io::ErrorKind::NotFound => refusal(USAGE, "ESRCH", format!("process {pid} has just ended")),
        _ => refusal(USAGE, "EIO", format!("process {pid} cannot be read: {error}")),
    }
}

fn read_page(page: &File) -> Option<Status> {
    let mut bytes = vec![0; PAGE_SIZE];
    let mut length = 0;
    while length < bytes.len() {
        match page.read_at(&mut bytes[length..], length as u64) {
            Ok(0) => break,
            Ok(n) => length += n,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return None,
        }
    }
    decode(&bytes[..length])
}

/// When a process was started. None if there is no such process, or only what its parent has not reaped.
fn start_time(pid: u32) -> Option<u64> {
    stat_of(pid).filter(|stat| !matches!(stat.state, b'Z' | b'X')).map(|stat| stat.started)
}

fn command(pid: u32) -> String {
    let name = read_text(format!("/proc/{pid}/comm")).unwrap_or_default();
    visible(name.trim_end())
}
