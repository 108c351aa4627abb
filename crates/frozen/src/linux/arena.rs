//! The child's own allocator, for two uses: an engine that reads the heap by itself gets its memory from a mapping of
//! the child's own ([`begin`]), so that no lock of the C library matters and nothing that it reads changes; V8's
//! generator gets its working memory on disk ([`Disk`]) where there is no room for a snapshot.
//!
//! V8's generator takes a multiple of the heap from `malloc`: nodes, edges, ids. Where a control group or the
//! machine can't hold that, the child's `malloc` is this one (see `slots`), which takes its memory out of a
//! shared mapping of an unlinked file. Such pages are page cache: under pressure the kernel writes them out and
//! takes them back instead of ending a process. The price is speed, and disk for a while.
//!
//! An allocator for one thread: blocks are cut off the end of the used part; what is freed goes into a list of
//! its size and is used again, the newest first. Sizes are multiples of 16 up to [`SMALL`], then four steps per
//! doubling. Each block has a word in front that says its class. Large ones that are freed give their pages
//! back. Pointers that came from the parent's allocator stay what they are: nothing is gained by freeing them,
//! since that would only copy the page.
//!
//! Time: a few instructions per block. Memory: 8 bytes per block, as in glibc, and the list heads.

use core::ffi::{c_int, c_void};
use std::fs::File;
use std::os::fd::AsRawFd;
use std::ptr;
use std::sync::atomic::{AtomicI32, AtomicUsize, Ordering};

use super::leave::{leave, not_ours, status};
use super::slots::Replacement;

/// Largest block of exact size, its word included.
const SMALL: usize = 1024;
/// Block sizes: 16, 32 … `SMALL`, and from there four steps per doubling.
const SMALL_CLASSES: usize = SMALL / 16;
const CLASSES: usize = SMALL_CLASSES + 4 * 48;
/// A block's word if it can't be freed: its address was aligned by more than 16.
const PINNED: usize = usize::MAX;
/// Freed blocks of this size give their pages back to the system.
const GIVEN_BACK: usize = 1 << 20;
/// Less memory than this is of no use.
const SMALLEST: usize = 16 << 20;
/// The granularity of that.
const PAGE: usize = 4096;

/// Where the mapping begins and ends, and where the unused part begins: 8 bytes behind a multiple of 16, so that
/// blocks begin at multiples of 16.
static START: AtomicUsize = AtomicUsize::new(0);
static END: AtomicUsize = AtomicUsize::new(0);
/// The advice that gives a freed block's pages back to the system.
static GIVE_BACK: AtomicI32 = AtomicI32::new(libc::MADV_REMOVE);
static NEXT: AtomicUsize = AtomicUsize::new(0);
static FREE: [AtomicUsize; CLASSES] = [const { AtomicUsize::new(0) }; CLASSES];

/// What replaces the C library's allocator.
pub fn replacements() -> [Replacement; 9] {
    macro_rules! memory {
        ($name:literal, $function:path) => {
            Replacement { name: $name, address: $function as *const () as usize, memory: true }
        };
    }
    [
        memory!(c"malloc", allocate),
        memory!(c"calloc", allocate_zeroed),
        memory!(c"realloc", reallocate),
        memory!(c"free", release),
        memory!(c"posix_memalign", allocate_aligned_into),
        memory!(c"aligned_alloc", allocate_aligned),
        memory!(c"memalign", allocate_aligned),
        memory!(c"malloc_usable_size", usable_size),
        memory!(c"cfree", release),
    ]
}

/// The file that stands behind the memory, and how much it may become.
pub struct Disk {
    file: File,
    size: usize,
}

impl Disk {
    /// Makes `file` a sparse one of `size` bytes.
    ///
    /// # Errors
    /// What the system says.
    pub fn new(file: File, size: u64) -> std::io::Result<Self> {
        file.set_len(size)?;
        Ok(Self { file, size: usize::try_from(size).unwrap_or(usize::MAX) })
    }

    /// Forgets what an earlier child left: unused memory is zero.
    ///
    /// # Errors
    /// What the system says.
    pub fn reset(&self) -> std::io::Result<()> {
        self.file.set_len(0)?;
        self.file.set_len(self.size as u64)
    }

    /// How much of the disk it takes, in bytes.
    pub fn taken(&self) -> u64 {
        use std::os::unix::fs::MetadataExt;
        self.file.metadata().map_or(0, |metadata| metadata.blocks() * 512)
    }

    /// Maps it; in the child, before any of the replacements can run. Says where, if it worked.
    pub fn map(&self) -> Option<(usize, usize)> {
        // SAFETY: a new mapping; nothing that exists is touched.
        let address = unsafe {
            libc::mmap(
                ptr::null_mut(),
                self.size,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_SHARED | libc::MAP_NORESERVE,
                self.file.as_raw_fd(),
                0,
            )
        };
        if address == libc::MAP_FAILED {
            return None;
        }
        Some(set(address as usize, self.size, libc::MADV_REMOVE))
    }
}

fn set(start: usize, size: usize, give_back: c_int) -> (usize, usize) {
    START.store(start, Ordering::Relaxed);
    NEXT.store(start + 8, Ordering::Relaxed);
    END.store(start + size, Ordering::Relaxed);
    GIVE_BACK.store(give_back, Ordering::Relaxed);
    (start, start + size)
}

/// Maps memory to allocate from, private and of `size` bytes, or half as much until the system agrees; in the child,
/// before any of the replacements can run. Says where.
///
/// It is the child that does it: address space that the service takes counts towards its own limit.
pub fn begin(size: usize) -> Option<(usize, usize)> {
    let mut size = size.next_multiple_of(PAGE);
    while size >= SMALLEST {
        // SAFETY: a new mapping; nothing that exists is touched.
        let address = unsafe {
            libc::mmap(
                ptr::null_mut(),
                size,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE,
                -1,
                0,
            )
        };
        if address != libc::MAP_FAILED {
            // Where pages are huge by default, the memory taken would be up to 2 MB more for each list.
            // SAFETY: advice about this arena's own mapping, which has that address and size.
            unsafe { libc::madvise(address, size, libc::MADV_NOHUGEPAGE) };
            return Some(set(address as usize, size, libc::MADV_DONTNEED));
        }
        size = (size / 2).next_multiple_of(PAGE);
    }
    None
}

/// From now on a full disk ends the child with a status that says so: the system tells of it by SIGBUS, when a page of
/// the file can't be made.
///
/// # Errors
/// What the system says.
pub fn watch_disk() -> std::io::Result<()> {
    unsafe extern "C" fn full(_signal: c_int, info: *const libc::siginfo_t, _context: *mut c_void) {
        // SAFETY: the kernel passes the address of the access; both calls may be made in a handler.
        unsafe {
            if is_ours((*info).si_addr() as usize) {
                leave(status::SCRATCH_FULL);
            }
            not_ours(libc::SIGBUS, (*info).si_code);
        }
    }
    // SAFETY: a zeroed action is completed here, and the handler is async-signal-safe.
    unsafe {
        let mut action: libc::sigaction = core::mem::zeroed();
        action.sa_sigaction = full as *const () as usize;
        action.sa_flags = libc::SA_SIGINFO | libc::SA_NODEFER;
        match libc::sigaction(libc::SIGBUS, &raw const action, ptr::null_mut()) {
            0 => Ok(()),
            _ => Err(std::io::Error::last_os_error()),
        }
    }
}

/// The class that holds blocks of at least `size` bytes, the word included, and their size.
fn class_of(size: usize) -> (usize, usize) {
    if size <= SMALL {
        let class = size.div_ceil(16).max(2) - 1;
        return (class, (class + 1) * 16);
    }
    // Between 2^log and 2^(log+1), in steps of a quarter.
    let log = (size - 1).ilog2() as usize;
    let step = 1 << (log - 2);
    let quarter = (size - (1 << log)).div_ceil(step);
    let class = SMALL_CLASSES + (log - SMALL.ilog2() as usize) * 4 + quarter - 1;
    (class, (1 << log) + quarter * step)
}

/// The size of a class's blocks.
fn size_of_class(class: usize) -> usize {
    if class < SMALL_CLASSES {
        return (class + 1) * 16;
    }
    let above = class - SMALL_CLASSES;
    let log = SMALL.ilog2() as usize + above / 4;
    (1 << log) + (above % 4 + 1) * (1 << (log - 2))
}

fn is_ours(address: usize) -> bool {
    address > START.load(Ordering::Relaxed) && address < END.load(Ordering::Relaxed)
}

/// A block for `size` bytes, and whether it has been used before.
fn take(size: usize) -> (*mut c_void, bool) {
    let Some(size) = size.checked_add(8).filter(|&size| size < 1 << 46) else {
        return (ptr::null_mut(), false);
    };
    let (class, size) = class_of(size);
    let Some(free) = FREE.get(class) else { return (ptr::null_mut(), false) };
    let first = free.load(Ordering::Relaxed);
    // SAFETY: free lists hold only blocks of this arena, whose first word is the next one's address; what is cut off lies inside
    // the mapping, and nobody else knows it. There is one thread.
    unsafe {
        if first != 0 {
            free.store(*(first as *const usize), Ordering::Relaxed);
            return (first as *mut c_void, true);
        }
        let word = NEXT.load(Ordering::Relaxed);
        if size > END.load(Ordering::Relaxed).saturating_sub(word) {
            return (ptr::null_mut(), false);
        }
        NEXT.store(word + size, Ordering::Relaxed);
        *(word as *mut usize) = class;
        ((word + 8) as *mut c_void, false)
    }
}

unsafe extern "C" fn allocate(size: usize) -> *mut c_void {
    take(size).0
}

unsafe extern "C" fn allocate_zeroed(count: usize, size: usize) -> *mut c_void {
    let Some(size) = count.checked_mul(size) else { return ptr::null_mut() };
    let (block, used) = take(size);
    if used {
        // SAFETY: the block has room for `size` bytes.
        unsafe { ptr::write_bytes(block.cast::<u8>(), 0, size) };
    }
    block
}

unsafe extern "C" fn usable_size(block: *mut c_void) -> usize {
    if block.is_null() {
        return 0;
    }
    if !is_ours(block as usize) {
        // SAFETY: the caller's block, from the parent's allocator.
        return unsafe { libc::malloc_usable_size(block) };
    }
    // SAFETY: every block of this arena has its word in front; a pinned one has the bytes it may use before that.
    unsafe {
        match *(block as *const usize).sub(1) {
            PINNED => *(block as *const usize).sub(2),
            class => size_of_class(class) - 8,
        }
    }
}

unsafe extern "C" fn release(block: *mut c_void) {
    if !is_ours(block as usize) {
        return;
    }
    // SAFETY: every block of this arena has its word in front, and the caller has no more use for it.
    unsafe {
        let class = *(block as *const usize).sub(1);
        let Some(free) = FREE.get(class) else { return };
        let size = size_of_class(class);
        if size >= GIVEN_BACK {
            // But for the pages of the word, of the list's link, and of the next block.
            let start = (block as usize + 8).next_multiple_of(PAGE);
            let end = (block as usize - 8 + size) & !(PAGE - 1);
            let advice = GIVE_BACK.load(Ordering::Relaxed);
            libc::madvise(start as *mut c_void, end.saturating_sub(start), advice);
        }
        *block.cast::<usize>() = free.load(Ordering::Relaxed);
        free.store(block as usize, Ordering::Relaxed);
    }
}

unsafe extern "C" fn reallocate(block: *mut c_void, size: usize) -> *mut c_void {
    // SAFETY: the caller's block, which has `usable_size` bytes; the new one is another.
    unsafe {
        if block.is_null() {
            return allocate(size);
        }
        let old = usable_size(block);
        if is_ours(block as usize) && size <= old && size >= old / 2 {
            return block;
        }
        let new = allocate(size);
        if !new.is_null() {
            ptr::copy_nonoverlapping(block.cast::<u8>(), new.cast(), old.min(size));
            release(block);
        }
        new
    }
}

unsafe extern "C" fn allocate_aligned(alignment: usize, size: usize) -> *mut c_void {
    if alignment <= 16 {
        return take(size).0;
    }
    let Some(with_room) = size.checked_add(alignment) else { return ptr::null_mut() };
    let (block, _) = take(with_room);
    if block.is_null() {
        return block;
    }
    let aligned = (block as usize).next_multiple_of(alignment);
    if aligned == block as usize {
        return block;
    }
    // SAFETY: between the block's beginning and the aligned address are at least 16 bytes: two words.
    unsafe {
        *(aligned as *mut usize).sub(1) = PINNED;
        *(aligned as *mut usize).sub(2) = usable_size(block) - (aligned - block as usize);
    }
    aligned as *mut c_void
}

unsafe extern "C" fn allocate_aligned_into(to: *mut *mut c_void, alignment: usize, size: usize) -> c_int {
    // SAFETY: `allocate_aligned` asks nothing of its caller but to be in the child; `to` is posix_memalign's first
    // argument, which must be writable.
    unsafe {
        let block = allocate_aligned(alignment, size);
        if block.is_null() {
            return libc::ENOMEM;
        }
        *to = block;
    }
    0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_size_has_a_class_that_holds_it_and_the_class_below_does_not() {
        let sizes = (1..5000).chain((12..40).flat_map(|log| [(1 << log) - 1, 1 << log, (1 << log) + 1]));
        for size in sizes {
            let (class, block) = class_of(size);
            assert_eq!(size_of_class(class), block, "{size}");
            assert!(block >= size && block % 16 == 0, "{size}: {block}");
            assert!(class < 2 || size_of_class(class - 1) < size, "{size}: {class}");
            assert!(size <= SMALL || block <= size + size / 4 + 16, "{size}: {block}");
        }
    }

    #[test]
    fn blocks_are_aligned_apart_and_used_again() {
        let disk = Disk::new(tempfile(), 64 << 20).unwrap();
        assert!(disk.map().is_some());
        // SAFETY: the allocator's contract; nobody else uses it in this process.
        unsafe {
            let mut blocks: Vec<(usize, usize)> = Vec::new();
            for size in [1, 8, 24, 25, 100, 1000, 1016, 1017, 5000, 300_000, 3 << 20] {
                let block = allocate(size);
                assert_eq!(block as usize % 16, 0);
                assert!(usable_size(block) >= size);
                ptr::write_bytes(block.cast::<u8>(), size as u8, size);
                for &(other, length) in &blocks {
                    assert!(block as usize >= other + length || block as usize + size <= other);
                }
                blocks.push((block as usize, size));
            }
            for &(block, size) in &blocks {
                assert_eq!(*((block + size - 1) as *const u8), size as u8, "nobody wrote over it");
            }
            for &(block, size) in &blocks {
                release(block as *mut c_void);
                assert_eq!(allocate(size) as usize, block, "the newest comes first");
                release(block as *mut c_void);
                let zeroed = allocate_zeroed(1, size);
                assert_eq!(zeroed as usize, block);
                assert!(core::slice::from_raw_parts(zeroed.cast::<u8>(), size).iter().all(|&byte| byte == 0));
            }
            for alignment in [32, 64, 4096] {
                let aligned = allocate_aligned(alignment, 100);
                assert_eq!(aligned as usize % alignment, 0);
                assert!(usable_size(aligned) >= 100);
                ptr::write_bytes(aligned.cast::<u8>(), 9, 100);
                let grown = reallocate(aligned, 5000);
                assert!(core::slice::from_raw_parts(grown.cast::<u8>(), 100).iter().all(|&byte| byte == 9));
                release(grown);
                release(allocate_aligned(alignment, 100));
            }
            let grown = reallocate(allocate(10), 10_000);
            assert!(usable_size(grown) >= 10_000);
            let foreign = libc::malloc(100);
            *foreign.cast::<u8>() = 7;
            let moved = reallocate(foreign, 200);
            assert!(is_ours(moved as usize));
            assert_eq!(*moved.cast::<u8>(), 7);
            libc::free(foreign);
            assert!(allocate(1 << 30).is_null(), "more than there is");
            assert!(allocate(usize::MAX).is_null());
        }
        assert!(disk.taken() > 0);
    }

    #[test]
    fn a_page_that_the_disk_has_no_room_for_ends_the_child_with_a_status_of_its_own() {
        let disk = Disk::new(tempfile(), 64 << 20).unwrap();
        // SAFETY: the child does nothing but system calls and one access of its own mapping.
        unsafe {
            let child = libc::fork();
            if child == 0 {
                libc::alarm(60);
                let mapped = disk.map();
                let watched = watch_disk();
                // A full disk and the end of the file have the same effect: the page can't be allocated.
                let cut = disk.file.set_len(0);
                if let (Some((start, _)), Ok(()), Ok(())) = (mapped, watched, cut) {
                    ((start + 8192) as *mut u8).write_volatile(1);
                }
                libc::_exit(1);
            }
            let mut ended = 0;
            assert_eq!(libc::waitpid(child, &raw mut ended, 0), child);
            assert!(libc::WIFEXITED(ended), "{ended:x}");
            assert_eq!(libc::WEXITSTATUS(ended), status::SCRATCH_FULL);
        }
    }

    fn tempfile() -> File {
        let path = std::env::temp_dir().join(format!(
            "stillheap-arena-{}-{:?}",
            std::process::id(),
            std::thread::current().id()
        ));
        let file =
            File::options().read(true).write(true).create_new(true).open(&path).expect("a temporary file");
        std::fs::remove_file(&path).expect("it was there");
        file
    }
}
