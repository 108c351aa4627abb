//! What V8 counts of a heap (`v8-statistics.h`), beyond its spaces.

use serde::Serialize;

use super::abi::{HeapCodeStatistics, HeapStatistics};
use super::profiler::CurrentIsolate;
use super::symbols::{Ptr, function};

type GetHeap = unsafe extern "C" fn(Ptr, *mut HeapStatistics);
type GetCode = unsafe extern "C" fn(Ptr, *mut HeapCodeStatistics) -> bool;

/// As `v8.getHeapStatistics()` and `v8.getHeapCodeStatistics()` have them; bytes, but for the contexts.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Statistics {
    pub total: usize,
    pub executable: usize,
    pub physical: usize,
    pub available: usize,
    pub used: usize,
    pub limit: usize,
    pub malloced: usize,
    pub peak_malloced: usize,
    pub external: usize,
    /// How many contexts there are, and how many of them are detached: those leak.
    pub native_contexts: usize,
    pub detached_contexts: usize,
    pub global_handles: usize,
    pub used_global_handles: usize,
    pub code: usize,
    pub bytecode: usize,
    pub external_script_source: usize,
}

impl CurrentIsolate {
    /// What V8 counts; `None` where it can't be asked.
    pub fn statistics(self) -> Option<Statistics> {
        let (heap, code) = self.ask().ok()?;
        Some(Statistics {
            total: heap.total,
            executable: heap.executable,
            physical: heap.physical,
            available: heap.available,
            used: heap.used,
            limit: heap.limit,
            malloced: heap.malloced,
            peak_malloced: heap.peak_malloced,
            external: heap.external,
            native_contexts: heap.native_contexts,
            detached_contexts: heap.detached_contexts,
            global_handles: heap.global_handles,
            used_global_handles: heap.used_global_handles,
            code: code.code,
            bytecode: code.bytecode,
            external_script_source: code.external_script_source,
        })
    }

    fn ask(self) -> Result<(HeapStatistics, HeapCodeStatistics), String> {
        let get_heap = function!(c"_ZN2v87Isolate17GetHeapStatisticsEPNS_14HeapStatisticsE" as GetHeap);
        let get_code = function!(
            c"_ZN2v87Isolate32GetHeapCodeAndMetadataStatisticsEPNS_18HeapCodeStatisticsE" as GetCode
        );
        let (mut heap, mut code) = (HeapStatistics::default(), HeapCodeStatistics::default());
        // SAFETY: the isolate is entered on this thread; both have V8's layout (see abi.rs) and room, and V8 only
        // writes into them.
        unsafe {
            get_heap(self.as_ptr(), &raw mut heap);
            get_code(self.as_ptr(), &raw mut code);
        }
        Ok((heap, code))
    }
}
