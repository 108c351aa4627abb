//! Which form of the API a V8 version has. One row for each V8 that a supported Node carries; a new major
//! gets its row after its headers were compared (CONTRIBUTING.md, "Support a new Node major").

/// The forms of `HeapProfiler::TakeHeapSnapshot`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TakeForm {
    /// `(ActivityControl*, ObjectNameResolver*, bool treat_global_objects_as_roots, bool numeric)`
    Flags,
    /// `(const HeapSnapshotOptions&)`
    Options,
}

/// One V8 version that we know.
#[derive(Clone, Copy, Debug)]
struct AbiRow {
    v8: (u32, u32),
    node: u32,
    take: TakeForm,
}

/// `include/node/v8-profiler.h` of each Node major: `headers` compares it with what is written here, and the addon's tests
/// run on 18, 20, 22, 24 and 26. Node 21, 23 and 25 have reached their end of life; on them the smoke test was run.
const TABLE: &[AbiRow] = &[
    AbiRow { v8: (10, 2), node: 18, take: TakeForm::Flags },
    AbiRow { v8: (11, 3), node: 20, take: TakeForm::Options },
    AbiRow { v8: (11, 8), node: 21, take: TakeForm::Options },
    AbiRow { v8: (12, 4), node: 22, take: TakeForm::Options },
    AbiRow { v8: (12, 9), node: 23, take: TakeForm::Options },
    AbiRow { v8: (13, 6), node: 24, take: TakeForm::Options },
    AbiRow { v8: (14, 1), node: 25, take: TakeForm::Options },
    AbiRow { v8: (14, 6), node: 26, take: TakeForm::Options },
];

/// The form for a version string like `12.4.254.21-node.33`.
pub(super) fn take_form(version: &str) -> Result<TakeForm, String> {
    let mut numbers = version.split('.').map(|part| part.parse::<u32>().ok());
    let (Some(Some(major)), Some(Some(minor))) = (numbers.next(), numbers.next()) else {
        return Err(format!("V8's version '{version}' can't be read"));
    };
    // A suffix other than Node's own means another embedder, whose V8 may be built in other ways.
    if !version.contains("-node.") {
        return Err(format!("V8 {version} isn't a V8 of Node.js"));
    }
    TABLE.iter().find(|row| row.v8 == (major, minor)).map(|row| row.take).ok_or_else(|| {
        let nodes: Vec<String> = TABLE.iter().map(|row| row.node.to_string()).collect();
        format!(
            "V8 {major}.{minor} isn't one that this version of stillheap knows (Node {})",
            nodes.join(", ")
        )
    })
}

/// The Node majors of the table.
#[cfg(test)]
pub(super) fn nodes() -> impl Iterator<Item = u32> {
    TABLE.iter().map(|row| row.node)
}

#[cfg(test)]
pub(super) fn has_options(node: u32) -> bool {
    TABLE.iter().any(|row| row.node == node && row.take == TakeForm::Options)
}

/// `v8::HeapProfiler::HeapSnapshotOptions` (v8-profiler.h), zeroed = defaults. The fields up to
/// `numerics_mode` are the same from Node 20 to 26; from Node 21 on `stack_state` follows, whose default is
/// 0. The spare room keeps a V8 that reads a further field within our memory.
#[repr(C)]
pub(super) struct HeapSnapshotOptions {
    pub control: *mut core::ffi::c_void,
    pub resolver: *mut core::ffi::c_void,
    pub snapshot_mode: i32,
    pub numerics_mode: i32,
    pub spare: [u64; 8],
}

const _: () = assert!(core::mem::offset_of!(HeapSnapshotOptions, control) == 0);
const _: () = assert!(core::mem::offset_of!(HeapSnapshotOptions, resolver) == 8);
const _: () = assert!(core::mem::offset_of!(HeapSnapshotOptions, snapshot_mode) == 16);
const _: () = assert!(core::mem::offset_of!(HeapSnapshotOptions, numerics_mode) == 20);
const _: () = assert!(core::mem::offset_of!(HeapSnapshotOptions, spare) == 24);

/// `v8::HeapSpaceStatistics` (v8-statistics.h), the same from Node 18 to 26.
#[repr(C)]
pub(super) struct HeapSpaceStatistics {
    /// A static, NUL-terminated name.
    pub name: *const core::ffi::c_char,
    pub size: usize,
    pub used: usize,
    pub available: usize,
    pub physical: usize,
    pub spare: [u64; 8],
}

impl HeapSpaceStatistics {
    /// To be filled by V8.
    pub fn empty() -> Self {
        Self { name: core::ptr::null(), size: 0, used: 0, available: 0, physical: 0, spare: [0; 8] }
    }
}

const _: () = assert!(core::mem::offset_of!(HeapSpaceStatistics, used) == 16);
const _: () = assert!(core::mem::offset_of!(HeapSpaceStatistics, physical) == 32);

/// `v8::HeapStatistics` (v8-statistics.h), the same from Node 18 to 26, where a further field follows.
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub(super) struct HeapStatistics {
    pub total: usize,
    pub executable: usize,
    pub physical: usize,
    pub available: usize,
    pub used: usize,
    pub limit: usize,
    pub malloced: usize,
    pub external: usize,
    pub peak_malloced: usize,
    pub zaps_garbage: bool,
    pub native_contexts: usize,
    pub detached_contexts: usize,
    pub global_handles: usize,
    pub used_global_handles: usize,
    pub spare: [u64; 8],
}

const _: () = assert!(core::mem::offset_of!(HeapStatistics, used) == 32);
const _: () = assert!(core::mem::offset_of!(HeapStatistics, external) == 56);
const _: () = assert!(core::mem::offset_of!(HeapStatistics, native_contexts) == 80);
const _: () = assert!(core::mem::offset_of!(HeapStatistics, spare) == 112);

/// `v8::HeapCodeStatistics` (v8-statistics.h), the same from Node 18 to 26, where further fields follow.
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub(super) struct HeapCodeStatistics {
    pub code: usize,
    pub bytecode: usize,
    pub external_script_source: usize,
    pub spare: [u64; 8],
}

/// A `std::vector<T>`: three pointers, in libstdc++ as in libc++.
#[repr(C)]
pub(super) struct Vector<T> {
    pub begin: *const T,
    pub end: *const T,
    pub capacity: *const T,
}

/// `v8::AllocationProfile::Allocation` (v8-profiler.h), the same from Node 18 to 26.
#[repr(C)]
pub(super) struct SampledAllocation {
    pub size: usize,
    pub count: u32,
}

/// `v8::AllocationProfile::Node` (v8-profiler.h), the same from Node 18 to 26. `Local<String>` is one pointer.
#[repr(C)]
pub(super) struct AllocationNode {
    pub name: *mut core::ffi::c_void,
    pub script_name: *mut core::ffi::c_void,
    pub script_id: i32,
    pub start_position: i32,
    pub line_number: i32,
    pub column_number: i32,
    pub node_id: u32,
    pub children: Vector<*const AllocationNode>,
    pub allocations: Vector<SampledAllocation>,
}

const _: () = assert!(core::mem::size_of::<SampledAllocation>() == 16);
const _: () = assert!(core::mem::offset_of!(AllocationNode, script_id) == 16);
const _: () = assert!(core::mem::offset_of!(AllocationNode, line_number) == 24);
const _: () = assert!(core::mem::offset_of!(AllocationNode, children) == 40);
const _: () = assert!(core::mem::offset_of!(AllocationNode, allocations) == 64);
const _: () = assert!(core::mem::size_of::<AllocationNode>() == 88);

/// The virtual functions of `v8::AllocationProfile` (v8-profiler.h) in the order of their declaration, the same
/// from Node 18 to 26; a destructor has two entries (Itanium C++ ABI), the second of which deletes.
#[repr(C)]
pub(super) struct AllocationProfileMethods {
    pub get_root_node: unsafe extern "C" fn(*mut core::ffi::c_void) -> *const AllocationNode,
    pub get_samples: *const core::ffi::c_void,
    pub destroy: *const core::ffi::c_void,
    pub delete: unsafe extern "C" fn(*mut core::ffi::c_void),
}

/// `v8::HeapProfiler::kSamplingNoFlags`: what has been collected doesn't count, and reading collects nothing.
pub(super) const NO_SAMPLING_FLAGS: i32 = 0;

/// `v8::GCType` (v8-callbacks.h), a set of bits, the same from Node 18 to 26.
pub(super) mod gc_type {
    pub const SCAVENGE: i32 = 1;
    /// An experiment of V8's that may take the scavenger's place.
    pub const MINOR_MARK_SWEEP: i32 = 1 << 1;
    pub const MARK_SWEEP_COMPACT: i32 = 1 << 2;
    /// The start of incremental marking: a step, not a collection.
    pub const INCREMENTAL_MARKING: i32 = 1 << 3;
    pub const PROCESS_WEAK_CALLBACKS: i32 = 1 << 4;
    pub const ALL: i32 = 31;
}

/// `v8::kGCCallbackFlagForced`: by a call rather than by allocation.
pub(super) const GC_FORCED: i32 = 1 << 2;
/// `v8::MemoryPressureLevel::kModerate`
pub(super) const PRESSURE_MODERATE: i32 = 1;

/// `HeapSnapshotMode::kExposeInternals`
pub(super) const EXPOSE_INTERNALS: i32 = 1;
/// `NumericsMode::kExposeNumericValues`
pub(super) const EXPOSE_NUMERIC_VALUES: i32 = 1;
/// `HeapSnapshot::SerializationFormat::kJSON`
pub(super) const JSON: i32 = 0;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_each_supported_node_and_no_other() {
        assert_eq!(take_form("10.2.154.26-node.39"), Ok(TakeForm::Flags));
        assert_eq!(take_form("11.3.244.8-node.33"), Ok(TakeForm::Options));
        assert!(take_form("15.0.1.2-node.3").unwrap_err().contains("15.0"));
        assert!(take_form("12.4.254.20-electron.0").is_err());
        assert!(take_form("nonsense").is_err());
    }
}
