//! V8's sampled allocations (`v8::HeapProfiler`, v8-profiler.h): which functions allocated what lives.
//!
//! While it samples, V8 notes the stack of one allocation in every so many bytes, and forgets it when the object
//! dies. Reading takes next to nothing of V8's heap: names that are there already, and the line ends of scripts
//! that were asked for the first time. Time of reading: per script and per function on a sampled stack.

use core::ffi::c_int;
use core::ptr::NonNull;

use serde::Serialize;

use super::abi::{AllocationNode, AllocationProfileMethods, NO_SAMPLING_FLAGS, SampledAllocation, Vector};
use super::environment::Environment;
use super::profiler::CurrentIsolate;
use super::symbols::{Method, Ptr, function};

type Start = unsafe extern "C" fn(Ptr, u64, c_int, c_int) -> bool;

/// Frames that V8 notes of a stack.
const STACK_DEPTH: c_int = 16;
/// V8's own frames on top of those (`(root)`, `(V8 API)` …), generously.
const DEEPEST: usize = STACK_DEPTH as usize + 16;
/// More functions than this on sampled stacks are not read.
const MOST_NODES: usize = 100_000;
/// So many places are told.
const PLACES: usize = 40;
/// In bytes; longer names are cut.
const LONGEST_NAME: usize = 1024;

/// What lives of what was sampled, scaled by V8 to what that stands for. Bytes.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Allocations {
    bytes: u64,
    count: u64,
    /// The stacks at which most was allocated, the most first.
    places: Vec<SampledStack>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
struct SampledStack {
    bytes: u64,
    count: u64,
    /// The innermost first.
    stack: Vec<SampledFunction>,
}

/// As V8 names it. `line` and `column` say where the function begins, from 1; 0 if V8 doesn't know.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct SampledFunction {
    function: String,
    script: String,
    line: u32,
    column: u32,
}

impl Allocations {
    /// Where most of it was allocated: the innermost function, its place, and the bytes of all stacks that end
    /// there; `most` of them.
    pub fn tops(&self, most: usize) -> Vec<(String, u64)> {
        let mut tops: Vec<(&SampledFunction, u64)> = Vec::new();
        for place in &self.places {
            let Some(function) = place.stack.first() else { continue };
            match tops.iter_mut().find(|(known, _)| *known == function) {
                Some((_, bytes)) => *bytes += place.bytes,
                None => tops.push((function, place.bytes)),
            }
        }
        tops.sort_by_key(|&(_, bytes)| core::cmp::Reverse(bytes));
        let name = |SampledFunction { function, script, line, .. }: &SampledFunction| {
            let name = if function.is_empty() { "(anonymous)" } else { function };
            if script.is_empty() { name.to_owned() } else { format!("{name} ({script}:{line})") }
        };
        tops.into_iter().take(most).map(|(function, bytes)| (name(function), bytes)).collect()
    }

    /// Other names for functions and scripts.
    pub fn rename(
        &mut self,
        mut function: impl FnMut(&str) -> String,
        mut script: impl FnMut(&str) -> String,
    ) {
        for called in self.places.iter_mut().flat_map(|place| &mut place.stack) {
            called.function = function(&called.function);
            called.script = script(&called.script);
        }
    }

    /// All that was sampled.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }
}

impl CurrentIsolate {
    /// Has V8 sample an allocation in every `interval` bytes. False if somebody else has it sample already:
    /// there is one sampler per isolate, which is theirs to stop.
    ///
    /// # Errors
    /// V8 isn't in reach.
    pub fn start_sampling(self, interval: u64) -> Result<bool, String> {
        let start =
            function!(c"_ZN2v812HeapProfiler25StartSamplingHeapProfilerEmiNS0_13SamplingFlagsE" as Start);
        // All that will be needed is there.
        let _ = function!(c"_ZN2v812HeapProfiler24StopSamplingHeapProfilerEv" as Method);
        let _ = function!(c"_ZN2v812HeapProfiler20GetAllocationProfileEv" as Method);
        // SAFETY: the profiler belongs to the entered isolate.
        Ok(unsafe { start(self.heap_profiler(), interval, STACK_DEPTH, NO_SAMPLING_FLAGS) })
    }

    /// Ends that. Only after `start_sampling` has said true.
    pub fn stop_sampling(self) {
        let stop =
            || Ok::<_, String>(function!(c"_ZN2v812HeapProfiler24StopSamplingHeapProfilerEv" as Method));
        if let Ok(stop) = stop() {
            // SAFETY: the profiler belongs to the entered isolate; without a sampler V8 does nothing.
            unsafe { stop(self.heap_profiler()) };
        }
    }

    /// What is alive of what was sampled, by any caller; `None` if nobody did, or if the answer isn't what
    /// V8's header says. `environment` is this thread's and alive, and a handle scope is open.
    pub fn allocations(self, environment: Environment) -> Option<Allocations> {
        let get = || Ok::<_, String>(function!(c"_ZN2v812HeapProfiler20GetAllocationProfileEv" as Method));
        // SAFETY: the profiler belongs to the entered isolate. V8 gives null if nothing is sampled.
        let profile = Profile(NonNull::new(unsafe { get().ok()?(self.heap_profiler()) })?);
        let mut reader = Reader { environment, nodes: 0, stack: Vec::new(), found: Allocations::default() };
        reader.read(profile.root()?, 0)?;
        let mut found = reader.found;
        found.places.sort_by_key(|place| core::cmp::Reverse(place.bytes));
        found.places.truncate(PLACES);
        Some(found)
    }
}

/// `v8::AllocationProfile`, ours to delete.
struct Profile(NonNull<core::ffi::c_void>);

impl Profile {
    fn methods(&self) -> &AllocationProfileMethods {
        // SAFETY: an object with virtual functions begins with the address of their table (Itanium C++ ABI),
        // which is there as long as the program; the profile is alive until self is dropped.
        unsafe { &**self.0.as_ptr().cast::<*const AllocationProfileMethods>() }
    }

    fn root(&self) -> Option<*const AllocationNode> {
        // SAFETY: the method is the profile's own; its nodes live as long as the profile.
        let root = unsafe { (self.methods().get_root_node)(self.0.as_ptr()) };
        (!root.is_null()).then_some(root)
    }
}

impl Drop for Profile {
    fn drop(&mut self) {
        // SAFETY: the caller owns the profile (v8-profiler.h), and nothing refers to it any more.
        unsafe { (self.methods().delete)(self.0.as_ptr()) };
    }
}

/// Walks the tree of stacks, the outermost function first.
struct Reader {
    environment: Environment,
    nodes: usize,
    stack: Vec<*const AllocationNode>,
    found: Allocations,
}

impl Reader {
    /// `None` as soon as something isn't as it should be.
    fn read(&mut self, node: *const AllocationNode, depth: usize) -> Option<()> {
        self.nodes += 1;
        if depth > DEEPEST || self.nodes > MOST_NODES || !node.is_aligned() || node.is_null() {
            return None;
        }
        // SAFETY: the profile's nodes are alive, this one is neither null nor off its alignment, and the layout
        // is V8's (see abi.rs).
        let (children, allocations) = unsafe { (&(*node).children, &(*node).allocations) };
        let (mut bytes, mut count) = (0u64, 0u64);
        for SampledAllocation { size, count: times } in self.slice(allocations)? {
            bytes = bytes.saturating_add((*size as u64).saturating_mul(u64::from(*times)));
            count += u64::from(*times);
        }
        // The root, which is no function, isn't on the stack.
        if depth > 0 {
            self.stack.push(node);
        }
        if count > 0 {
            let stack = self.stack.clone();
            let stack = stack.iter().rev().map(|&node| self.function(node)).collect::<Option<_>>()?;
            self.found.bytes = self.found.bytes.saturating_add(bytes);
            self.found.count += count;
            self.found.places.push(SampledStack { bytes, count, stack });
        }
        for &child in self.slice(children)? {
            self.read(child, depth + 1)?;
        }
        self.stack.pop();
        Some(())
    }

    /// The elements of a vector of V8's, if it can be one.
    fn slice<'a, T>(&self, vector: &'a Vector<T>) -> Option<&'a [T]> {
        let (begin, end) = (vector.begin as usize, vector.end as usize);
        if begin == end {
            return Some(&[]);
        }
        let length = end.checked_sub(begin)?;
        let sound = begin != 0
            && begin.is_multiple_of(align_of::<T>())
            && length.is_multiple_of(size_of::<T>())
            && vector.capacity as usize >= end
            && length / size_of::<T>() <= MOST_NODES;
        // SAFETY: between begin and end are the vector's elements, which live as long as the profile.
        sound.then(|| unsafe { core::slice::from_raw_parts(vector.begin, length / size_of::<T>()) })
    }

    fn function(&self, node: *const AllocationNode) -> Option<SampledFunction> {
        // SAFETY: `read` has looked at the node.
        let node = unsafe { &*node };
        let position = |number: c_int| u32::try_from(number).unwrap_or(0);
        Some(SampledFunction {
            function: self.text(node.name)?,
            script: self.text(node.script_name)?,
            line: position(node.line_number),
            column: position(node.column_number),
        })
    }

    /// The text of a `Local<String>`, cut if it is very long.
    fn text(&self, string: Ptr) -> Option<String> {
        if string.is_null() {
            return Some(String::new());
        }
        let mut buffer = [0u8; LONGEST_NAME];
        // SAFETY: a `napi_value` is a `Local<Value>`, and this one is alive as long as the profile.
        let length = unsafe { self.environment.string(string, &mut buffer)? };
        Some(String::from_utf8_lossy(&buffer[..length]).into_owned())
    }
}
