//! The parent's side of freezing a heap: what is prepared on another thread, and the pause.

use std::ffi::CString;
use std::fs::File;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Mutex;
use std::time::Instant;

use chrono::{DateTime, Utc};
use stillheap_limits::{HeapSize, Machine, Need, Room};
use stillheap_sink::{Compression, Failure, Opened};

use super::arena::Disk;
use super::child::{self, Task};
use super::page::Page;
use super::ranges::Prepared;
use super::slots::Slots;
use crate::capture::{Header, Place, milliseconds};
use crate::fault;
use crate::isolates::{Target, lock, new_id_space};
use crate::request::{CaptureRequest, FallbackDir, PauseParts, Scratch, Thaw, Trigger};
use crate::sys::{Usage, address_space_limit, with_signals_blocked};
use crate::v8::{CurrentIsolate, SnapshotOptions, V8};

/// What earlier children of this process took: the heap they walked, and the bytes.
static EXPERIENCE: Mutex<Option<(HeapSize, u64)>> = Mutex::new(None);

/// Bounds of a child's working memory on disk.
const SMALLEST_DISK: u64 = 64 << 20;
const LARGEST_DISK: u64 = 1 << 40;

/// A capture that is forked, before and after the fork.
pub struct Forked {
    pub request: CaptureRequest,
    pub time: DateTime<Utc>,
    pub begun: Instant,
    pub opened: Option<Opened>,
    pub fallback_dir: Option<FallbackDir>,
    pub page: Page,
    /// The child's stdout and stderr.
    pub log: File,
    pub machine: Machine,
    pub parts: PauseParts,
    pub pause_ms: f64,
    pub prepare_ms: f64,
    pub attempts: u32,
    /// Why the earlier children failed.
    pub failures: Vec<String>,
    pub estimate: u64,
    pub room: Option<Room>,
    pub heap: HeapSize,
    pub child: Option<libc::pid_t>,
    /// What became of the pages, once the last child has ended.
    pub thaw: Option<Thaw>,
    /// Where the child's working memory may go instead, if that was asked for.
    disk: Option<Disk>,
    /// Whether it goes there.
    pub on_disk: bool,
    slots: &'static Slots,
    prepared: Prepared,
}

/// The slots of this process, or why there is no forking here.
pub fn slots() -> Result<&'static Slots, &'static str> {
    let v8 = V8::get()?;
    Slots::find(child::replacements(), child::NEEDED, v8.address())
}

impl Forked {
    /// Does what can be done before the pause; on a thread of ours.
    pub fn prepare(request: CaptureRequest, thread_id: u32) -> Result<Self, Failure> {
        let begun = Instant::now();
        let time = Utc::now();
        let slots = slots().map_err(|reason| Failure::own("ERR_STILLHEAP_UNSUPPORTED", reason))?;
        let place = Place::choose(&request, thread_id, time)?;
        let (opened, directory, fallback_dir) = place.open(&request)?;
        let page = Page::new().map_err(|error| Failure::system(&error, "mmap", Path::new("")))?;
        let log = log().map_err(|error| Failure::system(&error, "memfd_create", Path::new("")))?;
        let machine = Machine::new(Path::new("/proc"), address_space_limit());
        let room = machine.room();
        let disk = match request.scratch {
            Scratch::Memory => None,
            Scratch::Auto => disk(&directory).ok(),
            Scratch::Disk => Some(disk(&directory)?),
        };
        let prepared = read_smaps()?;
        Ok(Self {
            request,
            time,
            begun,
            opened: Some(opened),
            fallback_dir,
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
            prepared,
        })
    }

    /// Makes ready for another child; on a thread of ours.
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

    /// The pause: forks, on the isolate's thread. Returns in the parent only.
    pub fn fork(&mut self, target: &Target) -> Result<(), Failure> {
        fault::hit();
        let begun = Instant::now();
        self.attempts += 1;
        let isolate = CurrentIsolate::get()
            .ok_or_else(|| Failure::own("ERR_STILLHEAP_UNSUPPORTED", "no V8 isolate is entered here"))?;
        let (ordinary, large) = isolate.heap_size();
        self.heap = HeapSize { ordinary, large };
        self.check_memory()?;
        let system = |syscall: &'static str, path: &'static str| {
            move |error: io::Error| Failure::system(&error, syscall, Path::new(path))
        };
        let ranges = self.prepared.compare(self.page.address()).map_err(system("read", "/proc/self/maps"))?;
        let id_space = format!("{:016x}", new_id_space());
        let header = Header::new(target, self.time, "fork", "cleared", id_space, Usage::now());
        let opened = self
            .opened
            .as_ref()
            .ok_or_else(|| Failure::own("ERR_STILLHEAP_INTERNAL", "this capture has ended already"))?;
        let temporary = opened.temporary().and_then(|path| CString::new(path.as_os_str().as_bytes()).ok());
        let file = child::descriptor(opened.file());
        self.parts.recheck_ms += milliseconds(begun);

        let parent = std::process::id() as libc::pid_t;
        // SAFETY: gettid can't fail and touches nothing.
        let thread = unsafe { libc::gettid() };
        let outcome = with_signals_blocked(|| {
            let step = Instant::now();
            ranges.include();
            self.parts.include_ms += milliseconds(step);
            let step = Instant::now();
            // SAFETY: the child calls nothing but `child::run`, which copes with being the only thread and
            // never returns.
            let child = unsafe { libc::fork() };
            if child == 0 {
                let task = Task {
                    page: &self.page,
                    slots: self.slots,
                    options: SnapshotOptions {
                        internals: self.request.internals,
                        numeric_values: self.request.numeric_values,
                    },
                    header,
                    log: child::descriptor(&self.log),
                    temporary,
                    file,
                    parent,
                    thread,
                    outlive: self.request.outlive,
                    disk: self.disk.as_ref().filter(|_| self.on_disk),
                };
                let opened = self.opened.take();
                child::run(task, || match opened {
                    Some(opened) => opened.start(),
                    None => Err(Failure::own("ERR_STILLHEAP_INTERNAL", "there is no file")),
                });
            }
            let error = io::Error::last_os_error();
            self.parts.fork_ms += milliseconds(step);
            let step = Instant::now();
            ranges.restore();
            self.parts.restore_ms += milliseconds(step);
            match child {
                -1 => Err(Failure::system(&error, "fork", Path::new(""))),
                child => Ok(child),
            }
        });
        let forked = outcome.map(|child| self.child = Some(child));
        if forked.is_ok() {
            self.forget_ids(isolate, target);
        }
        self.pause_ms += milliseconds(begun);
        forked
    }

    /// Ids that an earlier capture kept cost the service its speed as long as V8 knows them, and this capture does
    /// not ask for any. The child has its own copy of them; what it writes has an id space of its own.
    fn forget_ids(&self, isolate: CurrentIsolate, target: &Target) {
        // At the heap limit V8 may be in the middle of a collection that follows moves.
        if self.request.trigger != Trigger::NearHeapLimit && target.ids_are_ours() {
            isolate.clear_object_ids();
            target.ids_were_cleared();
        }
    }

    fn check_memory(&mut self) -> Result<(), Failure> {
        let need = match *lock(&EXPERIENCE) {
            Some((before, taken)) => Need::after(self.heap, before, taken),
            None => Need::of(self.heap),
        };
        self.estimate = need.0;
        let short = |need: u64| self.room.as_ref().filter(|room| room.left < need);
        self.on_disk = match self.request.scratch {
            Scratch::Memory => false,
            Scratch::Disk => true,
            Scratch::Auto => self.disk.is_some() && short(need.0).is_some(),
        };
        let need = if self.on_disk { Need::with_scratch_on_disk(self.heap) } else { need };
        let Some(room) = short(need.0).filter(|_| !self.request.force) else {
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

    /// How much of the disk the child's working memory took, if it was there.
    pub fn disk_taken(&self) -> Option<u64> {
        self.disk.as_ref().filter(|_| self.on_disk).map(Disk::taken)
    }

    /// Remembers what the child took.
    pub fn learn(&self, taken: u64) {
        *lock(&EXPERIENCE) = Some((self.heap, taken));
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
    let free = stillheap_sink::available_space(directory).unwrap_or(0);
    // The snapshot wants its place, too.
    let size = (free / 10 * 8).min(LARGEST_DISK);
    if size < SMALLEST_DISK {
        return Err(unfit("too little of the disk is free"));
    }
    let file = Opened::spool(directory, Compression::None)?.into_file();
    Disk::new(file, size).map_err(|error| Failure::system(&error, "ftruncate", directory))
}

fn read_smaps() -> Result<Prepared, Failure> {
    Prepared::read().map_err(|error| Failure::system(&error, "read", Path::new("/proc/self/smaps")))
}

fn log() -> io::Result<File> {
    use nix::sys::memfd::{MFdFlags, memfd_create};
    Ok(memfd_create("stillheap-child", MFdFlags::MFD_CLOEXEC).map(File::from)?)
}
