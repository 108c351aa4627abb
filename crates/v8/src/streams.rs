//! Objects that look like V8's abstract C++ classes `OutputStream` and `ActivityControl`.
//!
//! A class with virtual functions begins, in the Itanium C++ ABI, with a pointer into a table: before that
//! address lie the offset to the top and the type information, behind it the functions in the order of
//! declaration, a virtual destructor taking two places. V8 never deletes these objects and never asks for
//! their type. The declarations (v8-profiler.h) are the same from Node 18 to 26.

use core::ffi::{c_char, c_int};
use core::ptr;
use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use super::symbols::Ptr;

pub(super) const CONTINUE: c_int = 0;
pub(super) const ABORT: c_int = 1;

/// What V8 is told to give us at a time: few calls, little memory.
const CHUNK: c_int = 256 * 1024;

/// What a closure panicked with.
type Panic = Option<Box<dyn Any + Send>>;

unsafe extern "C" fn destroy(_this: Ptr) {}

/// `v8::OutputStream` that hands its bytes to a closure.
#[repr(C)]
pub(super) struct OutputStream<'a> {
    vptr: *const usize,
    write: &'a mut dyn FnMut(&[u8]) -> bool,
    panic: Panic,
}

#[repr(C)]
pub(super) struct OutputStreamTable {
    pub(super) offset_to_top: isize,
    pub(super) type_info: *const u8,
    pub(super) complete_destructor: unsafe extern "C" fn(Ptr),
    pub(super) deleting_destructor: unsafe extern "C" fn(Ptr),
    pub(super) end_of_stream: unsafe extern "C" fn(Ptr),
    pub(super) get_chunk_size: unsafe extern "C" fn(Ptr) -> c_int,
    pub(super) write_ascii_chunk: unsafe extern "C" fn(Ptr, *mut c_char, c_int) -> c_int,
    pub(super) write_heap_stats_chunk: unsafe extern "C" fn(Ptr, Ptr, c_int) -> c_int,
}

// SAFETY: the table is never written to, and its pointers are null or functions.
unsafe impl Sync for OutputStreamTable {}

static OUTPUT_STREAM: OutputStreamTable = OutputStreamTable {
    offset_to_top: 0,
    type_info: ptr::null(),
    complete_destructor: destroy,
    deleting_destructor: destroy,
    end_of_stream: destroy,
    get_chunk_size,
    write_ascii_chunk,
    write_heap_stats_chunk,
};

const _: () =
    assert!(core::mem::offset_of!(OutputStreamTable, complete_destructor) == 2 * size_of::<usize>());

unsafe extern "C" fn get_chunk_size(_this: Ptr) -> c_int {
    CHUNK
}

unsafe extern "C" fn write_heap_stats_chunk(_this: Ptr, _data: Ptr, _count: c_int) -> c_int {
    ABORT
}

unsafe extern "C" fn write_ascii_chunk(this: Ptr, data: *mut c_char, size: c_int) -> c_int {
    let length = usize::try_from(size).unwrap_or(0);
    // SAFETY: V8 passes the object that `as_ptr` gave it, which its borrower keeps alive and doesn't touch
    // during the call, and `size` bytes that stay valid for the call.
    let (stream, bytes) = unsafe {
        let stream = &mut *this.cast::<OutputStream<'_>>();
        let bytes: &[u8] = if length == 0 { &[] } else { core::slice::from_raw_parts(data.cast(), length) };
        (stream, bytes)
    };
    // A panic must not unwind through V8's frames.
    match catch_unwind(AssertUnwindSafe(|| (stream.write)(bytes))) {
        Ok(true) => CONTINUE,
        Ok(false) => ABORT,
        Err(panic) => {
            stream.panic = Some(panic);
            ABORT
        }
    }
}

impl<'a> OutputStream<'a> {
    pub(super) fn new(write: &'a mut dyn FnMut(&[u8]) -> bool) -> Self {
        Self { vptr: (&raw const OUTPUT_STREAM.complete_destructor).cast(), write, panic: None }
    }

    /// The `v8::OutputStream*`.
    pub(super) fn as_ptr(&mut self) -> Ptr {
        debug_assert!(!self.vptr.is_null());
        ptr::from_mut(self).cast()
    }

    /// Goes on with a panic of the closure, once V8's frames are gone.
    pub(super) fn resume(&mut self) {
        if let Some(panic) = self.panic.take() {
            resume_unwind(panic);
        }
    }
}

/// `v8::ActivityControl` that tells a closure how far V8 is; the closure says whether to go on.
#[repr(C)]
pub(super) struct ActivityControl<'a> {
    vptr: *const usize,
    report: &'a mut dyn FnMut(u32, u32) -> bool,
    panic: Panic,
}

#[repr(C)]
pub(super) struct ActivityControlTable {
    pub(super) offset_to_top: isize,
    pub(super) type_info: *const u8,
    pub(super) complete_destructor: unsafe extern "C" fn(Ptr),
    pub(super) deleting_destructor: unsafe extern "C" fn(Ptr),
    pub(super) report_progress_value: unsafe extern "C" fn(Ptr, u32, u32) -> c_int,
}

// SAFETY: the table is never written to, and its pointers are null or functions.
unsafe impl Sync for ActivityControlTable {}

static ACTIVITY_CONTROL: ActivityControlTable = ActivityControlTable {
    offset_to_top: 0,
    type_info: ptr::null(),
    complete_destructor: destroy,
    deleting_destructor: destroy,
    report_progress_value,
};

const _: () =
    assert!(core::mem::offset_of!(ActivityControlTable, complete_destructor) == 2 * size_of::<usize>());

unsafe extern "C" fn report_progress_value(this: Ptr, done: u32, total: u32) -> c_int {
    // SAFETY: V8 passes the object that `ActivityControl::as_ptr` gave it, which its borrower keeps alive and doesn't
    // touch meanwhile.
    let control = unsafe { &mut *this.cast::<ActivityControl<'_>>() };
    match catch_unwind(AssertUnwindSafe(|| (control.report)(done, total))) {
        Ok(true) => CONTINUE,
        Ok(false) => ABORT,
        Err(panic) => {
            control.panic = Some(panic);
            ABORT
        }
    }
}

impl<'a> ActivityControl<'a> {
    pub(super) fn new(report: &'a mut dyn FnMut(u32, u32) -> bool) -> Self {
        Self { vptr: (&raw const ACTIVITY_CONTROL.complete_destructor).cast(), report, panic: None }
    }

    /// Goes on with a panic of the closure, once V8's frames are gone.
    pub(super) fn resume(&mut self) {
        if let Some(panic) = self.panic.take() {
            resume_unwind(panic);
        }
    }

    /// The `v8::ActivityControl*`.
    pub(super) fn as_ptr(&mut self) -> Ptr {
        debug_assert!(!self.vptr.is_null());
        ptr::from_mut(self).cast()
    }
}
