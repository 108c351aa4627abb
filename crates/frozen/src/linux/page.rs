//! The page that a child and its parent share: how far the child is, and how it ended.
//!
//! Shared memory instead of a pipe, because the child can then neither block nor fail on it, also when the
//! parent is gone. One writer, the child; the text of a failure is complete when `state` says so.

use std::io;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use super::confine::{NAMES, RefusalCounters, name};

/// Room for the text of an outcome.
const TEXT: usize = 12 * 1024;

const RUNNING: u32 = 0;
const ENDED: u32 = 1;

/// How far a child is; it only goes forward.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u32)]
pub enum Stage {
    /// The state of a new child.
    #[allow(dead_code, reason = "zeroed memory says so")]
    Forked,
    /// It has given up what it had inherited.
    Guest,
    /// It can't touch anything but its file.
    Confined,
    /// The engine reads the heap and writes the file.
    Reading,
    /// The file is complete and synced, under its temporary name.
    Complete,
    /// The file has its final name.
    Published,
}

/// Figures of the child; each is set once or grows.
#[repr(C)]
pub struct Figures {
    /// 1 generating, 2 serializing, 3 writing; as [`stillheap_control::Phase`].
    pub phase: AtomicU32,
    /// The child is in a system call that may take as long as it likes.
    pub in_io: AtomicU32,
    pub done: AtomicU64,
    pub total: AtomicU64,
    /// Counts up with every sign of life.
    pub beat: AtomicU64,
    pub generate_us: AtomicU64,
    pub serialize_us: AtomicU64,
    pub nodes: AtomicU64,
    /// Resident bytes at the beginning.
    pub resident_at_first: AtomicU64,
    /// The most resident bytes there were.
    pub resident_peak: AtomicU64,
}

#[repr(C)]
struct PageFields {
    figures: Figures,
    stage: AtomicU32,
    bytes: AtomicU64,
    raw_bytes: AtomicU64,
    /// By [`name`].
    refused: [AtomicU32; NAMES],
    last_refused: AtomicU32,
    state: AtomicU32,
    length: AtomicU32,
}

#[repr(C)]
struct PageLayout {
    fields: PageFields,
    text: [u8; TEXT],
}

/// The mapping; both processes have it at the same address.
pub struct SharedPage(NonNull<PageLayout>);

// SAFETY: all fields but the text are atomic; the text is written by one process before `state` is stored
// with Release and read after it was loaded with Acquire.
unsafe impl Send for SharedPage {}
// SAFETY: shared access goes through the same atomics, and the text is read only after `state` says it is written.
unsafe impl Sync for SharedPage {}

impl SharedPage {
    /// Maps a zeroed page.
    pub fn new() -> io::Result<Self> {
        // SAFETY: a new anonymous mapping; nothing that exists is touched.
        let address = unsafe {
            libc::mmap(
                core::ptr::null_mut(),
                size_of::<PageLayout>(),
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_SHARED | libc::MAP_ANONYMOUS,
                -1,
                0,
            )
        };
        if address == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        NonNull::new(address.cast()).map(Self).ok_or_else(io::Error::last_os_error)
    }

    /// Its address, which the system has chosen.
    pub fn address(&self) -> usize {
        self.0.as_ptr() as usize
    }

    pub fn figures(&self) -> &Figures {
        &self.layout().figures
    }

    /// All but the text.
    fn layout(&self) -> &PageFields {
        // SAFETY: mapped until self is dropped; zeroed bytes are valid fields, and all of them are atomic.
        unsafe { &(*self.0.as_ptr()).fields }
    }

    /// From the first to the last of its addresses.
    pub fn range(&self) -> (usize, usize) {
        (self.address(), self.address() + size_of::<PageLayout>())
    }

    /// The child has come so far.
    pub fn reached(&self, stage: Stage) {
        self.layout().stage.store(stage as u32, Ordering::Release);
    }

    /// The child has completed its file, which has so many bytes, and had so many before compression.
    pub fn complete(&self, bytes: u64, raw_bytes: u64) {
        self.layout().bytes.store(bytes, Ordering::Relaxed);
        self.layout().raw_bytes.store(raw_bytes, Ordering::Relaxed);
        self.reached(Stage::Complete);
    }

    /// Whether the child has come so far.
    pub fn has_reached(&self, stage: Stage) -> bool {
        self.layout().stage.load(Ordering::Acquire) >= stage as u32
    }

    /// The file's bytes, and those before compression, once it is complete.
    pub fn size(&self) -> Option<(u64, u64)> {
        let fields = self.layout();
        self.has_reached(Stage::Complete)
            .then(|| (fields.bytes.load(Ordering::Relaxed), fields.raw_bytes.load(Ordering::Relaxed)))
    }

    /// Where the child counts what was refused to it. In the child only, which never unmaps the page.
    pub(super) fn noted(&self) -> RefusalCounters {
        // SAFETY: the child ends before anybody could drop the page.
        let fields: &'static PageFields = unsafe { &(*self.0.as_ptr()).fields };
        RefusalCounters { counts: &fields.refused, last: &fields.last_refused }
    }

    /// The system calls that were refused to native code in the child, and how often.
    pub fn refused(&self) -> Vec<(&'static str, u32)> {
        let counts = self.layout().refused.iter().map(|count| count.load(Ordering::Relaxed));
        counts.enumerate().filter(|&(_, count)| count > 0).map(|(at, count)| (name(at), count)).collect()
    }

    pub fn last_refused(&self) -> &'static str {
        name(self.layout().last_refused.load(Ordering::Relaxed) as usize)
    }

    fn state(&self) -> &AtomicU32 {
        &self.layout().state
    }

    fn length(&self) -> &AtomicU32 {
        &self.layout().length
    }

    /// The child has failed: why.
    pub fn end(&self, text: &[u8]) {
        let text = &text[..text.len().min(TEXT)];
        // SAFETY: only the child calls this, once, and nobody reads the text before ENDED is stored.
        unsafe {
            let target = (&raw mut (*self.0.as_ptr()).text).cast::<u8>();
            core::ptr::copy_nonoverlapping(text.as_ptr(), target, text.len());
        }
        self.length().store(text.len() as u32, Ordering::Relaxed);
        self.state().store(ENDED, Ordering::Release);
    }

    /// Why the child failed, if it came to say so.
    pub fn last_word(&self) -> Option<Vec<u8>> {
        if self.state().load(Ordering::Acquire) != ENDED {
            return None;
        }
        let length = (self.length().load(Ordering::Relaxed) as usize).min(TEXT);
        // SAFETY: ENDED was stored after the text was complete, and nobody writes after that.
        let text = unsafe {
            let text = (&raw const (*self.0.as_ptr()).text).cast::<u8>();
            core::slice::from_raw_parts(text, length).to_vec()
        };
        Some(text)
    }

    /// Forgets everything, for the next child; the last one must have ended.
    pub fn reset(&self) {
        self.state().store(RUNNING, Ordering::Relaxed);
        let PageFields { stage, bytes, raw_bytes, refused, last_refused, .. } = self.layout();
        stage.store(0, Ordering::Relaxed);
        bytes.store(0, Ordering::Relaxed);
        raw_bytes.store(0, Ordering::Relaxed);
        last_refused.store(0, Ordering::Relaxed);
        refused.iter().for_each(|count| count.store(0, Ordering::Relaxed));
        let Figures {
            phase,
            in_io,
            done,
            total,
            beat,
            generate_us,
            serialize_us,
            nodes,
            resident_at_first,
            resident_peak,
        } = self.figures();
        phase.store(0, Ordering::Relaxed);
        in_io.store(0, Ordering::Relaxed);
        for figure in [done, total, beat, generate_us, serialize_us, nodes, resident_at_first, resident_peak]
        {
            figure.store(0, Ordering::Relaxed);
        }
    }
}

impl Drop for SharedPage {
    fn drop(&mut self) {
        // SAFETY: mapped by `new` with this size; references into it borrow self.
        unsafe { libc::munmap(self.0.as_ptr().cast(), size_of::<PageLayout>()) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_word_is_whole_or_not_there() {
        let page = SharedPage::new().unwrap();
        assert_eq!(page.last_word(), None);
        page.figures().beat.store(7, Ordering::Relaxed);
        page.end(b"{}");
        assert_eq!(page.last_word().as_deref(), Some(&b"{}"[..]));
        page.reset();
        assert_eq!((page.last_word(), page.figures().beat.load(Ordering::Relaxed)), (None, 0));
        page.end(&[b'x'; 3 * TEXT]);
        assert_eq!(page.last_word().map(|text| text.len()), Some(TEXT));
    }
}
