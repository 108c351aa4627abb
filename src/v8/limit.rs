//! V8's near-heap-limit callback (`v8-callbacks.h`, `v8-isolate.h`; the same from Node 18 to 26).
//!
//! V8 calls the callback that was added last, and only that one, when collections free next to nothing four
//! times in a row, or before the last collection that it makes for an allocation that failed. It runs on the
//! isolate's thread, with V8 in the embedder's state (`VMState<EXTERNAL>`), an open handle scope, collections
//! allowed and JavaScript forbidden. Unless it returns more than the current limit, V8 ends the process.

use core::ffi::c_void;

use super::profiler::IsolateHandle;
use super::symbols::{NearHeapLimitCallback, Ptr, V8};

/// When the heap has come down to this part of its initial limit, V8 forgets the raise.
const BACK_TO_NORMAL: f64 = 0.8;

impl IsolateHandle {
    /// Has `callback(data, current limit, initial limit)` called, before any other that is there.
    ///
    /// # Safety
    /// On the isolate's thread. `callback` isn't there yet, accepts `data` until it is removed, and doesn't
    /// unwind; it must be removed before the isolate is disposed of.
    pub unsafe fn add_near_heap_limit(self, callback: NearHeapLimitCallback, data: usize) {
        if let Ok(v8) = V8::get() {
            // SAFETY: the caller vouches for all of it.
            unsafe { (v8.add_near_heap_limit)(self.address(), callback, data as Ptr) }
        }
    }

    /// Removes it, also from inside itself. From now on V8 restores the initial limit by itself, once the heap
    /// has come down again.
    ///
    /// # Safety
    /// On the isolate's thread, while `callback` is there: V8 ends the process if it isn't.
    pub unsafe fn remove_near_heap_limit(self, callback: NearHeapLimitCallback) {
        if let Ok(v8) = V8::get() {
            // SAFETY: the caller vouches for it; a limit of 0 leaves V8's as it is.
            unsafe {
                (v8.remove_near_heap_limit)(self.address(), callback, 0);
                (v8.restore_heap_limit)(self.address(), BACK_TO_NORMAL);
            }
        }
    }

    fn address(self) -> *mut c_void {
        self.raw() as Ptr
    }
}
