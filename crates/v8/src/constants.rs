//! V8's debugging constants (`v8dbg_…`), as this process has them: the symbols of the loaded object that V8 is in.
//!
//! `dlsym` would do for names that are known. All of them are wanted, since a hash of all says which layout it is, so
//! the object's table of dynamic symbols is read where the dynamic linker has loaded it.

use core::ffi::{CStr, c_char, c_int, c_void};
use core::mem::size_of;
use std::sync::OnceLock;

use crate::symbols::V8;

const PREFIX: &[u8] = b"v8dbg_";

// ELF's numbers.
const DT_STRTAB: u64 = 5;
const DT_SYMTAB: u64 = 6;
const DT_STRSZ: u64 = 10;
const DT_GNU_HASH: u64 = 0x6fff_fef5;
const PT_LOAD: u32 = 1;
const PT_DYNAMIC: u32 = 2;

#[repr(C)]
struct Dynamic {
    tag: u64,
    value: u64,
}

#[repr(C)]
#[derive(Clone, Copy)]
struct Symbol {
    name: u32,
    info: u8,
    other: u8,
    section: u16,
    value: u64,
    size: u64,
}

struct Search {
    /// An address inside the object.
    inside: usize,
    found: Vec<(String, i64)>,
}

/// The integers behind the symbols `v8dbg_…`, by the rest of the name. Empty where there are none. Read once.
pub fn debug_constants(v8: &V8) -> &'static [(String, i64)] {
    static FOUND: OnceLock<Vec<(String, i64)>> = OnceLock::new();
    FOUND.get_or_init(|| {
        let mut search = Search { inside: v8.address(), found: Vec::new() };
        // SAFETY: `visit` keeps to the callback's contract, and `search` outlives the call.
        unsafe { libc::dl_iterate_phdr(Some(visit), (&raw mut search).cast()) };
        search.found
    })
}

unsafe extern "C" fn visit(info: *mut libc::dl_phdr_info, _size: usize, search: *mut c_void) -> c_int {
    // SAFETY: the linker passes a valid entry, and `search` is what `debug_constants` gave. The entry's program
    // headers are valid while the callback runs.
    unsafe {
        let (info, search) = (&*info, &mut *search.cast::<Search>());
        let headers = core::slice::from_raw_parts(info.dlpi_phdr, info.dlpi_phnum.into());
        let object = Object { base: info.dlpi_addr as usize, headers };
        if !object.holds(search.inside, 1) {
            return 0;
        }
        // Nothing may unwind into the linker.
        let read = std::panic::catch_unwind(|| object.constants().unwrap_or_default());
        search.found = read.unwrap_or_default();
    }
    1
}

/// A loaded object.
struct Object<'a> {
    base: usize,
    headers: &'a [libc::Elf64_Phdr],
}

impl Object<'_> {
    /// Whether these bytes lie in one of its segments.
    fn holds(&self, address: usize, length: usize) -> bool {
        self.headers.iter().any(|header| {
            let start = self.base.wrapping_add(header.p_vaddr as usize);
            let end = start.saturating_add(header.p_memsz as usize);
            header.p_type == PT_LOAD
                && start <= address
                && address.checked_add(length).is_some_and(|last| last <= end)
        })
    }

    /// A value of the object's memory.
    fn read<T: Copy>(&self, address: usize) -> Option<T> {
        // SAFETY: the bytes lie in a segment that is loaded; all types that are read here are plain integers, which
        // any bytes are.
        self.holds(address, size_of::<T>()).then(|| unsafe { (address as *const T).read_unaligned() })
    }

    /// # Safety
    /// The headers are those of a loaded object.
    fn constants(&self) -> Option<Vec<(String, i64)>> {
        let dynamic = self.headers.iter().find(|header| header.p_type == PT_DYNAMIC)?;
        let dynamic = self.base.wrapping_add(dynamic.p_vaddr as usize);
        let (mut strings, mut strings_size, mut symbols, mut hash) = (0, 0, 0, 0);
        for index in 0.. {
            let Dynamic { tag, value } = Dynamic {
                tag: self.read(dynamic + index * size_of::<Dynamic>())?,
                value: self.read(dynamic + index * size_of::<Dynamic>() + 8)?,
            };
            match tag {
                0 => break,
                DT_STRTAB => strings = value as usize,
                DT_STRSZ => strings_size = value as usize,
                DT_SYMTAB => symbols = value as usize,
                DT_GNU_HASH => hash = value as usize,
                _ => {}
            }
        }
        // glibc has turned these into addresses; where a linker hasn't, they are offsets.
        let address = |value: usize| if self.holds(value, 1) { value } else { self.base.wrapping_add(value) };
        let (strings, symbols, hash) = (address(strings), address(symbols), address(hash));
        if !self.holds(strings, strings_size) {
            return None;
        }
        let mut found = Vec::new();
        for index in 0..self.count(hash)? {
            let symbol: Symbol = self.read(symbols + index * size_of::<Symbol>())?;
            let name = symbol.name as usize;
            if symbol.section == 0 || name + PREFIX.len() >= strings_size {
                continue;
            }
            // SAFETY: the table of strings lies in the object and ends with a zero byte, as ELF has it.
            let name = unsafe { CStr::from_ptr((strings + name) as *const c_char) }.to_bytes();
            let Some(rest) = name.strip_prefix(PREFIX).and_then(|rest| core::str::from_utf8(rest).ok())
            else {
                continue;
            };
            let place = self.base.wrapping_add(symbol.value as usize);
            let value = match symbol.size {
                1 => i64::from(self.read::<i8>(place)?),
                4 => i64::from(self.read::<i32>(place)?),
                8 => self.read::<i64>(place)?,
                _ => continue,
            };
            found.push((rest.to_owned(), value));
        }
        Some(found)
    }

    /// How many symbols there are: the hash table's last chain ends with the last of them.
    fn count(&self, hash: usize) -> Option<usize> {
        let word = |index: usize| self.read::<u32>(hash + 4 * index).map(|word| word as usize);
        let (buckets, first, bloom) = (word(0)?, word(1)?, word(2)?);
        // The filter has words of 8 bytes.
        let table = 4 + 2 * bloom;
        let mut last = 0;
        for bucket in 0..buckets {
            last = last.max(word(table + bucket)?);
        }
        if last < first {
            return Some(first);
        }
        let chains = table + buckets;
        while word(chains + last - first)? & 1 == 0 {
            last += 1;
        }
        Some(last + 1)
    }
}
