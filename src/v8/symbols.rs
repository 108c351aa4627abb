//! Looks V8's functions up, once per process.

use core::ffi::{CStr, c_char, c_int, c_void};
use std::sync::OnceLock;

use super::abi::{HeapSnapshotOptions, TakeForm, take_form};

/// Opaque C++ objects; only ever handled by pointer.
pub(super) type Ptr = *mut c_void;

/// `void (*InterruptCallback)(Isolate*, void* data)`
pub type InterruptCallback = unsafe extern "C" fn(Ptr, Ptr);

pub(super) type TakeWithFlags = unsafe extern "C" fn(Ptr, Ptr, Ptr, bool, bool) -> Ptr;
pub(super) type TakeWithOptions = unsafe extern "C" fn(Ptr, *const HeapSnapshotOptions) -> Ptr;

#[derive(Clone, Copy)]
pub(super) enum Take {
    Flags(TakeWithFlags),
    Options(TakeWithOptions),
}

/// V8's functions, as found in this process.
pub struct V8 {
    pub(super) get_current: unsafe extern "C" fn() -> Ptr,
    pub(super) get_heap_profiler: unsafe extern "C" fn(Ptr) -> Ptr,
    pub(super) request_interrupt: unsafe extern "C" fn(Ptr, InterruptCallback, Ptr),
    pub(super) take: Take,
    pub(super) serialize: unsafe extern "C" fn(Ptr, Ptr, c_int),
    pub(super) delete: unsafe extern "C" fn(Ptr),
    pub(super) nodes_count: unsafe extern "C" fn(Ptr) -> c_int,
    pub(super) clear_object_ids: unsafe extern "C" fn(Ptr),
    pub(super) stop_tracking: unsafe extern "C" fn(Ptr),
    /// `Local<Value>` is one pointer and trivially copyable, so it travels in a register, as a `napi_value`.
    pub(super) get_object_id: unsafe extern "C" fn(Ptr, Ptr) -> u32,
}

static FOUND: OnceLock<Result<V8, String>> = OnceLock::new();

impl V8 {
    /// V8's functions, or the sentence that says why captures must go another way.
    pub fn get() -> Result<&'static Self, &'static str> {
        FOUND.get_or_init(find).as_ref().map_err(String::as_str)
    }
}

macro_rules! function {
    ($name:literal) => {{
        let address = lookup($name)?;
        // SAFETY: the symbol is the public C++ function that the field is typed after, compared with
        // V8's headers for each version that `take_form` lets through; function pointers and data
        // pointers have the same size on the platforms we look symbols up on.
        unsafe { core::mem::transmute(address) }
    }};
}

#[cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
fn find() -> Result<V8, String> {
    let get_version: unsafe extern "C" fn() -> *const c_char = function!(c"_ZN2v82V810GetVersionEv");
    // SAFETY: `V8::GetVersion` takes nothing and returns a static, NUL-terminated string.
    let version = unsafe { CStr::from_ptr(get_version()) }.to_string_lossy();
    let take = match take_form(&version)? {
        TakeForm::Flags => Take::Flags(function!(
            c"_ZN2v812HeapProfiler16TakeHeapSnapshotEPNS_15ActivityControlEPNS0_18ObjectNameResolverEbb"
        )),
        TakeForm::Options => {
            Take::Options(function!(c"_ZN2v812HeapProfiler16TakeHeapSnapshotERKNS0_19HeapSnapshotOptionsE"))
        }
    };
    Ok(V8 {
        get_current: function!(c"_ZN2v87Isolate10GetCurrentEv"),
        get_heap_profiler: function!(c"_ZN2v87Isolate15GetHeapProfilerEv"),
        request_interrupt: function!(c"_ZN2v87Isolate16RequestInterruptEPFvPS0_PvES2_"),
        take,
        serialize: function!(
            c"_ZNK2v812HeapSnapshot9SerializeEPNS_12OutputStreamENS0_19SerializationFormatE"
        ),
        delete: function!(c"_ZN2v812HeapSnapshot6DeleteEv"),
        nodes_count: function!(c"_ZNK2v812HeapSnapshot13GetNodesCountEv"),
        clear_object_ids: function!(c"_ZN2v812HeapProfiler14ClearObjectIdsEv"),
        stop_tracking: function!(c"_ZN2v812HeapProfiler23StopTrackingHeapObjectsEv"),
        get_object_id: function!(c"_ZN2v812HeapProfiler11GetObjectIdENS_5LocalINS_5ValueEEE"),
    })
}

#[cfg(not(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64"))))]
fn find() -> Result<V8, String> {
    Err(format!(
        "V8 is reached directly on Linux x64 and arm64 only, and this is {} {}",
        std::env::consts::OS,
        std::env::consts::ARCH
    ))
}

fn lookup(name: &CStr) -> Result<Ptr, String> {
    // SAFETY: dlsym only reads the NUL-terminated name.
    let address = unsafe { libc::dlsym(libc::RTLD_DEFAULT, name.as_ptr()) };
    if address.is_null() {
        return Err(format!("this runtime doesn't export V8's {}", name.to_string_lossy()));
    }
    Ok(address)
}
