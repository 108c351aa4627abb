//! Where the code of a mapped program or library ends, as its own headers say.

use std::fs::File;
use std::os::unix::fs::FileExt;

use object::Endianness;
use object::elf::{ET_DYN, FileHeader64, PF_X, PT_LOAD};
use object::read::elf::{FileHeader, ProgramHeader};
use stillheap_limits::Mapping;

const PAGE: u64 = 4096;
/// The headers are in the first page; linkers put them right behind the file's header.
const HEADERS: usize = PAGE as usize;
/// Mappings of one file that lie before its code.
const BEFORE: usize = 8;

/// The address behind the last byte that the file has for the mapping with this position. None if the headers can't be
/// found, or describe something else than this mapping.
pub(crate) fn end_of_code(mappings: &[Mapping], position: usize, memory: &File) -> Option<u64> {
    let mapping = mappings.get(position)?;
    let mut first = position;
    for _ in 0..BEFORE {
        let start = mappings.get(first)?.start as u64;
        let mut bytes = vec![0; HEADERS];
        if memory.read_exact_at(&mut bytes, start).is_ok() && bytes.starts_with(b"\x7fELF") {
            return within(&bytes, start, mapping);
        }
        let before = first.checked_sub(1)?;
        let joined = mappings.get(before).is_some_and(|m| m.file && m.end as u64 == start);
        if !joined {
            return None;
        }
        first = before;
    }
    None
}

/// What the headers of a file that was loaded at `base` say of a mapping.
fn within(bytes: &[u8], base: u64, mapping: &Mapping) -> Option<u64> {
    let header = FileHeader64::<Endianness>::parse(bytes).ok()?;
    let endian = header.endian().ok()?;
    let segments = header.program_headers(endian, bytes).ok()?;
    let loaded = || segments.iter().filter(move |s| s.p_type(endian) == PT_LOAD);
    let lowest = loaded().map(|s| s.p_vaddr(endian) & !(PAGE - 1)).min()?;
    let moved = match header.e_type(endian) {
        ET_DYN => base.checked_sub(lowest)?,
        _ if base == lowest => 0,
        _ => return None,
    };
    let code = loaded().filter(|s| s.p_flags(endian) & PF_X != 0 && s.p_filesz(endian) == s.p_memsz(endian));
    let mut ends = code.filter_map(|s| moved.checked_add(s.p_vaddr(endian))?.checked_add(s.p_filesz(endian)));
    ends.find(|end| end.next_multiple_of(PAGE) == mapping.end as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libraries_of_this_process_say_where_their_code_ends() {
        let all = stillheap_limits::smaps(&std::fs::read("/proc/self/smaps").unwrap());
        let memory = File::open("/proc/self/mem").unwrap();
        let code = (0..all.len()).filter(|&at| all[at].executable && all[at].file);
        let ends: Vec<_> = code.filter_map(|at| Some((all[at], end_of_code(&all, at, &memory)?))).collect();
        // This program and the C library, at least.
        assert!(ends.len() >= 2, "{ends:?}");
        for (mapping, end) in ends {
            let mut rest = vec![0; mapping.end - end as usize];
            memory.read_exact_at(&mut rest, end).unwrap();
            assert!(end > mapping.start as u64 && rest.len() < PAGE as usize);
        }
    }

    #[test]
    fn headers_of_something_else_say_nothing() {
        let all = stillheap_limits::smaps(&std::fs::read("/proc/self/smaps").unwrap());
        let memory = File::open("/proc/self/mem").unwrap();
        let heap = all.iter().position(|m| m.anonymous && m.writable).unwrap();
        assert_eq!(end_of_code(&all, heap, &memory), None);
        let code = all.iter().position(|m| m.executable && m.file).unwrap();
        let longer = Mapping { end: all[code].end + 4096, ..all[code] };
        let mut changed = all.clone();
        changed[code] = longer;
        assert_eq!(end_of_code(&changed, code, &memory), None);
    }
}
