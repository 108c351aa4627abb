//! Calling an isolate's thread from other threads.
//!
//! V8 runs an interrupt when JavaScript next checks its stack guard, also in `while (true) {}`. The isolate must be
//! alive when it is asked for. That is so by construction: a clean-up hook of its environment, which runs before
//! V8 disposes of the isolate, closes [`Interrupts`] under the lock that a request holds.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};

use super::environment::Environment;
use super::profiler::CurrentIsolate;
use super::symbols::{Ptr, V8};

/// Asks one isolate for calls, from any thread.
#[derive(Clone)]
pub struct Interrupts(Arc<Mutex<Option<Alive>>>);

struct Alive {
    v8: &'static V8,
    isolate: usize,
}

/// What an interrupt calls.
struct Call {
    body: fn(u64),
    id: u64,
}

impl CurrentIsolate {
    /// What other threads may call this isolate by, as long as `environment`, which is this thread's, is there.
    /// `None` where Node-API is out of reach.
    pub fn interrupts(self, environment: Environment) -> Option<Interrupts> {
        let isolate = self.as_ptr() as usize;
        let alive = Arc::new(Mutex::new(Some(Alive { v8: self.v8(), isolate })));
        let hooks = Arc::into_raw(Arc::clone(&alive)).cast_mut();
        // SAFETY: `close` takes over this reference, and is called once.
        if unsafe { environment.at_cleanup(close, hooks.cast()) } {
            return Some(Interrupts(alive));
        }
        // SAFETY: nobody else has taken the reference.
        drop(unsafe { Arc::from_raw(hooks) });
        None
    }
}

impl Interrupts {
    /// Has `body(id)` called on the isolate's thread when its JavaScript next checks its stack guard; it must not
    /// run JavaScript, and its panics are caught. Nothing happens if the isolate is going away.
    pub fn request(&self, body: fn(u64), id: u64) {
        let alive = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(Alive { v8, isolate }) = &*alive {
            let call = Box::into_raw(Box::new(Call { body, id }));
            // SAFETY: `Isolate::RequestInterrupt` may be called from any thread, and the isolate is alive while the
            // lock is held (see above). V8 calls each request back at most once.
            unsafe { (v8.request_interrupt)(*isolate as Ptr, on_interrupt, call.cast()) };
        }
    }
}

unsafe extern "C" fn on_interrupt(_isolate: Ptr, call: Ptr) {
    // SAFETY: `request` has made it for this one call.
    let Call { body, id } = *unsafe { Box::from_raw(call.cast::<Call>()) };
    // A panic must not unwind through V8's frames.
    let _ = catch_unwind(AssertUnwindSafe(|| body(id)));
}

unsafe extern "C" fn close(alive: Ptr) {
    // SAFETY: `interrupts` has given this reference to the hook, which is called once.
    let alive = unsafe { Arc::from_raw(alive.cast::<Mutex<Option<Alive>>>()) };
    let _ = catch_unwind(AssertUnwindSafe(|| alive.lock().unwrap_or_else(PoisonError::into_inner).take()));
}
