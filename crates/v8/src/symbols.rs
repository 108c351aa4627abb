//! Looks V8's functions up, once per process.

use core::ffi::{CStr, c_char, c_int, c_void};
use std::sync::OnceLock;

use super::abi::{HeapSnapshotOptions, HeapSpaceStatistics, TakeForm, take_form};

/// Opaque C++ objects; only ever handled by pointer.
pub(super) type Ptr = *mut c_void;

/// `void (*InterruptCallback)(Isolate*, void* data)`
pub(super) type InterruptCallback = unsafe extern "C" fn(Ptr, Ptr);

/// `size_t (*NearHeapLimitCallback)(void* data, size_t current_heap_limit, size_t initial_heap_limit)`
pub(super) type NearHeapLimitCallback = unsafe extern "C" fn(Ptr, usize, usize) -> usize;

pub(super) type AddNearHeapLimit = unsafe extern "C" fn(Ptr, NearHeapLimitCallback, Ptr);
pub(super) type RemoveNearHeapLimit = unsafe extern "C" fn(Ptr, NearHeapLimitCallback, usize);
pub(super) type RestoreHeapLimit = unsafe extern "C" fn(Ptr, f64);
pub(super) type GetCurrent = unsafe extern "C" fn() -> Ptr;
pub(super) type RequestInterrupt = unsafe extern "C" fn(Ptr, InterruptCallback, Ptr);
/// A method without arguments that returns a pointer, or nothing that is looked at.
pub(super) type Method = unsafe extern "C" fn(Ptr) -> Ptr;
pub(super) type Serialize = unsafe extern "C" fn(Ptr, Ptr, c_int);
pub(super) type NodesCount = unsafe extern "C" fn(Ptr) -> c_int;
pub(super) type GetObjectId = unsafe extern "C" fn(Ptr, Ptr) -> u32;
pub(super) type SpaceCount = unsafe extern "C" fn(Ptr) -> usize;
pub(super) type SpaceStatistics = unsafe extern "C" fn(Ptr, *mut HeapSpaceStatistics, usize) -> bool;
type GetVersion = unsafe extern "C" fn() -> *const c_char;

pub(super) type TakeWithFlags = unsafe extern "C" fn(Ptr, Ptr, Ptr, bool, bool) -> Ptr;
pub(super) type TakeWithOptions = unsafe extern "C" fn(Ptr, *const HeapSnapshotOptions) -> Ptr;

#[derive(Clone, Copy)]
pub(super) enum Take {
    Flags(TakeWithFlags),
    Options(TakeWithOptions),
}

/// V8's functions, as found in this process.
pub struct V8 {
    pub(super) get_current: GetCurrent,
    pub(super) get_heap_profiler: Method,
    pub(super) request_interrupt: RequestInterrupt,
    pub(super) take: Take,
    pub(super) serialize: Serialize,
    pub(super) delete: Method,
    pub(super) nodes_count: NodesCount,
    pub(super) clear_object_ids: Method,
    pub(super) stop_tracking: Method,
    /// `Local<Value>` is one pointer and trivially copyable, so it travels in a register, as a `napi_value`.
    pub(super) get_object_id: GetObjectId,
    pub(super) space_count: SpaceCount,
    pub(super) space_statistics: SpaceStatistics,
    pub(super) add_near_heap_limit: AddNearHeapLimit,
    pub(super) remove_near_heap_limit: RemoveNearHeapLimit,
    pub(super) restore_heap_limit: RestoreHeapLimit,
}

static FOUND: OnceLock<Result<V8, String>> = OnceLock::new();

impl V8 {
    /// An address inside the object that V8 is in.
    pub fn address(&self) -> usize {
        self.get_current as usize
    }

    /// V8's functions, or the sentence that says why captures must go another way.
    pub fn get() -> Result<&'static Self, &'static str> {
        FOUND.get_or_init(find).as_ref().map_err(String::as_str)
    }
}

macro_rules! function {
    ($name:literal as $type:ty) => {{
        let address = $crate::symbols::lookup($name)?;
        // SAFETY: the symbol is the public C++ function that the type is written after, compared with
        // V8's headers for each version that `take_form` lets through; function pointers and data
        // pointers have the same size on the platforms we look symbols up on. Some of these return void in
        // C++; calling them through a type that returns a pointer is fine on both ABIs, because the result
        // is never read.
        unsafe { core::mem::transmute::<$crate::symbols::Ptr, $type>(address) }
    }};
}
pub(super) use function;

#[cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
fn find() -> Result<V8, String> {
    let get_version = function!(c"_ZN2v82V810GetVersionEv" as GetVersion);
    // SAFETY: `V8::GetVersion` takes nothing and returns a static, NUL-terminated string.
    let version = unsafe { CStr::from_ptr(get_version()) }.to_string_lossy();
    let take = match take_form(&version)? {
        TakeForm::Flags => Take::Flags(function!(
            c"_ZN2v812HeapProfiler16TakeHeapSnapshotEPNS_15ActivityControlEPNS0_18ObjectNameResolverEbb"
                as TakeWithFlags
        )),
        TakeForm::Options => Take::Options(function!(
            c"_ZN2v812HeapProfiler16TakeHeapSnapshotERKNS0_19HeapSnapshotOptionsE" as TakeWithOptions
        )),
    };
    Ok(V8 {
        get_current: function!(c"_ZN2v87Isolate10GetCurrentEv" as GetCurrent),
        get_heap_profiler: function!(c"_ZN2v87Isolate15GetHeapProfilerEv" as Method),
        request_interrupt: function!(c"_ZN2v87Isolate16RequestInterruptEPFvPS0_PvES2_" as RequestInterrupt),
        take,
        serialize: function!(
            c"_ZNK2v812HeapSnapshot9SerializeEPNS_12OutputStreamENS0_19SerializationFormatE" as Serialize
        ),
        delete: function!(c"_ZN2v812HeapSnapshot6DeleteEv" as Method),
        nodes_count: function!(c"_ZNK2v812HeapSnapshot13GetNodesCountEv" as NodesCount),
        clear_object_ids: function!(c"_ZN2v812HeapProfiler14ClearObjectIdsEv" as Method),
        stop_tracking: function!(c"_ZN2v812HeapProfiler23StopTrackingHeapObjectsEv" as Method),
        get_object_id: function!(c"_ZN2v812HeapProfiler11GetObjectIdENS_5LocalINS_5ValueEEE" as GetObjectId),
        space_count: function!(c"_ZN2v87Isolate18NumberOfHeapSpacesEv" as SpaceCount),
        space_statistics: function!(
            c"_ZN2v87Isolate22GetHeapSpaceStatisticsEPNS_19HeapSpaceStatisticsEm" as SpaceStatistics
        ),
        add_near_heap_limit: function!(
            c"_ZN2v87Isolate24AddNearHeapLimitCallbackEPFmPvmmES1_" as AddNearHeapLimit
        ),
        remove_near_heap_limit: function!(
            c"_ZN2v87Isolate27RemoveNearHeapLimitCallbackEPFmPvmmEm" as RemoveNearHeapLimit
        ),
        restore_heap_limit: function!(
            c"_ZN2v87Isolate36AutomaticallyRestoreInitialHeapLimitEd" as RestoreHeapLimit
        ),
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

pub(super) fn lookup(name: &CStr) -> Result<Ptr, String> {
    // SAFETY: dlsym only reads the NUL-terminated name.
    let address = unsafe { libc::dlsym(libc::RTLD_DEFAULT, name.as_ptr()) };
    if address.is_null() {
        return Err(format!("this runtime doesn't export V8's {}", name.to_string_lossy()));
    }
    Ok(address)
}
