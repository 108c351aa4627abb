//! A Node-API environment: what of Node-API is needed here, looked up like V8's functions.

use core::ffi::{c_char, c_int, c_void};
use core::ptr;

use super::symbols::{Ptr, function};

/// `napi_ok`
const OK: c_int = 0;

type GetGlobal = unsafe extern "C" fn(Ptr, *mut Ptr) -> c_int;
type GetString = unsafe extern "C" fn(Ptr, Ptr, *mut c_char, usize, *mut usize) -> c_int;
type AddCleanup = unsafe extern "C" fn(Ptr, unsafe extern "C" fn(Ptr), Ptr) -> c_int;

/// A Node-API environment, as an address. Belongs to its isolate's thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Environment(usize);

impl Environment {
    /// `env` is a `napi_env`.
    ///
    /// # Safety
    /// Methods of the result may only be called on the environment's thread, before its clean-up hooks have ended.
    pub unsafe fn from_raw(env: *mut c_void) -> Self {
        Self(env as usize)
    }

    fn raw(self) -> Ptr {
        self.0 as Ptr
    }

    /// The global object, as a `Local<Value>` of the open handle scope.
    pub(super) fn global(self) -> Option<Ptr> {
        let get = || Ok::<_, String>(function!(c"napi_get_global" as GetGlobal));
        let mut global = ptr::null_mut();
        // SAFETY: the environment is this thread's and alive (`from_raw`), and the result has room.
        let status = unsafe { get().ok()?(self.raw(), &raw mut global) };
        (status == OK && !global.is_null()).then_some(global)
    }

    /// Copies a string as UTF-8, cut to what `buffer` holds; its length. `None` for any other value.
    ///
    /// # Safety
    /// `value` is a `Local<Value>` that is alive.
    pub(super) unsafe fn string(self, value: Ptr, buffer: &mut [u8]) -> Option<usize> {
        let get = || Ok::<_, String>(function!(c"napi_get_value_string_utf8" as GetString));
        let mut length = 0;
        // SAFETY: the environment is this thread's and alive (`from_raw`), the value is alive (the caller's duty), and the
        // buffer has the room that is passed.
        let status = unsafe {
            get().ok()?(self.raw(), value, buffer.as_mut_ptr().cast(), buffer.len(), &raw mut length)
        };
        (status == OK).then(|| length.min(buffer.len()))
    }

    /// Has `hook(data)` called when the environment ends, on its thread, while its isolate is alive: hooks run in
    /// reverse order. False where that can't be.
    ///
    /// # Safety
    /// `hook` accepts `data` until it has been called, once, and doesn't unwind.
    pub(super) unsafe fn at_cleanup(self, hook: unsafe extern "C" fn(Ptr), data: Ptr) -> bool {
        let get = || Ok::<_, String>(function!(c"napi_add_env_cleanup_hook" as AddCleanup));
        let Ok(add) = get() else { return false };
        // SAFETY: the environment is this thread's and alive (`from_raw`); what the hook may do is the caller's duty.
        unsafe { add(self.raw(), hook, data) == OK }
    }
}
