//! The memory of the process as the fork has frozen it, for an engine that reads it by itself.
//!
//! Why the bytes may be shared as slices, without a copy:
//!
//! - They are private, so no other process can change them, and the child has one thread.
//! - What this thread writes to is left out: the arena that it allocates from, the stack that it stands on (what was
//!   in use of it at the fork is copied), its thread-local variables, and the data of this addon, the C library and
//!   the dynamic linker.
//! - Nobody unmaps them: this addon's allocator is replaced before they are listed, and no other code runs.
//!
//! Why no read can fault: what is listed is readable as of the child's own `/proc/self/maps`. Memory without a file is
//! always there; a page that was never written to reads as zeros. Two things can't be seen there: that a file which is
//! mapped has been cut (the service itself would die of that), and that the kernel has put guards into a mapping
//! (`MADV_GUARD_INSTALL`), which it does below stacks, where nothing has been written: long runs of pages that aren't
//! there are left out. Should a read fault nevertheless, the child ends, and its parent knows.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use stillheap_limits::{Mapping, maps};

use super::slots::Slots;

/// A readable part of the memory.
pub struct Region {
    pub start: usize,
    /// Whether the process could write there.
    pub writable: bool,
    /// Whether a file stands behind it.
    pub file: bool,
    bytes: Bytes,
}

enum Bytes {
    /// Where it lies, as many bytes.
    InPlace(usize),
    Copied(Vec<u8>),
}

impl Region {
    pub fn bytes(&self) -> &[u8] {
        match &self.bytes {
            // SAFETY: `FrozenMemory::read` made this in the child, from mappings that are readable; the child has one
            // thread, which unmaps none of them before it ends.
            Bytes::InPlace(length) => unsafe {
                core::slice::from_raw_parts(self.start as *const u8, *length)
            },
            Bytes::Copied(bytes) => bytes,
        }
    }
}

/// The memory of the process at the fork; in the child only.
pub struct FrozenMemory {
    regions: Vec<Region>,
    stack_pointer: usize,
}

/// What is never looked at: a larger mapping is a reservation with little in it.
const LARGEST: usize = 64 << 30;
/// So many bytes that were never written to are left out.
const GAP: usize = 1 << 20;
/// V8's pages are aligned to this, and are taken whole.
const CHUNK: usize = 1 << 18;
/// No stack is larger.
const LARGEST_STACK: usize = 64 << 20;
const PAGE: usize = 4096;

/// Registers that a called function must keep: the forking thread's may be in them still.
type Kept = [usize; 6];

impl FrozenMemory {
    /// Parts of the memory in order of their addresses.
    pub fn regions(&self) -> &[Region] {
        &self.regions
    }

    /// Where the stack of the thread that forked began to be in use.
    pub fn stack_pointer(&self) -> usize {
        self.stack_pointer
    }

    /// Lists what there is. `arena` is where this addon allocates from.
    ///
    /// # Errors
    /// What the system says to reading `/proc/self/maps`.
    ///
    /// # Safety
    /// Only in a child that has one thread, never returns to the program's own code, whose allocator is the arena's,
    /// and that changes none of its mappings but shared ones.
    pub(super) unsafe fn read(slots: &Slots, arena: (usize, usize)) -> io::Result<Self> {
        let (kept, stack_pointer, locals) = here();
        let mut excluded = slots.written().to_vec();
        excluded.push(arena);
        excluded
            .push((locals.saturating_sub(16 * PAGE) & !(PAGE - 1), (locals + PAGE).next_multiple_of(PAGE)));
        let list = maps(&std::fs::read("/proc/self/maps")?);
        let own_stack = |mapping: &Mapping| (mapping.start..mapping.end).contains(&stack_pointer);
        // The dynamic linker's list of what each page is; without it, mappings are taken whole.
        let pagemap = File::open("/proc/self/pagemap").ok();
        let mut regions = Vec::new();
        for mapping in list.iter().filter(|mapping| mapping.readable) {
            if own_stack(mapping) {
                // SAFETY: the mapping is readable.
                regions.push(unsafe { stack(mapping, stack_pointer, &kept) });
                continue;
            }
            if mapping.file {
                regions.extend(parts(mapping, &excluded).map(|part| region(mapping, part)));
            } else if mapping.size() <= LARGEST {
                for part in parts(mapping, &excluded) {
                    let there = pagemap.as_ref().and_then(|pagemap| present(pagemap, part).ok());
                    let runs = there.unwrap_or_else(|| vec![part]);
                    regions.extend(runs.into_iter().map(|run| region(mapping, run)));
                }
            }
        }
        Ok(Self { regions, stack_pointer: stack_pointer - size_of::<Kept>() })
    }
}

fn region(mapping: &Mapping, (start, end): (usize, usize)) -> Region {
    let writable = mapping.may_write;
    Region { start, writable, file: mapping.file, bytes: Bytes::InPlace(end - start) }
}

/// What of a mapping isn't excluded.
fn parts(mapping: &Mapping, excluded: &[(usize, usize)]) -> impl Iterator<Item = (usize, usize)> + use<> {
    let mut parts = vec![(mapping.start, mapping.end)];
    for &(from, to) in excluded {
        parts = parts
            .into_iter()
            .flat_map(|(start, end)| {
                if to <= start || end <= from { [(start, end), (0, 0)] } else { [(start, from), (to, end)] }
            })
            .filter(|(start, end)| start < end)
            .collect();
    }
    parts.into_iter()
}

/// The stack from its pointer up, with the registers below it.
///
/// # Safety
/// The mapping is readable and holds the pointer.
unsafe fn stack(mapping: &Mapping, pointer: usize, kept: &Kept) -> Region {
    let length = (mapping.end - pointer).min(LARGEST_STACK);
    let mut bytes = Vec::with_capacity(size_of::<Kept>() + length);
    kept.iter().for_each(|register| bytes.extend_from_slice(&register.to_ne_bytes()));
    // SAFETY: the mapping reaches from before the pointer to its end.
    bytes.extend_from_slice(unsafe { core::slice::from_raw_parts(pointer as *const u8, length) });
    let start = pointer - size_of::<Kept>();
    Region { start, writable: true, file: false, bytes: Bytes::Copied(bytes) }
}

/// The registers that a called function must keep, the stack pointer, and an address among this thread's variables.
#[cfg(target_arch = "x86_64")]
#[inline(never)]
fn here() -> (Kept, usize, usize) {
    let mut kept: Kept = [0; 6];
    let (pointer, locals): (usize, usize);
    // SAFETY: stores registers into an array on this stack; the word at fs:0 is the thread control block's own address.
    unsafe {
        core::arch::asm!(
            "mov [{to}], rbx",
            "mov [{to} + 8], rbp",
            "mov [{to} + 16], r12",
            "mov [{to} + 24], r13",
            "mov [{to} + 32], r14",
            "mov [{to} + 40], r15",
            "mov {pointer}, rsp",
            "mov {locals}, fs:[0]",
            to = in(reg) kept.as_mut_ptr(),
            pointer = out(reg) pointer,
            locals = out(reg) locals,
            options(nostack, preserves_flags),
        );
    }
    (kept, pointer & !15, locals)
}

#[cfg(target_arch = "aarch64")]
#[inline(never)]
fn here() -> (Kept, usize, usize) {
    let mut kept: Kept = [0; 6];
    let (pointer, locals): (usize, usize);
    // SAFETY: stores registers into an array on this stack; tpidr_el0 may be read.
    unsafe {
        core::arch::asm!(
            "stp x19, x20, [{to}]",
            "stp x21, x22, [{to}, #16]",
            "stp x23, x24, [{to}, #32]",
            "mov {pointer}, sp",
            "mrs {locals}, tpidr_el0",
            to = in(reg) kept.as_mut_ptr(),
            pointer = out(reg) pointer,
            locals = out(reg) locals,
            options(nostack, preserves_flags),
        );
    }
    (kept, pointer & !15, locals)
}

/// Bits of an entry of `pagemap`: the page is in memory, or on the swap device.
const WRITTEN: u64 = 1 << 63 | 1 << 62;

/// The runs of a range's pages that have been written to, with short gaps in them, and as much of a page of V8 as
/// there may be.
fn present(pagemap: &File, (start, end): (usize, usize)) -> io::Result<Vec<(usize, usize)>> {
    let mut runs: Vec<(usize, usize)> = Vec::new();
    let mut buffer = vec![0; 1 << 16];
    let mut at = start;
    while at < end {
        let pages = ((end - at) / PAGE).min(buffer.len() / 8);
        let entries = &mut buffer[..pages * 8];
        pagemap.read_exact_at(entries, (at / PAGE * 8) as u64)?;
        for (index, entry) in entries.as_chunks().0.iter().enumerate() {
            if u64::from_ne_bytes(*entry) & WRITTEN == 0 {
                continue;
            }
            let page = at + index * PAGE;
            match runs.last_mut() {
                Some(last) if page - last.1 < GAP => last.1 = page + PAGE,
                _ => runs.push((page, page + PAGE)),
            }
        }
        at += pages * PAGE;
    }
    // The end of V8's page may never have been written to; its beginning has.
    for (from, to) in &mut runs {
        let chunk = (*to - 1) & !(CHUNK - 1);
        if chunk >= *from {
            *to = (chunk + CHUNK).min(end);
        }
    }
    Ok(runs)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mapping(start: usize, end: usize) -> Mapping {
        Mapping { start, end, readable: true, ..Mapping::default() }
    }

    #[test]
    fn what_is_written_to_is_cut_out() {
        let cut = |excluded: &[(usize, usize)]| parts(&mapping(10, 50), excluded).collect::<Vec<_>>();
        assert_eq!(cut(&[]), [(10, 50)]);
        assert_eq!(cut(&[(0, 10), (50, 60)]), [(10, 50)]);
        assert_eq!(cut(&[(20, 30)]), [(10, 20), (30, 50)]);
        assert_eq!(cut(&[(0, 20), (25, 30), (40, 90)]), [(20, 25), (30, 40)]);
        assert!(cut(&[(0, 100)]).is_empty());
    }

    #[test]
    fn pages_that_were_never_written_to_are_left_out() {
        const SIZE: usize = 16 << 20;
        // SAFETY: this test's own new mapping, unmapped at the end; the writes stay inside.
        unsafe {
            let address = libc::mmap(
                core::ptr::null_mut(),
                SIZE + CHUNK,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
                -1,
                0,
            );
            libc::madvise(address, SIZE + CHUNK, libc::MADV_NOHUGEPAGE);
            let start = (address as usize).next_multiple_of(CHUNK);
            for offset in [0, 3 * PAGE, 8 << 20, (8 << 20) + 10 * PAGE] {
                ((start + offset) as *mut u8).write_volatile(1);
            }
            let pagemap = File::open("/proc/self/pagemap").unwrap();
            let runs = present(&pagemap, (start, start + SIZE)).unwrap();
            let second = start + (8 << 20);
            assert_eq!(runs, [(start, start + CHUNK), (second, second + CHUNK)]);
            libc::munmap(address, SIZE + CHUNK);
        }
    }

    #[test]
    fn the_stack_is_there_with_the_registers() {
        let (kept, pointer, locals) = here();
        let list = maps(&std::fs::read("/proc/self/maps").unwrap());
        let on_stack = list.iter().find(|m| (m.start..m.end).contains(&pointer)).unwrap();
        // SAFETY: it is this thread's stack.
        let region = unsafe { stack(on_stack, pointer, &kept) };
        assert_eq!(region.start + 48, pointer);
        assert!(region.bytes().len() > 48);
        assert!(list.iter().any(|m| (m.start..m.end).contains(&locals) && m.may_write));
    }
}
