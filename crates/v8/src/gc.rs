//! Watching V8's garbage collector from inside.
//!
//! V8 calls back before and after each collection, on the isolate's thread, in the middle of its work: what runs
//! there must not allocate in the heap, must not run JavaScript and should take no time. Ours takes the time,
//! counts, and for full collections (or for all, if somebody wants to know) reads V8's statistics into a ring of
//! fixed size; it allocates nothing, not even outside of the heap. The ring's owner empties it later.

use core::cell::UnsafeCell;
use core::ffi::{CStr, c_int};
use core::marker::PhantomData;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::OnceLock;
use std::time::Instant;

use super::abi::{GC_FORCED, HeapSpaceStatistics, HeapStatistics, PRESSURE_MODERATE, gc_type};
use super::profiler::CurrentIsolate;
use super::symbols::{Ptr, V8, function};

/// `Isolate::GCCallbackWithData`
type GcCallback = unsafe extern "C" fn(Ptr, c_int, c_int, Ptr);
type AddCallback = unsafe extern "C" fn(Ptr, GcCallback, Ptr, c_int);
type RemoveCallback = unsafe extern "C" fn(Ptr, GcCallback, Ptr);
type GetHeapStatistics = unsafe extern "C" fn(Ptr, *mut HeapStatistics);
type PressureNotification = unsafe extern "C" fn(Ptr, c_int);
type LowMemory = unsafe extern "C" fn(Ptr);

/// V8's functions for watching collections; looked up apart from [`V8`], which works without them.
pub struct V8Gc {
    v8: &'static V8,
    add_prologue: AddCallback,
    add_epilogue: AddCallback,
    remove_prologue: RemoveCallback,
    remove_epilogue: RemoveCallback,
    statistics: GetHeapStatistics,
    pressure: PressureNotification,
    low_memory: LowMemory,
}

static FOUND: OnceLock<Result<V8Gc, String>> = OnceLock::new();

impl V8Gc {
    /// The functions, or the sentence that says why there are none.
    pub fn get() -> Result<&'static Self, &'static str> {
        FOUND.get_or_init(find).as_ref().map_err(String::as_str)
    }
}

fn find() -> Result<V8Gc, String> {
    let v8 = V8::get()?;
    Ok(V8Gc {
        v8,
        add_prologue: function!(
            c"_ZN2v87Isolate21AddGCPrologueCallbackEPFvPS0_NS_6GCTypeENS_15GCCallbackFlagsEPvES4_S2_"
                as AddCallback
        ),
        add_epilogue: function!(
            c"_ZN2v87Isolate21AddGCEpilogueCallbackEPFvPS0_NS_6GCTypeENS_15GCCallbackFlagsEPvES4_S2_"
                as AddCallback
        ),
        remove_prologue: function!(
            c"_ZN2v87Isolate24RemoveGCPrologueCallbackEPFvPS0_NS_6GCTypeENS_15GCCallbackFlagsEPvES4_"
                as RemoveCallback
        ),
        remove_epilogue: function!(
            c"_ZN2v87Isolate24RemoveGCEpilogueCallbackEPFvPS0_NS_6GCTypeENS_15GCCallbackFlagsEPvES4_"
                as RemoveCallback
        ),
        statistics: function!(
            c"_ZN2v87Isolate17GetHeapStatisticsEPNS_14HeapStatisticsE" as GetHeapStatistics
        ),
        pressure: function!(
            c"_ZN2v87Isolate26MemoryPressureNotificationENS_19MemoryPressureLevelE" as PressureNotification
        ),
        low_memory: function!(c"_ZN2v87Isolate21LowMemoryNotificationEv" as LowMemory),
    })
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum GcKind {
    /// Of the young generation.
    Minor,
    /// Of the whole heap.
    #[default]
    Major,
    /// The beginning of marking beside the program.
    Incremental,
    /// Callbacks of weak references.
    WeakCallbacks,
}

impl GcKind {
    /// How many kinds there are.
    pub const COUNT: usize = 4;

    fn of(bits: c_int) -> Self {
        match bits {
            gc_type::SCAVENGE | gc_type::MINOR_MARK_SWEEP => Self::Minor,
            gc_type::INCREMENTAL_MARKING => Self::Incremental,
            gc_type::PROCESS_WEAK_CALLBACKS => Self::WeakCallbacks,
            _ => Self::Major,
        }
    }

    /// The name that Node's `perf_hooks`, prom-client and OpenTelemetry share.
    pub fn name(self) -> &'static str {
        match self {
            Self::Minor => "minor",
            Self::Major => "major",
            Self::Incremental => "incremental",
            Self::WeakCallbacks => "weakcb",
        }
    }

    /// All of them, in the order of their numbers.
    pub const ALL: [Self; Self::COUNT] = [Self::Minor, Self::Major, Self::Incremental, Self::WeakCallbacks];
}

const _: () = assert!(gc_type::ALL == 31 && gc_type::MARK_SWEEP_COMPACT == 4);

/// The most spaces that are looked at; Node 26 has thirteen.
const SPACES: usize = 16;
/// So many collections may pass between two visits of the event loop before the oldest are forgotten.
const RING: usize = 64;

/// Bytes of one of V8's spaces.
#[derive(Clone, Copy, Debug, Default)]
pub struct SpaceFigures {
    pub size: u64,
    pub used: u64,
}

/// Bytes of the whole heap and of its spaces.
#[derive(Clone, Copy, Debug, Default)]
pub struct HeapFigures {
    pub total: u64,
    pub used: u64,
    pub limit: u64,
    pub external: u64,
    /// In the order of [`GcObserver::space_names`].
    pub spaces: [SpaceFigures; SPACES],
}

#[derive(Clone, Copy, Debug, Default)]
pub struct GcRecord {
    pub kind: GcKind,
    /// Nanoseconds from the observer's beginning.
    pub start: u64,
    /// Nanoseconds.
    pub duration: u64,
    pub forced: bool,
    pub before: HeapFigures,
    pub after: HeapFigures,
}

/// Upper bounds of the durations that are counted apart, in nanoseconds; what is longer comes last.
pub const DURATION_BOUNDS: [u64; 12] = [
    100_000,
    250_000,
    500_000,
    1_000_000,
    2_500_000,
    5_000_000,
    10_000_000,
    25_000_000,
    100_000_000,
    250_000_000,
    1_000_000_000,
    5_000_000_000,
];

/// Collections of one kind so far.
#[derive(Clone, Copy, Debug, Default)]
pub struct GcFigures {
    pub count: u64,
    /// Nanoseconds.
    pub total: u64,
    /// Nanoseconds of the longest collection.
    pub longest: u64,
    /// By [`DURATION_BOUNDS`].
    pub buckets: [u64; DURATION_BOUNDS.len() + 1],
}

struct ObserverState {
    api: &'static V8Gc,
    begun: Instant,
    spaces: usize,
    /// Also of collections that aren't full there are records.
    detailed: bool,
    started: [Option<Instant>; GcKind::COUNT],
    before: HeapFigures,
    figures: [GcFigures; GcKind::COUNT],
    ring: [GcRecord; RING],
    /// Records ever written, and ever taken.
    written: usize,
    taken: usize,
    /// Told when there is a new record; neither allocates nor blocks.
    wake: Box<dyn Fn()>,
}

/// Watches the collections of the isolate that is entered on this thread, until it is dropped, which must happen
/// on that thread while the isolate is alive.
pub struct GcObserver {
    isolate: CurrentIsolate,
    /// Reached by V8's callbacks through a pointer, hence never moved or borrowed for longer than a moment.
    state: Box<UnsafeCell<ObserverState>>,
    names: Vec<&'static str>,
    not_send: PhantomData<*mut ()>,
}

/// # Safety
/// The isolate is entered on this thread, and `spaces` is at most what it has.
unsafe fn read(api: &V8Gc, isolate: Ptr, spaces: usize) -> HeapFigures {
    let mut heap = HeapStatistics::default();
    // SAFETY: the caller vouches for the isolate; the statistics have V8's layout (see abi.rs) and room.
    unsafe { (api.statistics)(isolate, &raw mut heap) };
    let mut figures = HeapFigures {
        total: heap.total as u64,
        used: heap.used as u64,
        limit: heap.limit as u64,
        external: heap.external as u64,
        ..HeapFigures::default()
    };
    for (index, place) in figures.spaces.iter_mut().enumerate().take(spaces) {
        let mut space = HeapSpaceStatistics::empty();
        // SAFETY: the isolate is entered (the caller's duty), `index` is below `spaces`, and `space` has V8's layout.
        if unsafe { (api.v8.space_statistics)(isolate, &raw mut space, index) } {
            *place = SpaceFigures { size: space.size as u64, used: space.used as u64 };
        }
    }
    figures
}

/// A panic must not unwind through V8's frames: this collection is not recorded then.
unsafe extern "C" fn prologue(isolate: Ptr, bits: c_int, _flags: c_int, data: Ptr) {
    // SAFETY: V8 calls this before a collection, with the isolate and the state that `GcObserver::new` registered.
    let _ = catch_unwind(AssertUnwindSafe(|| unsafe { begins(isolate, bits, data) }));
}

unsafe extern "C" fn epilogue(isolate: Ptr, bits: c_int, flags: c_int, data: Ptr) {
    // SAFETY: V8 calls this after a collection, with the isolate and the state that `GcObserver::new` registered.
    let _ = catch_unwind(AssertUnwindSafe(|| unsafe { ends(isolate, bits, flags, data) }));
}

/// # Safety
/// In V8's callback before a collection of `isolate`, with the observer's state as `data`.
unsafe fn begins(isolate: Ptr, bits: c_int, data: Ptr) {
    // SAFETY: `data` is the state of an observer, which takes its callbacks away before it goes. All use of the
    // state is on this thread, and none of it is interrupted by a collection (see `GcObserver::state`).
    let state = unsafe { &mut *data.cast::<ObserverState>() };
    let kind = GcKind::of(bits);
    if state.detailed {
        // SAFETY: V8 calls back on the isolate's thread.
        state.before = unsafe { read(state.api, isolate, state.spaces) };
    }
    state.started[kind as usize] = Some(Instant::now());
}

/// # Safety
/// In V8's callback after a collection of `isolate`, with the observer's state as `data`.
unsafe fn ends(isolate: Ptr, bits: c_int, flags: c_int, data: Ptr) {
    // SAFETY: `data` is the state of an observer that still has its callbacks; only this thread uses it.
    let state = unsafe { &mut *data.cast::<ObserverState>() };
    let kind = GcKind::of(bits);
    // Without a beginning: we came in the middle of it.
    let Some(started) = state.started[kind as usize].take() else { return };
    let duration = started.elapsed().as_nanos() as u64;
    let figures = &mut state.figures[kind as usize];
    figures.count += 1;
    figures.total += duration;
    figures.longest = figures.longest.max(duration);
    figures.buckets[DURATION_BOUNDS.partition_point(|&bound| bound < duration)] += 1;
    if kind != GcKind::Major && !state.detailed {
        return;
    }
    // SAFETY: V8 calls back on the isolate's thread.
    let after = unsafe { read(state.api, isolate, state.spaces) };
    state.ring[state.written % RING] = GcRecord {
        kind,
        start: started.saturating_duration_since(state.begun).as_nanos() as u64,
        duration,
        forced: flags & GC_FORCED != 0,
        before: state.before,
        after,
    };
    let first = state.written == state.taken;
    state.written += 1;
    if first {
        (state.wake)();
    }
}

impl GcObserver {
    /// Begins; `wake` is called from inside a collection and must neither allocate nor block nor panic.
    pub fn new(wake: impl Fn() + 'static) -> Result<Self, String> {
        let api = V8Gc::get()?;
        let isolate = CurrentIsolate::get().ok_or("no V8 isolate is entered on this thread")?;
        let names = isolate.space_names();
        let spaces = names.len().min(SPACES);
        let state = Box::new(UnsafeCell::new(ObserverState {
            api,
            begun: Instant::now(),
            spaces,
            detailed: false,
            started: [None; GcKind::COUNT],
            before: HeapFigures::default(),
            figures: [GcFigures::default(); GcKind::COUNT],
            ring: [GcRecord::default(); RING],
            written: 0,
            taken: 0,
            wake: Box::new(wake),
        }));
        let data: Ptr = state.get().cast();
        // SAFETY: the isolate is entered on this thread; the state outlives the callbacks (see `drop`).
        unsafe {
            (api.add_prologue)(isolate.as_ptr(), prologue, data, gc_type::ALL);
            (api.add_epilogue)(isolate.as_ptr(), epilogue, data, gc_type::ALL);
        }
        Ok(Self { isolate, state, names, not_send: PhantomData })
    }

    fn with<T>(&self, body: impl FnOnce(&mut ObserverState) -> T) -> T {
        // SAFETY: the observer doesn't leave its thread, and no `body` below calls into V8's heap, so that no
        // callback runs meanwhile.
        body(unsafe { &mut *self.state.get() })
    }

    /// The spaces that [`HeapFigures::spaces`] has.
    pub fn space_names(&self) -> &[&'static str] {
        &self.names[..self.names.len().min(SPACES)]
    }

    /// Whether to record all collections, with what was before.
    pub fn set_detailed(&self, detailed: bool) {
        self.with(|state| state.detailed = detailed);
    }

    /// The collections since the last call, oldest first, and how many more there were than had room.
    pub fn take(&self) -> (Vec<GcRecord>, usize) {
        self.with(|state| {
            let lost = (state.written - state.taken).saturating_sub(RING);
            let records =
                (state.taken + lost..state.written).map(|number| state.ring[number % RING]).collect();
            state.taken = state.written;
            (records, lost)
        })
    }

    /// The collections so far, by kind.
    pub fn figures(&self) -> [GcFigures; GcKind::COUNT] {
        self.with(|state| state.figures)
    }

    /// The heap as it is now, garbage included.
    pub fn read(&self) -> HeapFigures {
        let (api, spaces) = self.with(|state| (state.api, state.spaces));
        // SAFETY: the observer is on the isolate's thread.
        unsafe { read(api, self.isolate.as_ptr(), spaces) }
    }

    /// Asks V8 for a full collection beside the program: it begins to mark, and ends when it has marked all. What
    /// it does by itself when memory is said to be scarce.
    pub fn request_full_gc(&self) {
        let api = self.with(|state| state.api);
        // SAFETY: the observer can't leave the isolate's thread (`not_send`), where the isolate is entered.
        unsafe { (api.pressure)(self.isolate.as_ptr(), PRESSURE_MODERATE) };
    }
}

impl Drop for GcObserver {
    fn drop(&mut self) {
        let api = self.with(|state| state.api);
        let data: Ptr = self.state.get().cast();
        // SAFETY: the isolate is alive and entered on this thread; afterwards nobody has the pointer any more.
        unsafe {
            (api.remove_prologue)(self.isolate.as_ptr(), prologue, data);
            (api.remove_epilogue)(self.isolate.as_ptr(), epilogue, data);
        }
    }
}

impl CurrentIsolate {
    /// A full collection, on this thread.
    pub fn collect_garbage(self) -> Result<(), &'static str> {
        let api = V8Gc::get()?;
        // SAFETY: the isolate is entered on this thread, which is in a call from JavaScript.
        unsafe { (api.low_memory)(self.as_ptr()) };
        Ok(())
    }

    /// The names of V8's spaces, which are literals.
    fn space_names(self) -> Vec<&'static str> {
        let Ok(api) = V8Gc::get() else { return Vec::new() };
        // SAFETY: the isolate is entered on this thread, and `space` has V8's layout (see abi.rs) and room.
        let count = unsafe { (api.v8.space_count)(self.as_ptr()) };
        let name = |index| {
            let mut space = HeapSpaceStatistics::empty();
            // SAFETY: the isolate is entered on this thread, `space` has V8's layout and room, `index` is below the count.
            // The name is one of V8's literals, hence static.
            unsafe {
                if !(api.v8.space_statistics)(self.as_ptr(), &raw mut space, index) || space.name.is_null() {
                    return "";
                }
                CStr::from_ptr::<'static>(space.name).to_str().unwrap_or("")
            }
        };
        (0..count).map(name).collect()
    }
}
