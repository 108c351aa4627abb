//! The page that a child and its parent share: how far the child is, and how it ended.
//!
//! Shared memory instead of a pipe, because the child can then neither block nor fail on it, also when the
//! parent is gone. One writer, the child; the text is complete when `state` says so.

use std::io;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// Room for the text of an outcome.
const TEXT: usize = 12 * 1024;

const RUNNING: u32 = 0;
const ENDED: u32 = 1;

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
struct Layout {
    figures: Figures,
    state: AtomicU32,
    length: AtomicU32,
    text: [u8; TEXT],
}

/// The mapping; both processes have it at the same address.
pub struct Page(NonNull<Layout>);

// SAFETY: all fields but the text are atomic; the text is written by one process before `state` is stored
// with Release and read after it was loaded with Acquire.
unsafe impl Send for Page {}
// SAFETY: as above.
unsafe impl Sync for Page {}

impl Page {
    /// Maps a zeroed page.
    pub fn new() -> io::Result<Self> {
        // SAFETY: a new anonymous mapping; nothing that exists is touched.
        let address = unsafe {
            libc::mmap(
                core::ptr::null_mut(),
                size_of::<Layout>(),
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
        // SAFETY: mapped until self is dropped, and zeroed bytes are valid figures.
        unsafe { &(*self.0.as_ptr()).figures }
    }

    fn state(&self) -> &AtomicU32 {
        // SAFETY: as above.
        unsafe { &(*self.0.as_ptr()).state }
    }

    fn length(&self) -> &AtomicU32 {
        // SAFETY: as above.
        unsafe { &(*self.0.as_ptr()).length }
    }

    /// The child's last word.
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

    /// What the child said at its end, if it came to that.
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

impl Drop for Page {
    fn drop(&mut self) {
        // SAFETY: mapped by `new` with this size; references into it borrow self.
        unsafe { libc::munmap(self.0.as_ptr().cast(), size_of::<Layout>()) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_word_is_whole_or_not_there() {
        let page = Page::new().unwrap();
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
