//! Gives the pages of the addon back that were only needed to load it.

/// Loading touches a part of the addon's code and constants here and there, and the kernel maps the
/// neighbourhood of each touch: over 2 MB of resident memory for code that will not run until somebody
/// captures. Those pages are unchanged copies of the file, so they can be let go; what is needed later is
/// mapped again from the page cache.
#[cfg(target_os = "linux")]
pub fn release_loading_pages() {
    use core::ffi::c_void;

    unsafe extern "C" fn release(
        info: *mut libc::dl_phdr_info,
        _size: usize,
        here: *mut c_void,
    ) -> libc::c_int {
        // SAFETY: the linker passes a valid entry with `dlpi_phnum` program headers.
        let (base, headers) = unsafe {
            let info = &*info;
            if info.dlpi_phdr.is_null() {
                return 0;
            }
            (info.dlpi_addr as usize, core::slice::from_raw_parts(info.dlpi_phdr, info.dlpi_phnum.into()))
        };
        let loads = headers.iter().filter(|header| header.p_type == libc::PT_LOAD);
        let range = |header: &libc::Elf64_Phdr| {
            let start = base + header.p_vaddr as usize;
            start..start + header.p_memsz as usize
        };
        if !loads.clone().any(|header| range(header).contains(&(here as usize))) {
            return 0;
        }
        // Only segments that are never written to, not even by the linker: what it writes before it makes a
        // segment read-only (RELRO) is in segments marked as writable here.
        for header in loads.filter(|header| header.p_flags & libc::PF_W == 0) {
            let range = range(header);
            let start = range.start.next_multiple_of(PAGE);
            let end = range.end & !(PAGE - 1);
            if start < end {
                // SAFETY: the pages are a private, unchanged mapping of a file; whoever touches them next
                // gets the same contents from the file.
                unsafe { libc::madvise(start as *mut c_void, end - start, libc::MADV_DONTNEED) };
            }
        }
        1
    }

    // SAFETY: `release` keeps to the callback's contract and does not unwind.
    unsafe { libc::dl_iterate_phdr(Some(release), release_loading_pages as *mut c_void) };
}

/// The largest page size that the supported machines use; a multiple of all others.
#[cfg(target_os = "linux")]
const PAGE: usize = 64 * 1024;

/// Not done here.
#[cfg(not(target_os = "linux"))]
pub fn release_loading_pages() {}
