//! The parent's side of freezing a heap: what is prepared on another thread, and the pause.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use stillheap_limits::{HeapSize, Machine, Room};
use stillheap_protocol::{
    Compression, Failure, ForkFigures, ForkMemory, PauseParts, RefusedCall, Scratch, Thaw, milliseconds,
};
use stillheap_sink::{OpenedFile, available_space};

use super::arena::Disk;
use super::child::{self, Task};
use super::confine::Paths;
use super::engine::Engine;
use super::leave::NoReturn;
use super::page::SharedPage;
use super::ranges::Prepared;
use super::replacements::{NEEDED, replacements};
use super::slots::Slots;
use crate::BlockedSignals;

/// What earlier children of this process took: the heap they walked, and the bytes.
static EXPERIENCE: Mutex<Option<(HeapSize, u64)>> = Mutex::new(None);

fn experience() -> MutexGuard<'static, Option<(HeapSize, u64)>> {
    EXPERIENCE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Bounds of a child's working memory on disk.
const SMALLEST_DISK: u64 = 64 << 20;
const LARGEST_DISK: u64 = 1 << 40;
/// Address space for each byte of the estimate.
const OWN_MEMORY: u64 = 8;

/// What a child shall do.
pub struct ForkRequest {
    /// The directory of the temporary file and of the final one.
    pub directory: PathBuf,
    pub scratch: Scratch,
    /// Fork even if memory may not suffice.
    pub force: bool,
    /// After which a child is ended.
    pub time_limit: Option<Duration>,
    /// The child finishes even if the service ends.
    pub outlive: bool,
    /// `RLIMIT_AS` in bytes, if one is set.
    pub address_space: Option<u64>,
}

/// A capture that is forked, before and after the fork.
pub struct Forked {
    pub(super) order: ForkRequest,
    opened: Option<OpenedFile>,
    pub(super) page: SharedPage,
    /// The child's stdout and stderr.
    pub(super) log: File,
    pub(super) machine: Machine,
    parts: PauseParts,
    /// How long the isolate's thread stood still for it, in milliseconds; the caller of [`Forked::fork`] adds to it.
    pub pause_ms: f64,
    prepare_ms: f64,
    attempts: u32,
    /// Why the earlier children failed.
    failures: Vec<String>,
    estimate: u64,
    room: Option<Room>,
    heap: HeapSize,
    pub(super) child: Option<libc::pid_t>,
    /// The result of making pages writable, once the last child has ended.
    pub thaw: Option<Thaw>,
    /// Where the child's working memory may go instead, if that was asked for.
    disk: Option<Disk>,
    /// Whether it goes there.
    on_disk: bool,
    slots: Arc<Slots>,
    runtime: Option<usize>,
    prepared: Prepared,
}

/// A capture that went well.
pub struct Finished {
    /// Where the file is; none for a spool.
    pub path: Option<PathBuf>,
    pub bytes: u64,
    pub raw_bytes: u64,
    pub generate_ms: f64,
    pub serialize_ms: f64,
    pub nodes: u64,
    pub fork: ForkFigures,
    /// The file, if it has no name.
    pub spool: Option<File>,
}

/// The slots of this process, or why there is no forking here.
pub fn slots(runtime: Option<usize>) -> Result<Arc<Slots>, String> {
    let slots = Slots::find(replacements(), NEEDED, runtime)?;
    match slots.obstacle_to_own_memory().filter(|_| runtime.is_none()) {
        Some(obstacle) => Err(obstacle),
        None => Ok(slots),
    }
}

fn find_slots(runtime: Option<usize>) -> Result<Arc<Slots>, Failure> {
    slots(runtime).map_err(|reason| Failure::own("ERR_STILLHEAP_UNSUPPORTED", reason))
}

impl Forked {
    /// Does what can be done before the pause; on any thread. It began at `begun`; `runtime` is the engine's.
    ///
    /// # Errors
    /// What the system says; `ERR_STILLHEAP_UNSUPPORTED` where there is no forking.
    pub fn prepare(
        begun: Instant,
        order: ForkRequest,
        opened: OpenedFile,
        runtime: Option<usize>,
    ) -> Result<Self, Failure> {
        let slots = find_slots(runtime)?;
        let page = SharedPage::new().map_err(|error| Failure::system(&error, "mmap", Path::new("")))?;
        let log = log().map_err(|error| Failure::system(&error, "memfd_create", Path::new("")))?;
        let machine = Machine::new(Path::new("/proc"), order.address_space);
        let room = machine.room();
        let disk = match order.scratch {
            Scratch::Memory => None,
            Scratch::Auto => disk(&order.directory).ok(),
            Scratch::Disk => Some(disk(&order.directory)?),
        };
        let prepared = read_smaps()?;
        Ok(Self {
            order,
            opened: Some(opened),
            page,
            log,
            machine,
            parts: PauseParts::default(),
            pause_ms: 0.0,
            prepare_ms: milliseconds(begun),
            attempts: 0,
            failures: Vec::new(),
            estimate: 0,
            room,
            heap: HeapSize::default(),
            child: None,
            thaw: None,
            disk,
            on_disk: false,
            slots,
            runtime,
            prepared,
        })
    }

    /// The next child will be for an engine with this runtime ([`Engine::runtime`]).
    ///
    /// # Errors
    /// `ERR_STILLHEAP_UNSUPPORTED` where that can't be forked.
    pub fn change_runtime(&mut self, runtime: Option<usize>) -> Result<(), Failure> {
        self.slots = find_slots(runtime)?;
        self.runtime = runtime;
        Ok(())
    }

    /// Prepares another child; not on the isolate's thread.
    pub fn prepare_again(&mut self) -> Result<(), Failure> {
        if let Some(opened) = &mut self.opened {
            opened.rewind()?;
        }
        self.page.reset();
        if let Some(disk) = &self.disk {
            disk.reset().map_err(|error| Failure::system(&error, "ftruncate", Path::new("")))?;
        }
        let _ = self.log.set_len(0);
        self.room = self.machine.room();
        self.prepared = read_smaps()?;
        self.child = None;
        Ok(())
    }

    /// How many children there were.
    pub fn attempts(&self) -> u32 {
        self.attempts
    }

    /// The last child failed for this reason, and there will be another.
    pub fn failed(&mut self, reason: String) {
        self.failures.push(reason);
    }

    /// What the pauses consisted of.
    pub fn parts(&self) -> PauseParts {
        self.parts
    }

    /// What the child has told so far.
    pub fn figures(&self) -> &super::page::Figures {
        self.page.figures()
    }

    /// The file's temporary name; a spool has none.
    pub(super) fn temporary(&self) -> Option<&Path> {
        self.opened.as_ref()?.temporary()
    }

    /// Forks, on the thread whose heap it is; part of its pause, which began at `begun`. Returns in the parent only.
    ///
    /// # Errors
    /// What the system says; `ERR_STILLHEAP_MEMORY` if there is too little of it.
    pub fn fork(&mut self, begun: Instant, engine: &mut dyn Engine) -> Result<(), Failure> {
        self.attempts += 1;
        self.heap = engine.heap();
        self.check_memory(engine)?;
        if !self.slots.is_current() {
            self.slots = find_slots(self.runtime)?;
        }
        let system = |syscall: &'static str, path: &'static str| {
            move |error: io::Error| Failure::system(&error, syscall, Path::new(path))
        };
        let ranges = self.prepared.compare(self.page.address()).map_err(system("read", "/proc/self/maps"))?;
        let opened = self
            .opened
            .as_ref()
            .ok_or_else(|| Failure::own("ERR_STILLHEAP_INTERNAL", "this capture has ended already"))?;
        let (temporary, target) = opened.path_addresses().unwrap_or_default();
        let paths = Paths { temporary, target: self.order.outlive.then_some(target) };
        let file = child::descriptor(opened.file());
        self.parts.recheck_ms += milliseconds(begun);

        let parent = std::process::id() as libc::pid_t;
        // SAFETY: gettid can't fail and touches nothing.
        let thread = unsafe { libc::gettid() };
        let blocked = BlockedSignals::new();
        let step = Instant::now();
        ranges.include();
        self.parts.include_ms += milliseconds(step);
        let step = Instant::now();
        // SAFETY: the child calls nothing but `child::run`, which copes with being the only thread and never
        // returns.
        let child = unsafe { libc::fork() };
        if child == 0 {
            let _no_return = NoReturn;
            let mut opened = self.opened.take();
            if let Some(opened) = &mut opened {
                // The parent removes the file, or needs it for another child.
                opened.leave_to_opener();
            }
            let task = Task {
                page: &self.page,
                slots: &self.slots,
                log: child::descriptor(&self.log),
                file,
                directory: &self.order.directory,
                paths,
                parent,
                thread,
                outlive: self.order.outlive,
                own: self.runtime.is_none().then(|| self.own_memory()),
                disk: self.disk.as_ref().filter(|_| self.on_disk),
                attempt: self.attempts,
            };
            child::run(&task, engine, opened);
        }
        let error = io::Error::last_os_error();
        self.parts.fork_ms += milliseconds(step);
        let step = Instant::now();
        ranges.restore();
        self.parts.restore_ms += milliseconds(step);
        drop(blocked);
        if child == -1 {
            return Err(Failure::system(&error, "fork", Path::new("")));
        }
        self.child = Some(child);
        if self.order.outlive
            && let Some(opened) = &self.opened
        {
            // From now on the file is the child's, also when this process ends first.
            opened.outlives_this_process();
        }
        Ok(())
    }

    /// How much address space the child's own memory takes. The estimate is of what is written to; some of it is freed
    /// and not used again.
    fn own_memory(&self) -> usize {
        usize::try_from(self.estimate.saturating_mul(OWN_MEMORY)).unwrap_or(usize::MAX).max(1 << 30)
    }

    fn check_memory(&mut self, engine: &dyn Engine) -> Result<(), Failure> {
        let before = *experience();
        let need = engine.need(self.heap, before, false);
        self.estimate = need.0;
        let short = |need: u64| self.room.as_ref().filter(|room| room.left < need);
        self.on_disk = match self.order.scratch {
            Scratch::Memory => false,
            Scratch::Disk => true,
            Scratch::Auto => self.disk.is_some() && short(need.0).is_some(),
        };
        let need = if self.on_disk { engine.need(self.heap, before, true) } else { need };
        let Some(room) = short(need.0).filter(|_| !self.order.force) else {
            return Ok(());
        };
        let megabytes = |bytes: u64| bytes.div_ceil(1 << 20);
        Err(Failure::own(
            "ERR_STILLHEAP_MEMORY",
            format!(
                "a snapshot of this heap ({} MB) may take {} MB in the forked child, and {} has {} MB left: \
                 nothing was done, so that the service isn't ended for lack of memory (the option force \
                 overrides this)",
                megabytes(self.heap.total()),
                megabytes(need.0),
                room.whose(),
                room.left >> 20
            ),
        ))
    }

    /// Where the file is, if a child that outlives this process has given it its name. Asked when that child has
    /// ended, however it did.
    pub(super) fn published(&mut self) -> Option<PathBuf> {
        self.opened.as_mut()?.published_elsewhere()
    }

    /// The child has completed the file: gives it its name and returns the result.
    ///
    /// # Errors
    /// What the system says to the renaming; the file is gone then.
    pub fn finish(mut self) -> Result<Finished, Failure> {
        let (bytes, raw_bytes) = self
            .page
            .size()
            .ok_or_else(|| Failure::own("ERR_STILLHEAP_INTERNAL", "the file isn't complete"))?;
        let figures = self.page.figures();
        let get = |figure: &std::sync::atomic::AtomicU64| figure.load(std::sync::atomic::Ordering::Relaxed);
        let in_ms = |figure: &std::sync::atomic::AtomicU64| get(figure) as f64 / 1e3;
        let (generate_ms, serialize_ms) = (in_ms(&figures.generate_us), in_ms(&figures.serialize_us));
        let nodes = get(&figures.nodes);
        let child_peak = get(&figures.resident_peak);
        let taken = child_peak.saturating_sub(get(&figures.resident_at_first)) + self.heap.total();
        if !self.on_disk {
            *experience() = Some((self.heap, taken));
        }
        let (mut path, mut spool) = (None, None);
        if let Some(mut opened) = self.opened.take() {
            path = opened.published_elsewhere();
            if opened.temporary().is_none() {
                spool = Some(opened.into_file());
            } else if path.is_none() {
                path = opened.publish()?;
            }
        }
        let refused_calls =
            self.page.refused().into_iter().map(|(call, times)| RefusedCall { call, times }).collect();
        let fork = ForkFigures {
            attempts: self.attempts,
            failed_attempts: self.failures,
            prepare_ms: self.prepare_ms,
            pause_parts: self.parts,
            child_pid: self.child.unwrap_or(0),
            memory: ForkMemory {
                estimate: self.estimate,
                room: self.room.as_ref().map(|room| room.left),
                taken,
                child_peak,
                disk: self.disk.as_ref().filter(|_| self.on_disk).map(Disk::taken),
            },
            thaw: self.thaw,
            refused_calls,
        };
        Ok(Finished { path, bytes, raw_bytes, generate_ms, serialize_ms, nodes, fork, spool })
    }
}

/// An unlinked file for the child's working memory, on a file system that isn't memory itself.
fn disk(directory: &Path) -> Result<Disk, Failure> {
    let unfit = |reason: &str| {
        Failure::own(
            "ERR_STILLHEAP_UNSUPPORTED",
            format!("'{}' can't hold memory: {reason}", directory.display()),
        )
    };
    let kind = nix::sys::statfs::statfs(directory).map(|answer| answer.filesystem_type());
    if kind.is_ok_and(|kind| kind == nix::sys::statfs::TMPFS_MAGIC) {
        return Err(unfit("it is in memory itself (tmpfs)"));
    }
    let free = available_space(directory).unwrap_or(0);
    // The snapshot wants its place, too.
    let size = (free / 10 * 8).min(LARGEST_DISK);
    if size < SMALLEST_DISK {
        return Err(unfit("too little of the disk is free"));
    }
    let file = OpenedFile::spool(directory, Compression::None)?.into_file();
    Disk::new(file, size).map_err(|error| Failure::system(&error, "ftruncate", directory))
}

fn read_smaps() -> Result<Prepared, Failure> {
    Prepared::read().map_err(|error| Failure::system(&error, "read", Path::new("/proc/self/smaps")))
}

fn log() -> io::Result<File> {
    use nix::sys::memfd::{MFdFlags, memfd_create};
    Ok(memfd_create("stillheap-child", MFdFlags::MFD_CLOEXEC).map(File::from)?)
}
