//! Wakes the event loop from where nothing may be allocated, such as the middle of a garbage collection.
//!
//! A threadsafe function of Node-API would allocate a queue's entry; `uv_async_send` writes to a descriptor, once
//! however often it is called before the loop turns. The handle doesn't keep the loop alive.

use core::ffi::{c_int, c_void};
use core::mem::transmute;

use napi::sys;

use super::keeper::{Ptr, allocate, check_version, lookup};

/// `UV_ASYNC` in `uv_handle_type`; part of libuv 1's ABI.
const UV_ASYNC: c_int = 1;

type SizeOf = unsafe extern "C" fn(c_int) -> usize;
type AsyncInit = unsafe extern "C" fn(Ptr, Ptr, unsafe extern "C" fn(Ptr)) -> c_int;
type Send = unsafe extern "C" fn(Ptr) -> c_int;
type OnHandle = unsafe extern "C" fn(Ptr);
type Close = unsafe extern "C" fn(Ptr, Option<unsafe extern "C" fn(Ptr)>);

/// An async handle of the environment's event loop. To be dropped on the loop's thread, no later than in the
/// environment's clean-up hook.
pub struct Wakeup {
    send: Send,
    close: Close,
    handle: Ptr,
}

type Callback = Box<dyn Fn()>;

/// `uv_handle_t` begins with `void* data`, which belongs to us.
unsafe extern "C" fn on_wake(handle: Ptr) {
    // SAFETY: `data` is the callback that `new` put there; it is freed after the handle has closed.
    let callback = unsafe { &**handle.cast::<*const Callback>() };
    // A panic must not unwind into libuv.
    let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(callback));
}

unsafe extern "C" fn on_closed(handle: Ptr) {
    // SAFETY: libuv is done with the handle, so that nobody else has the callback any more. The handle's own
    // memory, some hundred bytes, stays: `Wakeup` may still name it.
    drop(unsafe { Box::from_raw(*handle.cast::<*mut Callback>()) });
}

impl Wakeup {
    /// `callback` is called from the event loop of `env`, after [`Wakeup::send`]. `None` where libuv can't be
    /// reached.
    pub fn new(env: napi::Env, callback: impl Fn() + 'static) -> Option<Self> {
        check_version()?;
        let mut event_loop = core::ptr::null_mut();
        // SAFETY: the environment is this thread's, and the result has room.
        let status = unsafe { sys::napi_get_uv_event_loop(env.raw(), &raw mut event_loop) };
        if status != sys::Status::napi_ok || event_loop.is_null() {
            return None;
        }
        // SAFETY: the names are libuv 1's public C functions (checked above). The handle has the size that libuv
        // gives, is aligned for anything, zeroed, and never freed or moved.
        unsafe {
            let handle_size = transmute::<Ptr, SizeOf>(lookup(c"uv_handle_size")?);
            let init = transmute::<Ptr, AsyncInit>(lookup(c"uv_async_init")?);
            let send = transmute::<Ptr, Send>(lookup(c"uv_async_send")?);
            let unref = transmute::<Ptr, OnHandle>(lookup(c"uv_unref")?);
            let close = transmute::<Ptr, Close>(lookup(c"uv_close")?);
            let handle = allocate(handle_size(UV_ASYNC))?;
            if init(event_loop.cast::<c_void>(), handle, on_wake) != 0 {
                return None;
            }
            let callback: Callback = Box::new(callback);
            *handle.cast::<*mut Callback>() = Box::into_raw(Box::new(callback));
            unref(handle);
            Some(Self { send, close, handle })
        }
    }

    /// What wakes the loop: allocates nothing, and does nothing after the drop's closing.
    pub fn sender(&self) -> impl Fn() + 'static {
        let (send, handle) = (self.send, self.handle);
        move || {
            // SAFETY: `uv_async_send` may be called at any time from any thread; the handle's memory stays, and
            // libuv ignores what is sent to a closing handle.
            unsafe { send(handle) };
        }
    }
}

impl Drop for Wakeup {
    fn drop(&mut self) {
        // SAFETY: on the loop's thread, once, and the loop is alive.
        unsafe { (self.close)(self.handle, Some(on_closed)) };
    }
}
