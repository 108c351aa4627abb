//! Replaces a few functions of the C library, in the child only.
//!
//! The child has one thread, while V8 and Node believe that there is a pool of them. A program calls another
//! library's function through a slot in its own data (the global offset table), which the dynamic linker
//! has filled in. The child overwrites those slots: a wait for a thread that doesn't exist becomes an exit
//! with a status that says so. No code is changed, and the parent's slots stay as they are.
//!
//! The slots are found before the fork, again whenever a library has been loaded or unloaded, from the relocations of
//! all loaded objects but the C library, the dynamic linker and this addon.

use core::ffi::{CStr, c_char, c_int, c_void};
use std::sync::{Arc, Mutex, PoisonError};

/// One slot and what the child puts there.
#[derive(Clone, Copy)]
struct Slot {
    address: usize,
    replacement: Replacement,
}

/// All slots of this process at one time.
pub struct Slots {
    slots: Vec<Slot>,
    /// Those of this addon for the allocator.
    own: Vec<Slot>,
    /// Data of this addon, the C library and the dynamic linker, to which a child that runs no other code writes.
    written: Vec<(usize, usize)>,
    loaded: (u64, u64),
}

/// A function's name and what takes its place.
#[derive(Clone, Copy)]
pub struct Replacement {
    pub name: &'static CStr,
    pub address: usize,
    /// It belongs to the allocator, which is replaced as a whole or not at all.
    pub memory: bool,
}

// ELF's numbers, which libc has for some targets only.
const DT_STRTAB: u64 = 5;
const DT_SYMTAB: u64 = 6;
const DT_RELA: u64 = 7;
const DT_RELASZ: u64 = 8;
const DT_PLTRELSZ: u64 = 2;
const DT_PLTREL: u64 = 20;
const DT_JMPREL: u64 = 23;
const PT_DYNAMIC: u32 = 2;
const PT_LOAD: u32 = 1;
const PF_W: u32 = 2;

/// Relocations that make a slot hold a symbol's address: for a call, for a pointer, for a pointer in data.
#[cfg(target_arch = "x86_64")]
const KINDS: [u32; 3] = [7, 6, 1];
#[cfg(target_arch = "aarch64")]
const KINDS: [u32; 3] = [1026, 1025, 257];

#[repr(C)]
struct Dynamic {
    tag: u64,
    value: u64,
}

#[repr(C)]
struct Rela {
    offset: u64,
    info: u64,
    addend: i64,
}

struct SlotSearch {
    replacements: &'static [Replacement],
    /// An address inside this addon.
    own: usize,
    /// An address inside the object that holds the runtime.
    runtime: Option<usize>,
    slots: Vec<Slot>,
    own_slots: Vec<Slot>,
    written: Vec<(usize, usize)>,
    /// Which of the functions that object calls through a slot.
    found_at_runtime: Vec<bool>,
}

/// What a search depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Key {
    /// How many objects have been loaded and unloaded so far.
    loaded: (u64, u64),
    runtime: Option<usize>,
}

/// The result of the last search.
static FOUND: Mutex<Option<(Key, Arc<Slots>)>> = Mutex::new(None);

impl Slots {
    /// The process's slots, as long as nobody loads or unloads a library: those of an unloaded one are somebody
    /// else's memory. Fails where the object at `runtime` has no slot for one of the `needed` functions: a program
    /// that is linked in another way can't be helped. Without a runtime none are needed.
    pub fn find(
        replacements: &'static [Replacement],
        needed: &[&'static CStr],
        runtime: Option<usize>,
    ) -> Result<Arc<Self>, String> {
        let key = Key { loaded: loaded(), runtime };
        let mut found = FOUND.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, slots)) = found.as_ref().filter(|(other, _)| *other == key) {
            return Ok(Arc::clone(slots));
        }
        let mut search = SlotSearch {
            replacements,
            own: Self::find as *const () as usize,
            runtime,
            slots: Vec::new(),
            own_slots: Vec::new(),
            written: Vec::new(),
            found_at_runtime: vec![false; replacements.len()],
        };
        // SAFETY: `visit` keeps to the callback's contract, and `search` outlives the call.
        unsafe { libc::dl_iterate_phdr(Some(visit), (&raw mut search).cast()) };
        let missing = replacements
            .iter()
            .zip(&search.found_at_runtime)
            .find(|(replacement, found)| needed.contains(&replacement.name) && !**found);
        if let Some((replacement, _)) = missing.filter(|_| runtime.is_some()) {
            return Err(format!(
                "this runtime is linked in an unknown way (no slot for {})",
                replacement.name.to_string_lossy()
            ));
        }
        let SlotSearch { slots, own_slots: own, written, .. } = search;
        let slots = Arc::new(Self { slots, own, written, loaded: key.loaded });
        *found = Some((key, Arc::clone(&slots)));
        Ok(slots)
    }

    /// Whether nothing has been loaded or unloaded since.
    pub fn is_current(&self) -> bool {
        self.loaded == loaded()
    }

    /// Why a child whose code is this addon's alone can't have memory of its own; `None` if it can.
    pub fn obstacle_to_own_memory(&self) -> Option<String> {
        // What Rust's standard library and zstd allocate with.
        [c"malloc", c"calloc", c"realloc", c"free"]
            .iter()
            .find(|name| !self.own.iter().any(|slot| slot.replacement.name == **name))
            .map(|name| {
                format!("this addon is linked in an unknown way (no slot for {})", name.to_string_lossy())
            })
    }

    /// Data to which a child writes that runs this addon's code alone: from the first to behind the last address.
    pub fn written(&self) -> &[(usize, usize)] {
        &self.written
    }

    /// Puts the allocator's replacements into this addon's own slots, and no other: what else the process calls stays
    /// as it is, and isn't called.
    ///
    /// # Safety
    /// As of [`Slots::replace`].
    pub unsafe fn replace_own_memory(&self) {
        // SAFETY: the caller vouches for the process.
        unsafe { put(self.own.iter()) }
    }

    /// Puts the replacements in, the allocator's only with `memory`.
    ///
    /// # Safety
    /// Only in a child that has one thread and never returns to the program's own code path: what the
    /// replacements do is wrong for everybody else.
    pub unsafe fn replace(&self, memory: bool) {
        // SAFETY: the caller vouches for the process.
        unsafe { put(self.slots.iter().filter(|slot| memory || !slot.replacement.memory)) }
    }
}

/// # Safety
/// As of [`Slots::replace`].
unsafe fn put<'s>(slots: impl Iterator<Item = &'s Slot>) {
    // SAFETY: sysconf only reads.
    let page = usize::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).unwrap_or(4096);
    for slot in slots {
        let start = slot.address & !(page - 1);
        // SAFETY: the slot lies in the writable or relocated-read-only data of an object that was loaded when
        // the parent forked (`is_current`) and that nobody unloads here; it is aligned (checked when it was
        // found) and holds a function pointer.
        unsafe {
            let writable = libc::PROT_READ | libc::PROT_WRITE;
            if libc::mprotect(start as *mut c_void, page, writable) == 0 {
                (slot.address as *mut usize).write_volatile(slot.replacement.address);
            }
        }
    }
}

/// The file whose allocator this process uses, unless it is the C library's. Asks for `malloc_usable_size`, which every
/// allocator that takes `malloc`'s place has to bring along: the address of `malloc` itself may be one in the program,
/// from where it is passed on.
pub fn foreign_allocator() -> Option<String> {
    // SAFETY: dlsym and dladdr only read; a zeroed Dl_info is filled in, and its name is the linker's.
    unsafe {
        let mut info: libc::Dl_info = core::mem::zeroed();
        let allocator = libc::dlsym(libc::RTLD_DEFAULT, c"malloc_usable_size".as_ptr());
        if libc::dladdr(allocator, &raw mut info) == 0 || info.dli_fname.is_null() {
            return Some("an unknown place".to_owned());
        }
        let name = CStr::from_ptr(info.dli_fname).to_string_lossy();
        let file = name.rsplit('/').next().unwrap_or(&name);
        (!file.starts_with("libc.so") && !file.starts_with("libc-")).then(|| name.clone().into_owned())
    }
}

/// How many objects have been loaded and unloaded in this process so far.
fn loaded() -> (u64, u64) {
    unsafe extern "C" fn first(info: *mut libc::dl_phdr_info, size: usize, counts: *mut c_void) -> c_int {
        if size >= size_of::<libc::dl_phdr_info>() {
            // SAFETY: the linker passes an entry of `size` bytes, and `counts` is what `loaded` gave.
            unsafe { *counts.cast::<(u64, u64)>() = ((*info).dlpi_adds, (*info).dlpi_subs) };
        }
        // One is enough: all entries say the same.
        1
    }
    let mut counts = (0, 0);
    // SAFETY: `first` keeps to the callback's contract, and `counts` outlives the call.
    unsafe { libc::dl_iterate_phdr(Some(first), (&raw mut counts).cast()) };
    counts
}

unsafe extern "C" fn visit(info: *mut libc::dl_phdr_info, _size: usize, search: *mut c_void) -> c_int {
    // SAFETY: the linker passes a valid entry, and `search` is what `find` gave.
    let (info, search) = unsafe { (&*info, &mut *search.cast::<SlotSearch>()) };
    // SAFETY: the entry's program headers and name are valid while the callback runs.
    unsafe {
        let headers = core::slice::from_raw_parts(info.dlpi_phdr, info.dlpi_phnum.into());
        let base = info.dlpi_addr as usize;
        let writable = headers.iter().filter(|header| header.p_type == PT_LOAD && header.p_flags & PF_W != 0);
        let writable = writable.map(|header| {
            let start = base.wrapping_add(header.p_vaddr as usize);
            (start & !0xfff, (start + header.p_memsz as usize).next_multiple_of(0x1000))
        });
        if !info.dlpi_name.is_null() {
            let name = CStr::from_ptr(info.dlpi_name).to_bytes();
            let file = name.rsplit(|&byte| byte == b'/').next().unwrap_or(name);
            // Their calls to themselves must stay as they are.
            let system: [&[u8]; 4] = [b"libc.so", b"libpthread", b"ld-linux", b"linux-vdso"];
            if system.iter().any(|prefix| file.starts_with(prefix)) {
                search.written.extend(writable);
                return 0;
            }
        }
        let holds = |address: usize| {
            headers.iter().any(|header| {
                let start = base.wrapping_add(header.p_vaddr as usize);
                header.p_type == PT_LOAD && (start..start + header.p_memsz as usize).contains(&address)
            })
        };
        let is_own = holds(search.own);
        if is_own {
            search.written.extend(writable);
        }
        let is_runtime = search.runtime.is_some_and(&holds);
        if let Some(header) = headers.iter().find(|header| header.p_type == PT_DYNAMIC) {
            look_into(
                base,
                base.wrapping_add(header.p_vaddr as usize) as *const Dynamic,
                search,
                (is_own, is_runtime),
                &holds,
            );
        }
    }
    0
}

/// Looks through one object's relocations.
///
/// # Safety
/// `dynamic` must be the dynamic section, ended by a zero tag, of an object loaded at `base`.
unsafe fn look_into(
    base: usize,
    mut dynamic: *const Dynamic,
    search: &mut SlotSearch,
    (is_own, is_runtime): (bool, bool),
    holds: &dyn Fn(usize) -> bool,
) {
    let (mut strings, mut symbols) = (0, 0);
    let (mut jumps, mut jumps_size, mut others, mut others_size) = (0, 0, 0, 0);
    let mut kind = DT_RELA;
    // SAFETY: the caller vouches for the section.
    unsafe {
        while (*dynamic).tag != 0 {
            let value = (*dynamic).value;
            match (*dynamic).tag {
                DT_STRTAB => strings = value as usize,
                DT_SYMTAB => symbols = value as usize,
                DT_JMPREL => jumps = value as usize,
                DT_PLTRELSZ => jumps_size = value as usize,
                DT_RELA => others = value as usize,
                DT_RELASZ => others_size = value as usize,
                DT_PLTREL => kind = value,
                _ => {}
            }
            dynamic = dynamic.add(1);
        }
    }
    // glibc has turned these into addresses; where somebody hasn't, they are offsets.
    let address = |value: usize| if holds(value) { value } else { base.wrapping_add(value) };
    let (strings, symbols) = (address(strings), address(symbols));
    if kind != DT_RELA || !holds(strings) || !holds(symbols) {
        return;
    }
    for (table, size) in [(address(jumps), jumps_size), (address(others), others_size)] {
        if size == 0 || !holds(table) || !holds(table + size - 1) {
            continue;
        }
        for index in 0..size / size_of::<Rela>() {
            // SAFETY: the table lies inside the object, and its entries have this layout on 64-bit ELF.
            let rela = unsafe { &*(table as *const Rela).add(index) };
            let (symbol, kind) = ((rela.info >> 32) as usize, rela.info as u32);
            if symbol == 0 || !KINDS.contains(&kind) {
                continue;
            }
            // A symbol's entry has 24 bytes and begins with its name's offset.
            // SAFETY: the linker has followed the same pointers when it loaded the object.
            let name = unsafe {
                let offset = *((symbols + symbol * 24) as *const u32);
                CStr::from_ptr((strings + offset as usize) as *const c_char)
            };
            let Some(which) = search.replacements.iter().position(|wanted| wanted.name == name) else {
                continue;
            };
            let slot = base.wrapping_add(rela.offset as usize);
            if holds(slot) && slot.is_multiple_of(align_of::<usize>()) {
                let found = Slot { address: slot, replacement: search.replacements[which] };
                if is_own {
                    if found.replacement.memory {
                        search.own_slots.push(found);
                    }
                    continue;
                }
                search.slots.push(found);
                search.found_at_runtime[which] |= is_runtime;
            }
        }
    }
}
