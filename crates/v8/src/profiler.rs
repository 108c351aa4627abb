//! Taking, writing out and deleting a heap snapshot.

use core::ffi::c_void;
use core::marker::PhantomData;
use core::ptr::{self, NonNull};

use super::abi::{EXPOSE_INTERNALS, EXPOSE_NUMERIC_VALUES, HeapSnapshotOptions, HeapSpaceStatistics, JSON};
use super::environment::Environment;
use super::streams::{ActivityControl, OutputStream};
use super::symbols::{Ptr, Take, V8};

/// What a snapshot shall contain beside the usual.
#[derive(Clone, Copy, Debug, Default)]
pub struct SnapshotOptions {
    /// V8's `kExposeInternals`: V8's own objects, too.
    pub internals: bool,
    /// V8's `kExposeNumericValues`: the values of numbers.
    pub numeric_values: bool,
}

/// The isolate that is entered on this thread; can't leave it.
#[derive(Clone, Copy)]
pub struct CurrentIsolate {
    v8: &'static V8,
    isolate: NonNull<c_void>,
    not_send: PhantomData<*mut ()>,
}

/// One of V8's spaces; bytes.
#[derive(Clone, Copy, Debug, serde::Serialize)]
pub struct SpaceStatistics {
    /// V8's name of it: `old_space`, `new_large_object_space` …
    pub name: &'static str,
    /// Taken from the system.
    pub size: u64,
    /// In objects, garbage included.
    pub used: u64,
    /// Free for objects.
    pub available: u64,
    pub physical: u64,
}

/// An isolate's address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IsolateHandle(usize);

impl IsolateHandle {
    /// The address of V8's Isolate.
    pub fn address(self) -> usize {
        self.0
    }
}

impl CurrentIsolate {
    /// The isolate that is entered on this thread, if V8 is in reach and there is one.
    pub fn get() -> Option<Self> {
        let v8 = V8::get().ok()?;
        // SAFETY: `Isolate::GetCurrent` reads a thread-local; null means that none is entered.
        let isolate = NonNull::new(unsafe { (v8.get_current)() })?;
        Some(Self { v8, isolate, not_send: PhantomData })
    }

    pub fn handle(self) -> IsolateHandle {
        IsolateHandle(self.isolate.as_ptr() as usize)
    }

    pub(super) fn v8(self) -> &'static V8 {
        self.v8
    }

    /// How much the heap holds, garbage included: bytes in ordinary pages, and in objects with pages of
    /// their own.
    pub fn heap_size(self) -> (u64, u64) {
        let (mut ordinary, mut large) = (0, 0);
        for space in self.spaces() {
            let is_large = space.name.ends_with("large_object_space");
            *(if is_large { &mut large } else { &mut ordinary }) += space.used;
        }
        (ordinary, large)
    }

    /// What V8 says of each of its spaces.
    pub fn spaces(self) -> Vec<SpaceStatistics> {
        let mut spaces = Vec::new();
        // SAFETY: the isolate is entered on this thread, and `space` has V8's layout (see abi.rs) and room.
        let count = unsafe { (self.v8.space_count)(self.isolate.as_ptr()) };
        for index in 0..count {
            let mut space = HeapSpaceStatistics::empty();
            // SAFETY: the isolate is entered on this thread (`CurrentIsolate`), `space` has V8's layout (see abi.rs) and room,
            // and `index` is below the count. The name is one of V8's literals.
            let name = unsafe {
                if !(self.v8.space_statistics)(self.isolate.as_ptr(), &raw mut space, index)
                    || space.name.is_null()
                {
                    continue;
                }
                core::ffi::CStr::from_ptr(space.name)
            };
            spaces.push(SpaceStatistics {
                name: name.to_str().unwrap_or("unknown"),
                size: space.size as u64,
                used: space.used as u64,
                available: space.available as u64,
                physical: space.physical as u64,
            });
        }
        spaces
    }

    /// For calls from this folder, on this thread.
    pub(super) fn as_ptr(self) -> Ptr {
        self.isolate.as_ptr()
    }

    pub(super) fn heap_profiler(self) -> Ptr {
        // SAFETY: the isolate is entered on this thread, hence alive.
        unsafe { (self.v8.get_heap_profiler)(self.isolate.as_ptr()) }
    }

    /// Takes a snapshot; `report(done, total)` is told how far V8 is and stops it by `false`. `None` if it
    /// was stopped. No JavaScript runs, but garbage is collected.
    pub fn take_heap_snapshot(
        self,
        options: SnapshotOptions,
        report: &mut dyn FnMut(u32, u32) -> bool,
    ) -> Option<HeapSnapshot> {
        let mut control = ActivityControl::new(report);
        let profiler = self.heap_profiler();
        let snapshot = match self.v8.take {
            Take::Flags(take) => {
                // SAFETY: the profiler belongs to the entered isolate, `control` outlives the call, and a
                // null resolver is V8's default.
                unsafe {
                    take(
                        profiler,
                        control.as_ptr(),
                        ptr::null_mut(),
                        !options.internals,
                        options.numeric_values,
                    )
                }
            }
            Take::Options(take) => {
                let options = HeapSnapshotOptions {
                    control: control.as_ptr(),
                    resolver: ptr::null_mut(),
                    snapshot_mode: if options.internals { EXPOSE_INTERNALS } else { 0 },
                    numerics_mode: if options.numeric_values { EXPOSE_NUMERIC_VALUES } else { 0 },
                    spare: [0; 8],
                };
                // SAFETY: the profiler belongs to the entered isolate; `control` and the options outlive the call, the options
                // have V8's layout (see abi.rs), and a null resolver is V8's default.
                unsafe { take(profiler, &raw const options) }
            }
        };
        let snapshot = NonNull::new(snapshot).map(|snapshot| HeapSnapshot {
            v8: self.v8,
            snapshot,
            not_send: PhantomData,
        });
        control.resume();
        snapshot
    }

    /// Whether V8 has given the global object an id: then somebody has taken a snapshot or tracks the heap,
    /// and V8 follows every object that moves.
    pub fn has_object_ids(self, environment: Environment) -> bool {
        let Some(global) = environment.global() else { return false };
        // SAFETY: V8 interrupts and Node-API calls both come with an open handle scope, which keeps the new
        // handle alive. A `napi_value` is a `Local<Value>`, and the call only looks an address up.
        unsafe { (self.v8.get_object_id)(self.heap_profiler(), global) != 0 }
    }

    /// Makes V8 forget all ids and stop following moves. Only for ids that our own captures brought about:
    /// ids that were there before belong to somebody else.
    pub fn clear_object_ids(self) {
        let profiler = self.heap_profiler();
        // SAFETY: the isolate is entered on this thread. An allocation tracker (a DevTools recording that
        // began after our capture) keeps a raw pointer to the id map which the second call replaces, so
        // it has to be stopped first; without one the first call does nothing.
        unsafe {
            (self.v8.stop_tracking)(profiler);
            (self.v8.clear_object_ids)(profiler);
        }
    }
}

/// A snapshot in V8's memory, deleted when dropped, on the isolate's thread.
pub struct HeapSnapshot {
    v8: &'static V8,
    snapshot: NonNull<c_void>,
    not_send: PhantomData<*mut ()>,
}

impl HeapSnapshot {
    pub fn nodes_count(&self) -> u64 {
        // SAFETY: the snapshot is alive until self is dropped.
        let count = unsafe { (self.v8.nodes_count)(self.snapshot.as_ptr()) };
        u64::try_from(count).unwrap_or(0)
    }

    /// Writes the snapshot as JSON, all ASCII, in chunks; `write` stops V8 by `false`. Says whether all
    /// chunks were taken.
    pub fn serialize(&self, write: &mut dyn FnMut(&[u8]) -> bool) -> bool {
        let mut all_taken = true;
        let mut write = |bytes: &[u8]| {
            all_taken = all_taken && write(bytes);
            all_taken
        };
        let mut stream = OutputStream::new(&mut write);
        // SAFETY: the snapshot and the stream are alive for the whole call.
        unsafe { (self.v8.serialize)(self.snapshot.as_ptr(), stream.as_ptr(), JSON) };
        stream.resume();
        all_taken
    }
}

impl Drop for HeapSnapshot {
    fn drop(&mut self) {
        // SAFETY: the snapshot came from V8, is deleted once, and HeapSnapshot never leaves its thread.
        unsafe { (self.v8.delete)(self.snapshot.as_ptr()) };
    }
}
