//! The child: a guest that takes the snapshot and leaves.
//!
//! It has one thread, a copy of the heap, and no business with anything else: it gives up what it has inherited
//! (`guest`), is confined (`confine`), runs no JavaScript and no exit hook. What it must not do is wait: whatever
//! lock was held at the fork stays held. See `slots` for what recognises that.

use std::os::fd::{AsRawFd, RawFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::atomic::Ordering;

use stillheap_protocol::Failure;
use stillheap_sink::OpenedFile;

use super::arena::{self, Disk};
use super::confine::{self, Paths};
use super::engine::{Engine, Output};
use super::guest::become_guest;
use super::leave::{self, NoReturn, leave};
use super::memory::FrozenMemory;
use super::page::{SharedPage, Stage};
use super::slots::Slots;
use crate::fault::{self, FaultPoint, hit};

/// Everything that the child needs, made before the fork.
pub struct Task<'a> {
    pub page: &'a SharedPage,
    pub slots: &'a Slots,
    /// What the runtime says on stderr goes here.
    pub log: RawFd,
    pub file: RawFd,
    /// The directory of the temporary file and of the final one.
    pub directory: &'a Path,
    pub paths: Paths,
    pub parent: libc::pid_t,
    /// The parent's thread that forked.
    pub thread: libc::pid_t,
    /// Finish even if the parent ends.
    pub outlive: bool,
    /// The engine reads the memory by itself and runs this addon's code only: it gets memory of its own, so many bytes
    /// at most. `None` if it runs the process's code.
    pub own: Option<usize>,
    /// Where the engine's working memory goes, if not into the system's.
    pub disk: Option<&'a Disk>,
    /// Which child of this capture it is, from 1.
    pub attempt: u32,
}

/// Runs the child from the fork to its end. All signals are blocked when it begins. Nothing returns from here, and
/// nothing unwinds out of it: that would be the service's own code, in a second process.
pub fn run(task: &Task<'_>, engine: &mut dyn Engine, opened: Option<OpenedFile>) -> ! {
    let _no_return = NoReturn;
    leave::begin(task.parent, task.thread, task.paths.temporary, task.outlive);
    fault::in_attempt(task.attempt);
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        hit(FaultPoint::Forked).map_err(broken)?;
        let mut scratch = None;
        let mut memory = None;
        match task.own {
            Some(size) => {
                let arena = arena::begin(size).ok_or_else(no_memory)?;
                // SAFETY: this is the child; nothing but this addon's code runs from here on, and it changes no mapping
                // that isn't shared.
                memory = Some(unsafe {
                    task.slots.replace_own_memory();
                    FrozenMemory::read(task.slots, arena).map_err(broken)?
                });
            }
            None => {
                scratch = task.disk.and_then(Disk::map);
                // SAFETY: this is the child; it never returns to the program's code but into the engine.
                unsafe { task.slots.replace(scratch.is_some()) };
            }
        }
        become_guest(task.file, task.log, task.outlive).map_err(not_confined)?;
        if scratch.is_some() {
            arena::watch_disk().map_err(not_confined)?;
        }
        task.page.reached(Stage::Guest);
        hit(FaultPoint::Guest).map_err(broken)?;
        let writable = [Some(task.page.range()), scratch];
        let writable: Vec<_> = writable.into_iter().flatten().collect();
        hit(FaultPoint::Confine).map_err(not_confined)?;
        // SAFETY: this is the child, and nothing returns from here.
        unsafe { confine::confine(task.paths, task.directory, &writable, task.page.noted()) }
            .map_err(not_confined)?;
        task.page.reached(Stage::Confined);
        hit(FaultPoint::Start).map_err(broken)?;
        take(task, engine, opened, memory.as_ref())
    }));
    let code = match outcome {
        Ok(Ok(())) => 0,
        Ok(Err(failure)) => {
            let text = serde_json::json!({ "error": failure }).to_string();
            task.page.end(text.as_bytes());
            1
        }
        Err(_) => leave::status::PANICKED,
    };
    // The file is complete or the failure told: nothing that breaks here matters.
    let _ = catch_unwind(|| hit(FaultPoint::End));
    leave(code)
}

fn broken(error: std::io::Error) -> Failure {
    Failure::system(&error, "fork", Path::new(""))
}

fn not_confined(error: std::io::Error) -> Failure {
    Failure::own(
        "ERR_STILLHEAP_UNSUPPORTED",
        format!("the forked child could not be confined: {error}; nothing was written"),
    )
}

fn no_memory() -> Failure {
    let error = std::io::Error::last_os_error();
    let mut failure = Failure::system(&error, "mmap", Path::new(""));
    failure.message += "; the forked child got no memory of its own, so nothing was written";
    failure
}

fn take(
    task: &Task<'_>,
    engine: &mut dyn Engine,
    opened: Option<OpenedFile>,
    memory: Option<&FrozenMemory>,
) -> Result<(), Failure> {
    let opened = opened.ok_or_else(|| Failure::own("ERR_STILLHEAP_INTERNAL", "there is no file"))?;
    let figures = task.page.figures();
    figures.resident_at_first.store(resident(), Ordering::Relaxed);
    let mut out = Output::new(opened.start()?, figures, memory);
    task.page.reached(Stage::Reading);
    engine.write(&mut out)?;
    hit(FaultPoint::Read).map_err(broken)?;
    figures.resident_peak.store(peak(), Ordering::Relaxed);
    if !task.outlive {
        let (bytes, raw_bytes) = out.complete()?;
        task.page.complete(bytes, raw_bytes);
        return hit(FaultPoint::Complete).map_err(broken);
    }
    out.publish(|bytes, raw_bytes| {
        task.page.complete(bytes, raw_bytes);
        hit(FaultPoint::Complete).map_err(broken)
    })?;
    // From here on there is nothing to remove.
    leave::published();
    hit(FaultPoint::Published).map_err(broken)?;
    task.page.reached(Stage::Published);
    Ok(())
}

/// Resident bytes now.
fn resident() -> u64 {
    // SAFETY: sysconf only reads.
    stillheap_limits::resident_pages().unwrap_or(0)
        * u64::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).unwrap_or(4096)
}

/// The most resident bytes there were.
fn peak() -> u64 {
    // SAFETY: a zeroed rusage is overwritten.
    unsafe {
        let mut usage: libc::rusage = core::mem::zeroed();
        libc::getrusage(libc::RUSAGE_SELF, &raw mut usage);
        u64::try_from(usage.ru_maxrss).unwrap_or(0) * 1024
    }
}

/// The descriptor of a file that outlives the call.
pub fn descriptor(file: &std::fs::File) -> RawFd {
    file.as_raw_fd()
}
