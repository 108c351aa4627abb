//! Gives the service's pages back to it when the child has ended.
//!
//! A fork makes every page of both processes read-only, so that the first to write gets a copy. The child's end does
//! not undo that: the service's next write to each page is a fault that finds nobody else there and makes the page
//! writable again, 3 µs each where that was measured, and all of them on the thread that happens to write. The system does
//! the same for a whole range at a fifth of the price (`MADV_POPULATE_WRITE`, Linux 5.14), and on a thread of its own.
//!
//! Only pages that are there and belong to nobody else are asked for, so that nothing is made resident that wasn't, a
//! megabyte at a time: who wants to change the address space meanwhile waits for as long as that takes, a fraction of a
//! millisecond.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::time::Instant;

use stillheap_limits::{Mapping, maps};
use stillheap_protocol::{Thaw, milliseconds};

/// So much at a time.
const CHUNK: usize = 1 << 20;
/// A larger mapping is a reservation with little in it; looking for that takes longer than it is worth.
const LARGEST: usize = 64 << 30;
/// The bits of an entry of `pagemap` that say that the page is in memory, and that no other process has it: one that
/// the application has forked itself and that lives on would make a copy of each page we ask for.
const PRESENT_AND_OURS: u64 = 1 << 63 | 1 << 56;

/// Makes the pages writable. Call it on a thread of stillheap's, with no child alive. None where the system can't.
pub fn thaw() -> Option<Thaw> {
    let begun = Instant::now();
    let pages = Pages::open().ok()?;
    let now = maps(&std::fs::read("/proc/self/maps").ok()?);
    let mut bytes = 0;
    for mapping in now.iter().filter(|mapping| mapping.writable && mapping.size() <= LARGEST) {
        bytes += pages.thaw(mapping).ok()?;
    }
    Some(Thaw { ms: milliseconds(begun), bytes })
}

struct Pages {
    pagemap: File,
    page: usize,
}

impl Pages {
    fn open() -> io::Result<Self> {
        // SAFETY: asks for a constant.
        let page = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
        let page = usize::try_from(page).ok().filter(|page| page.is_power_of_two());
        let page = page.ok_or_else(|| io::Error::from(io::ErrorKind::Unsupported))?;
        Ok(Self { pagemap: File::open("/proc/self/pagemap")?, page })
    }

    /// Bytes made writable. An error if the system doesn't know how.
    fn thaw(&self, mapping: &Mapping) -> io::Result<u64> {
        let mut bytes = 0;
        let mut entries = Vec::new();
        for start in (mapping.start..mapping.end).step_by(CHUNK) {
            let end = mapping.end.min(start + CHUNK);
            entries.resize((end - start) / self.page * size_of::<u64>(), 0);
            self.pagemap.read_exact_at(&mut entries, (start / self.page * size_of::<u64>()) as u64)?;
            let entries = entries.as_chunks().0.iter().map(|entry| u64::from_ne_bytes(*entry));
            for (first, len) in runs(entries.map(|entry| entry & PRESENT_AND_OURS == PRESENT_AND_OURS)) {
                match populate(start + first * self.page, len * self.page) {
                    Ok(()) => bytes += (len * self.page) as u64,
                    Err(error) if error.kind() == io::ErrorKind::InvalidInput => return Err(error),
                    // Unmapped or protected meanwhile.
                    Err(_) => {}
                }
            }
        }
        Ok(bytes)
    }
}

/// Where the trues stand that follow one another: the first's place, and how many.
fn runs(wanted: impl Iterator<Item = bool>) -> Vec<(usize, usize)> {
    let mut runs: Vec<(usize, usize)> = Vec::new();
    for (at, _) in wanted.enumerate().filter(|(_, wanted)| *wanted) {
        match runs.last_mut() {
            Some((first, len)) if *first + *len == at => *len += 1,
            _ => runs.push((at, 1)),
        }
    }
    runs
}

fn populate(start: usize, len: usize) -> io::Result<()> {
    // SAFETY: makes pages present and writable, as any write of the process would, and changes no byte of them. Where
    // another thread has changed the mapping meanwhile it is an error, or touches a page of the new one.
    match unsafe { libc::madvise(start as *mut libc::c_void, len, libc::MADV_POPULATE_WRITE) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Mutex, MutexGuard, PoisonError};

    use super::*;

    /// A child of one test has the pages of every other that runs beside it.
    fn alone() -> MutexGuard<'static, ()> {
        static ALONE: Mutex<()> = Mutex::new(());
        ALONE.lock().unwrap_or_else(PoisonError::into_inner)
    }

    const PAGE: usize = 4096;
    const SIZE: usize = 32 << 20;

    /// Pages of this test, of which every `step`th is there, and a child that has them, too.
    struct Frozen {
        address: *mut u8,
        step: usize,
        child: libc::pid_t,
    }

    impl Frozen {
        /// After the child has ended.
        fn new(step: usize) -> Self {
            let mut frozen = Self::with_child(step);
            frozen.end_child();
            frozen
        }

        fn with_child(step: usize) -> Self {
            // SAFETY: this test's own new mapping, unmapped at the end; the child does nothing but wait for its end.
            unsafe {
                let address = libc::mmap(
                    std::ptr::null_mut(),
                    SIZE,
                    libc::PROT_READ | libc::PROT_WRITE,
                    libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
                    -1,
                    0,
                );
                assert_ne!(address, libc::MAP_FAILED);
                libc::madvise(address, SIZE, libc::MADV_NOHUGEPAGE);
                let mut frozen = Self { address: address.cast(), step, child: 0 };
                frozen.write(1);
                frozen.child = libc::fork();
                if frozen.child == 0 {
                    // Whatever becomes of the test.
                    libc::alarm(60);
                    loop {
                        libc::pause();
                    }
                }
                frozen
            }
        }

        fn end_child(&mut self) {
            let child = std::mem::replace(&mut self.child, 0);
            if child > 0 {
                // SAFETY: this test's own child; nothing else waits for it.
                unsafe {
                    libc::kill(child, libc::SIGKILL);
                    assert_eq!(libc::waitpid(child, std::ptr::null_mut(), 0), child);
                }
            }
        }

        fn write(&self, value: u8) {
            for at in (0..SIZE).step_by(self.step * PAGE) {
                // SAFETY: within the mapping.
                unsafe { self.address.add(at).write_volatile(value) };
            }
        }

        /// Faults of this thread while it writes to all pages that were there.
        fn faults(&self) -> i64 {
            let so_far = || {
                // SAFETY: fills a structure on this stack.
                unsafe {
                    let mut usage = std::mem::zeroed::<libc::rusage>();
                    libc::getrusage(libc::RUSAGE_THREAD, &raw mut usage);
                    usage.ru_minflt
                }
            };
            let before = so_far();
            self.write(2);
            so_far() - before
        }

        fn resident(&self) -> usize {
            let mut there = vec![0u8; SIZE / PAGE];
            // SAFETY: a byte for each page of the mapping.
            assert_eq!(unsafe { libc::mincore(self.address.cast(), SIZE, there.as_mut_ptr()) }, 0);
            there.iter().filter(|byte| **byte & 1 != 0).count()
        }

        fn mapping(&self) -> Mapping {
            let start = self.address as usize;
            Mapping { start, end: start + SIZE, writable: true, ..Mapping::default() }
        }
    }

    impl Drop for Frozen {
        fn drop(&mut self) {
            self.end_child();
            // SAFETY: ours.
            unsafe { libc::munmap(self.address.cast(), SIZE) };
        }
    }

    /// Whether the system can do it at all.
    fn supported() -> bool {
        let page = Frozen::new(SIZE / PAGE);
        let supported = populate(page.address as usize, PAGE).is_ok();
        if !supported {
            eprintln!("no MADV_POPULATE_WRITE here: what is frozen stays so until it is written to");
        }
        supported
    }

    #[test]
    fn the_next_writes_cost_nothing_more() {
        let _alone = alone();
        if !supported() {
            assert_eq!(thaw().map(|thaw| thaw.bytes), None);
            stillheap_testing::skip!("the kernel cannot populate pages for writing (Linux 5.14)");
        }
        let pages = (SIZE / PAGE) as i64;
        assert!(Frozen::new(1).faults() >= pages, "every page is frozen");
        let frozen = Frozen::new(1);
        let done = Pages::open().unwrap().thaw(&frozen.mapping()).unwrap();
        assert_eq!(done, SIZE as u64);
        let faults = frozen.faults();
        assert!(faults < pages / 100, "{faults} of {pages}");
        // The whole process.
        let frozen = Frozen::new(1);
        let done = thaw().unwrap();
        assert!(done.bytes >= SIZE as u64, "{} bytes", done.bytes);
        let faults = frozen.faults();
        assert!(faults < pages / 100, "{faults} of {pages}");
    }

    #[test]
    fn what_was_not_there_stays_away() {
        let _alone = alone();
        let frozen = Frozen::new(7);
        let there = frozen.resident();
        assert_eq!(there, (SIZE / PAGE).div_ceil(7));
        if supported() {
            let done = Pages::open().unwrap().thaw(&frozen.mapping()).unwrap();
            assert_eq!(done, (there * PAGE) as u64);
        }
        assert_eq!(frozen.resident(), there);
    }

    #[test]
    fn what_another_process_has_is_not_copied() {
        let _alone = alone();
        let mut frozen = Frozen::with_child(1);
        if supported() {
            let pages = Pages::open().unwrap();
            assert_eq!(pages.thaw(&frozen.mapping()).unwrap(), 0);
            frozen.end_child();
            assert_eq!(pages.thaw(&frozen.mapping()).unwrap(), SIZE as u64);
        }
    }

    #[test]
    fn runs_of_pages() {
        let runs = |text: &str| runs(text.chars().map(|c| c == 'x'));
        assert_eq!(runs("xx.x..xxx"), [(0, 2), (3, 1), (6, 3)]);
        assert_eq!(runs("..."), []);
        assert_eq!(runs(""), []);
    }
}
