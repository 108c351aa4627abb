//! Gives the pages back that were only needed to load the addon.

/// Loading maps over 3 MB of files that nothing needs afterwards: the neighbourhood of every piece of the
/// addon's code and constants that runs once, and of every place in the runtime's symbol tables (10 MB, hashed)
/// at which one of the functions we use was looked up. Those pages are unchanged copies of files, so they can be
/// let go; what is needed later is mapped again from the page cache. `engine` is an address in the runtime.
#[cfg(target_os = "linux")]
pub fn release_loading_pages(engine: Option<usize>) {
    let Ok(pagemap) = std::fs::File::open("/proc/self/pagemap") else { return };
    let own = release_loading_pages as *const () as usize;
    for range in object_at(own).map(|object| object.unchanging).unwrap_or_default() {
        release(&pagemap, range);
    }
    let tables = engine.and_then(object_at).and_then(|object| object.symbol_tables);
    if let Some(range) = tables {
        release(&pagemap, range);
    }
}

#[cfg(target_os = "linux")]
use linux::{object_at, release};

#[cfg(target_os = "linux")]
mod linux {
    use core::ffi::c_void;
    use std::fs::File;
    use std::ops::Range;
    use std::os::unix::fs::FileExt;

    /// What may be let go of a loaded executable or library.
    #[derive(Default)]
    pub struct Object {
        /// Segments that are never written to, not even by the linker: what it writes before it makes a segment
        /// read-only (RELRO) is in segments marked as writable.
        pub unchanging: Vec<Range<usize>>,
        /// From the first to the last of what a symbol is looked up in, if that is within one such segment.
        pub symbol_tables: Option<Range<usize>>,
    }

    struct ObjectSearch {
        address: usize,
        found: Option<Object>,
    }

    /// The loaded object that holds an address.
    pub fn object_at(address: usize) -> Option<Object> {
        let mut search = ObjectSearch { address, found: None };
        // SAFETY: `visit` keeps to the callback's contract, does not unwind, and gets the search it expects.
        unsafe { libc::dl_iterate_phdr(Some(visit), (&raw mut search).cast()) };
        search.found
    }

    unsafe extern "C" fn visit(
        info: *mut libc::dl_phdr_info,
        _size: usize,
        search: *mut c_void,
    ) -> libc::c_int {
        // SAFETY: the linker passes a valid entry with `dlpi_phnum` program headers, and our own pointer.
        let (base, headers, search) = unsafe {
            let info = &*info;
            if info.dlpi_phdr.is_null() {
                return 0;
            }
            let headers = core::slice::from_raw_parts(info.dlpi_phdr, info.dlpi_phnum.into());
            (info.dlpi_addr as usize, headers, &mut *search.cast::<ObjectSearch>())
        };
        let range = |header: &libc::Elf64_Phdr| {
            let start = base + header.p_vaddr as usize;
            start..start + header.p_memsz as usize
        };
        let loads = || headers.iter().filter(|header| header.p_type == libc::PT_LOAD);
        if !loads().any(|header| range(header).contains(&search.address)) {
            return 0;
        }
        let unchanging: Vec<_> =
            loads().filter(|header| header.p_flags & libc::PF_W == 0).map(range).collect();
        let dynamic = headers.iter().find(|header| header.p_type == libc::PT_DYNAMIC).map(range);
        let within = |tables: &Range<usize>| {
            unchanging.iter().any(|segment| segment.start <= tables.start && tables.end <= segment.end)
        };
        // SAFETY: a loaded object's dynamic section is mapped and readable at the place its header names.
        let symbol_tables = dynamic.and_then(|range| unsafe { symbol_tables(base, &range) }).filter(within);
        search.found = Some(Object { unchanging, symbol_tables });
        1
    }

    /// # Safety
    /// `dynamic` must be the mapped dynamic section of an object loaded at `base`.
    unsafe fn symbol_tables(base: usize, dynamic: &Range<usize>) -> Option<Range<usize>> {
        const DT_STRTAB: i64 = 5;
        const DT_SYMTAB: i64 = 6;
        const DT_STRSZ: i64 = 10;
        const DT_GNU_HASH: i64 = 0x6fff_fef5;
        let (mut start, mut strings, mut length) = (usize::MAX, 0, 0);
        let count = dynamic.len() / size_of::<[i64; 2]>();
        for n in 0..count {
            // SAFETY: the entry is within the section.
            let [tag, value] = unsafe { *(dynamic.start as *const [i64; 2]).add(n) };
            let value = value as usize;
            // glibc has put addresses where the file has offsets, musl has not.
            let address = if value < base { base + value } else { value };
            match tag {
                0 => break,
                DT_STRTAB => strings = address,
                DT_STRSZ => length = value,
                DT_SYMTAB | DT_GNU_HASH => start = start.min(address),
                _ => {}
            }
        }
        (start < strings).then_some(start..strings + length)
    }

    /// Lets go of the whole pages in a range, if all that are there are pages of a file: code can have been
    /// moved to anonymous memory (Node's --use-largepages), or changed by a debugger.
    pub fn release(pagemap: &File, range: Range<usize>) {
        const PRESENT: u64 = 1 << 63;
        const SWAPPED: u64 = 1 << 62;
        const OF_FILE: u64 = 1 << 61;
        // SAFETY: sysconf only returns a number.
        let page = usize::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).unwrap_or(PAGE);
        let (start, end) = (range.start.next_multiple_of(PAGE), range.end & !(PAGE - 1));
        if start >= end {
            return;
        }
        let mut entries = vec![0; (end - start) / page * 8];
        if pagemap.read_exact_at(&mut entries, (start / page * 8) as u64).is_err() {
            return;
        }
        let is_of_file = |entry: &[u8]| {
            let entry = entry.try_into().map_or(PRESENT, u64::from_ne_bytes);
            entry & (PRESENT | SWAPPED) == 0 || entry & OF_FILE != 0
        };
        if entries.chunks_exact(8).all(is_of_file) {
            // SAFETY: the pages are a private, unchanged mapping of a file that nothing writes to; a process that
            // touches them next gets the same contents from the file.
            unsafe { libc::madvise(start as *mut c_void, end - start, libc::MADV_DONTNEED) };
        }
    }

    /// The largest page size that the supported machines use; a multiple of all others.
    const PAGE: usize = 64 * 1024;
}

/// Not done here.
#[cfg(not(target_os = "linux"))]
pub fn release_loading_pages(_engine: Option<usize>) {}
