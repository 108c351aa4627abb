//! V8's near-heap-limit callback (`v8-callbacks.h`, `v8-isolate.h`; the same from Node 18 to 26).
//!
//! V8 calls the callback that was added last, and only that one, when collections free next to nothing four
//! times in a row, or before the last collection that it makes for an allocation that failed. It runs on the
//! isolate's thread, with V8 in the embedder's state (`VMState<EXTERNAL>`), an open handle scope, collections
//! allowed and JavaScript forbidden. Unless it returns more than the current limit, V8 ends the process.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, OnceLock, PoisonError};

use super::environment::Environment;
use super::profiler::CurrentIsolate;
use super::symbols::{Ptr, V8};

/// When the heap has come down to this part of its initial limit, V8 forgets the raise.
const BACK_TO_NORMAL: f64 = 0.8;

/// What is called at the limit, with an id of the caller's, the current limit and the initial one, in bytes. The
/// answer is the limit from now on.
pub type AtHeapLimit = fn(u64, usize, usize) -> usize;

static BODY: OnceLock<AtHeapLimit> = OnceLock::new();

/// The isolates that have the callback, and those whose environment has the hook that removes it.
static ADDED: Mutex<Vec<usize>> = Mutex::new(Vec::new());
static HOOKED: Mutex<Vec<usize>> = Mutex::new(Vec::new());

impl CurrentIsolate {
    /// Has `body(id, …)` called at this isolate's heap limit, before any other callback that is there. The process
    /// has one `body`: the first that was given. It is removed at the latest when `environment`, which is this
    /// thread's, ends. False if it is there already, or can't be.
    pub fn add_near_heap_limit(self, environment: Environment, body: AtHeapLimit, id: u64) -> bool {
        BODY.get_or_init(|| body);
        let isolate = self.as_ptr() as usize;
        if !contains(&HOOKED, isolate) {
            // SAFETY: the hook takes the isolate's address for a number until it is called.
            if !unsafe { environment.at_cleanup(at_cleanup, isolate as Ptr) } {
                return false;
            }
            insert(&HOOKED, isolate);
        }
        if contains(&ADDED, isolate) {
            return false;
        }
        insert(&ADDED, isolate);
        // SAFETY: this is the isolate's thread; the callback isn't there, takes any number, doesn't unwind, and is
        // removed before the isolate is disposed of.
        unsafe { (self.v8().add_near_heap_limit)(self.as_ptr(), on_near_limit, id as usize as Ptr) };
        true
    }

    /// Removes it, also from inside itself; false if it wasn't there. From now on V8 restores the initial limit by
    /// itself, once the heap has come down again.
    pub fn remove_near_heap_limit(self) -> bool {
        remove(self.v8(), self.as_ptr() as usize)
    }
}

fn remove(v8: &V8, isolate: usize) -> bool {
    let mut added = ADDED.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(at) = added.iter().position(|&other| other == isolate) else { return false };
    added.swap_remove(at);
    drop(added);
    // SAFETY: the isolate is alive and entered on this thread, and the callback is there, since it was on the list:
    // V8 ends the process if it isn't. A limit of 0 leaves V8's as it is.
    unsafe {
        (v8.remove_near_heap_limit)(isolate as Ptr, on_near_limit, 0);
        (v8.restore_heap_limit)(isolate as Ptr, BACK_TO_NORMAL);
    }
    true
}

fn contains(list: &Mutex<Vec<usize>>, isolate: usize) -> bool {
    list.lock().unwrap_or_else(PoisonError::into_inner).contains(&isolate)
}

fn insert(list: &Mutex<Vec<usize>>, isolate: usize) {
    list.lock().unwrap_or_else(PoisonError::into_inner).push(isolate);
}

/// On the isolate's thread, before V8 disposes of it.
unsafe extern "C" fn at_cleanup(isolate: Ptr) {
    let _ = catch_unwind(|| {
        HOOKED.lock().unwrap_or_else(PoisonError::into_inner).retain(|&other| other != isolate as usize);
        if let Ok(v8) = V8::get() {
            remove(v8, isolate as usize);
        }
    });
}

/// May run in a forked child, so no lock is touched here.
unsafe extern "C" fn on_near_limit(id: Ptr, current: usize, initial: usize) -> usize {
    // A panic must not unwind through V8's frames; the limit is V8's then.
    catch_unwind(AssertUnwindSafe(|| BODY.get().map_or(current, |body| body(id as u64, current, initial))))
        .unwrap_or(current)
}
