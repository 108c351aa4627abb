//! Other copies of the addon in this process.
//!
//! Two dependencies may each bring their own stillheap: two files on disk, two libraries in memory, with
//! statics of their own. The signal is still to be handled once. Each copy exports [`stillheap_copy_v1`];
//! all copies look for that symbol in the loaded libraries, and the first one in the linker's order keeps
//! the claim.

use core::ffi::c_void;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

/// What a copy is asked, over the C ABI, by whichever copy holds the signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Delivery {
    /// Capture the main thread; answer 1 if this copy knows it.
    Main = 1,
    /// Capture every isolate this copy knows; answer how many.
    All = 2,
    /// Capture any one isolate; answer 1 if there was one.
    Any = 3,
}

/// The interface between copies. Fields are only ever added at the end, with a new symbol name.
#[repr(C)]
pub struct Copy {
    /// In the copy that the linker lists first: the address of the `Copy` that handles the signal, or 0.
    claim: AtomicUsize,
    /// Delivers a request to this copy's isolates.
    deliver: extern "C" fn(u32) -> u32,
}

static THIS: Copy = Copy { claim: AtomicUsize::new(0), deliver };
static BODY: OnceLock<fn(Delivery) -> u32> = OnceLock::new();

/// This copy, for the others.
#[unsafe(no_mangle)]
pub extern "C" fn stillheap_copy_v1() -> *const Copy {
    &raw const THIS
}

extern "C" fn deliver(request: u32) -> u32 {
    let request = match request {
        1 => Delivery::Main,
        2 => Delivery::All,
        3 => Delivery::Any,
        _ => return 0,
    };
    std::panic::catch_unwind(|| BODY.get().map_or(0, |body| body(request))).unwrap_or(0)
}

/// This copy is one of them.
pub struct Copies(Vec<&'static Copy>);

impl Copies {
    /// Looks for them. `body` is what this copy does when it is asked to deliver.
    pub fn find(body: fn(Delivery) -> u32) -> Self {
        BODY.get_or_init(|| body);
        let mut copies = loaded_copies();
        if !copies.iter().any(|copy| std::ptr::eq(*copy, &raw const THIS)) {
            copies.push(&THIS);
        }
        Self(copies)
    }

    /// Claims the signal for this copy; false if another one has it.
    pub fn claim(&self) -> bool {
        let mine = (&raw const THIS) as usize;
        match self.0[0].claim.compare_exchange(0, mine, Ordering::AcqRel, Ordering::Acquire) {
            Ok(_) => true,
            Err(holder) => holder == mine,
        }
    }

    /// Gives the claim back.
    pub fn release(&self) {
        let mine = (&raw const THIS) as usize;
        // If another copy holds it, it stays with that one.
        let _ = self.0[0].claim.compare_exchange(mine, 0, Ordering::AcqRel, Ordering::Acquire);
    }
}

/// Asks the other copies, one after the other until one says yes (or all of them, for `All`).
pub fn deliver_elsewhere(request: Delivery) -> u32 {
    let mut delivered = 0;
    for copy in loaded_copies() {
        if std::ptr::eq(copy, &raw const THIS) || (request != Delivery::All && delivered > 0) {
            continue;
        }
        delivered += (copy.deliver)(request as u32);
    }
    delivered
}

#[cfg(all(target_os = "linux", target_env = "gnu"))]
fn loaded_copies() -> Vec<&'static Copy> {
    use std::ffi::{CStr, CString};

    unsafe extern "C" fn collect(
        info: *mut libc::dl_phdr_info,
        _size: usize,
        names: *mut c_void,
    ) -> libc::c_int {
        // SAFETY: the linker passes a valid entry, and `names` is the vector given below.
        unsafe {
            let (info, names) = (&*info, &mut *names.cast::<Vec<CString>>());
            if !info.dlpi_name.is_null() {
                let name = CStr::from_ptr(info.dlpi_name);
                if name.to_bytes().ends_with(b".node") {
                    names.push(name.to_owned());
                }
            }
        }
        0
    }

    let mut names: Vec<CString> = Vec::new();
    // SAFETY: `collect` keeps to the callback's contract; nothing is loaded, since RTLD_NOLOAD only finds
    // what is there; a copy never unloads (pin_library), so what its function returns stays valid.
    unsafe {
        libc::dl_iterate_phdr(Some(collect), (&raw mut names).cast());
        names
            .iter()
            .filter_map(|name| {
                let library = libc::dlopen(name.as_ptr(), libc::RTLD_LAZY | libc::RTLD_NOLOAD);
                if library.is_null() {
                    return None;
                }
                let symbol = libc::dlsym(library, c"stillheap_copy_v1".as_ptr());
                let copy = (!symbol.is_null()).then(|| {
                    let this: extern "C" fn() -> *const Copy = core::mem::transmute(symbol);
                    &*this()
                });
                libc::dlclose(library);
                copy
            })
            .collect()
    }
}

#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
fn loaded_copies() -> Vec<&'static Copy> {
    let _: *mut c_void = core::ptr::null_mut();
    vec![&THIS]
}
