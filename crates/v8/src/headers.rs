//! What this crate believes of V8's layouts, compared with V8's own headers by a C++ compiler.
//!
//! From `offset_of!` and the constants a C++ program is made: sizes, offsets and values are `static_assert`s, the
//! places of virtual functions are looked at when it runs. `npm test -- abi` fetches each major's headers and runs
//! this test with them.

use core::mem::{offset_of, size_of};
use std::path::Path;
use std::process::Command;

use crate::abi::{self, gc_type};
use crate::streams::{ABORT, ActivityControlTable, CONTINUE, OutputStreamTable};

/// A field: C++ class, C++ name, where we have it.
macro_rules! field {
    ($class:literal, $name:literal, $ours:ty, $field:ident) => {
        ($class, $name, offset_of!($ours, $field))
    };
}

#[rustfmt::skip]
fn fields() -> Vec<(&'static str, &'static str, usize)> {
    type SpaceStatistics = abi::HeapSpaceStatistics;
    type Heap = abi::HeapStatistics;
    type Code = abi::HeapCodeStatistics;
    type Allocation = abi::SampledAllocation;
    type Node = abi::AllocationNode;
    vec![
        field!("HeapSpaceStatistics", "space_name_", SpaceStatistics, name),
        field!("HeapSpaceStatistics", "space_size_", SpaceStatistics, size),
        field!("HeapSpaceStatistics", "space_used_size_", SpaceStatistics, used),
        field!("HeapSpaceStatistics", "space_available_size_", SpaceStatistics, available),
        field!("HeapSpaceStatistics", "physical_space_size_", SpaceStatistics, physical),
        field!("HeapStatistics", "total_heap_size_", Heap, total),
        field!("HeapStatistics", "total_heap_size_executable_", Heap, executable),
        field!("HeapStatistics", "total_physical_size_", Heap, physical),
        field!("HeapStatistics", "total_available_size_", Heap, available),
        field!("HeapStatistics", "used_heap_size_", Heap, used),
        field!("HeapStatistics", "heap_size_limit_", Heap, limit),
        field!("HeapStatistics", "malloced_memory_", Heap, malloced),
        field!("HeapStatistics", "external_memory_", Heap, external),
        field!("HeapStatistics", "peak_malloced_memory_", Heap, peak_malloced),
        field!("HeapStatistics", "does_zap_garbage_", Heap, zaps_garbage),
        field!("HeapStatistics", "number_of_native_contexts_", Heap, native_contexts),
        field!("HeapStatistics", "number_of_detached_contexts_", Heap, detached_contexts),
        field!("HeapStatistics", "total_global_handles_size_", Heap, global_handles),
        field!("HeapStatistics", "used_global_handles_size_", Heap, used_global_handles),
        field!("HeapCodeStatistics", "code_and_metadata_size_", Code, code),
        field!("HeapCodeStatistics", "bytecode_and_metadata_size_", Code, bytecode),
        field!("HeapCodeStatistics", "external_script_source_size_", Code, external_script_source),
        field!("AllocationProfile::Allocation", "size", Allocation, size),
        field!("AllocationProfile::Allocation", "count", Allocation, count),
        field!("AllocationProfile::Node", "name", Node, name),
        field!("AllocationProfile::Node", "script_name", Node, script_name),
        field!("AllocationProfile::Node", "script_id", Node, script_id),
        field!("AllocationProfile::Node", "start_position", Node, start_position),
        field!("AllocationProfile::Node", "line_number", Node, line_number),
        field!("AllocationProfile::Node", "column_number", Node, column_number),
        field!("AllocationProfile::Node", "node_id", Node, node_id),
        field!("AllocationProfile::Node", "children", Node, children),
        field!("AllocationProfile::Node", "allocations", Node, allocations),
    ]
}

/// Sizes: of what V8 fills, ours must be as large at least; of what V8 has in arrays, the same.
fn sizes() -> [(&'static str, &'static str, usize); 5] {
    [
        ("HeapSpaceStatistics", "<=", size_of::<abi::HeapSpaceStatistics>()),
        ("HeapStatistics", "<=", size_of::<abi::HeapStatistics>()),
        ("HeapCodeStatistics", "<=", size_of::<abi::HeapCodeStatistics>()),
        ("AllocationProfile::Allocation", "==", size_of::<abi::SampledAllocation>()),
        ("AllocationProfile::Node", "==", size_of::<abi::AllocationNode>()),
    ]
}

fn values() -> Vec<(&'static str, i32)> {
    vec![
        ("kGCTypeScavenge", gc_type::SCAVENGE),
        ("kGCTypeMarkSweepCompact", gc_type::MARK_SWEEP_COMPACT),
        ("kGCTypeIncrementalMarking", gc_type::INCREMENTAL_MARKING),
        ("kGCTypeProcessWeakCallbacks", gc_type::PROCESS_WEAK_CALLBACKS),
        ("kGCTypeAll", gc_type::ALL),
        ("kGCCallbackFlagForced", abi::GC_FORCED),
        ("MemoryPressureLevel::kModerate", abi::PRESSURE_MODERATE),
        ("HeapSnapshot::kJSON", abi::JSON),
        ("HeapProfiler::kSamplingNoFlags", abi::NO_SAMPLING_FLAGS),
        ("OutputStream::kContinue", CONTINUE),
        ("OutputStream::kAbort", ABORT),
        ("ActivityControl::kContinue", CONTINUE),
        ("ActivityControl::kAbort", ABORT),
    ]
}

/// Virtual functions: class, function, its place in the table of virtual functions. Tables that we build have two
/// entries before the first function.
fn functions() -> Vec<(&'static str, &'static str, usize)> {
    const WORD: usize = size_of::<usize>();
    let ours = |offset: usize| offset / WORD - 2;
    vec![
        ("OutputStream", "EndOfStream", ours(offset_of!(OutputStreamTable, end_of_stream))),
        ("OutputStream", "GetChunkSize", ours(offset_of!(OutputStreamTable, get_chunk_size))),
        ("OutputStream", "WriteAsciiChunk", ours(offset_of!(OutputStreamTable, write_ascii_chunk))),
        ("OutputStream", "WriteHeapStatsChunk", ours(offset_of!(OutputStreamTable, write_heap_stats_chunk))),
        (
            "ActivityControl",
            "ReportProgressValue",
            ours(offset_of!(ActivityControlTable, report_progress_value)),
        ),
        ("AllocationProfile", "GetRootNode", offset_of!(abi::AllocationProfileMethods, get_root_node) / WORD),
        ("AllocationProfile", "GetSamples", offset_of!(abi::AllocationProfileMethods, get_samples) / WORD),
    ]
}

/// The options of a snapshot; Node 18 has none. Between the first two lies a pointer that has another name since Node 26
/// and that we leave null.
fn options() -> Vec<(&'static str, usize)> {
    vec![
        ("control", offset_of!(abi::HeapSnapshotOptions, control)),
        ("snapshot_mode", offset_of!(abi::HeapSnapshotOptions, snapshot_mode)),
        ("numerics_mode", offset_of!(abi::HeapSnapshotOptions, numerics_mode)),
    ]
}

fn program(has_options: bool) -> String {
    let mut out = String::from(
        "#include <cstddef>\n#include <cstdio>\n#include <cstring>\n#include \"v8.h\"\n#include \"v8-profiler.h\"\n\
         #include \"v8-statistics.h\"\nusing namespace v8;\n",
    );
    let mut line = |text: String| {
        out += &text;
        out.push('\n');
    };
    for (class, name, at) in fields() {
        line(format!("static_assert(offsetof({class}, {name}) == {at}, \"{class}::{name}\");"));
    }
    for (class, relation, size) in sizes() {
        line(format!("static_assert(sizeof({class}) {relation} {size}, \"sizeof {class}\");"));
    }
    for (name, value) in values() {
        line(format!("static_assert(static_cast<int>({name}) == {value}, \"{name}\");"));
    }
    if has_options {
        let class = "HeapProfiler::HeapSnapshotOptions";
        for (name, at) in options() {
            line(format!("static_assert(offsetof({class}, {name}) == {at}, \"{name}\");"));
        }
        let size = size_of::<abi::HeapSnapshotOptions>();
        line(format!("static_assert(sizeof({class}) <= {size}, \"sizeof {class}\");"));
        for (name, value) in [
            ("HeapProfiler::HeapSnapshotMode::kExposeInternals", abi::EXPOSE_INTERNALS),
            ("HeapProfiler::NumericsMode::kExposeNumericValues", abi::EXPOSE_NUMERIC_VALUES),
        ] {
            line(format!("static_assert(static_cast<int>({name}) == {value}, \"{name}\");"));
        }
    }
    // Itanium C++ ABI: a pointer to a virtual function is its offset in the table, plus 1.
    line("template <class F> long place(F f) { long w = 0; std::memcpy(&w, &f, sizeof w); return (w - 1) / 8; }".to_owned());
    line("int main() { int bad = 0;".to_owned());
    for (class, name, place) in functions() {
        line(format!(
            "if (place(&{class}::{name}) != {place}) {{ std::printf(\"{class}::{name} is at %ld, not {place}\\n\", \
             place(&{class}::{name})); bad = 1; }}"
        ));
    }
    line("return bad; }".to_owned());
    out
}

/// Compiles and runs it; what the compiler or the program says against it.
fn check(include: &Path, program: &str, work: &Path) -> Result<(), String> {
    let (source, binary) = (work.join("headers.cc"), work.join("headers"));
    std::fs::write(&source, program).map_err(|error| error.to_string())?;
    let run = |command: &mut Command| {
        let output = command.output().map_err(|error| format!("{command:?}: {error}"))?;
        let said = [output.stdout, output.stderr].concat();
        if output.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&said).into_owned()) }
    };
    // -fno-access-control: some of the fields are private.
    run(Command::new("g++")
        .args(["-std=c++20", "-w", "-O0", "-fno-access-control", "-Winvalid-offsetof", "-I"])
        .arg(include)
        .args([source.as_os_str(), "-o".as_ref(), binary.as_os_str()]))?;
    run(&mut Command::new(binary))
}

/// `STILLHEAP_NODE_HEADERS` has folders `MAJOR/include/node`.
#[test]
#[ignore = "needs a C++ compiler and the headers of every Node: npm test -- abi"]
fn every_layout_is_as_in_the_headers_of_every_node() {
    let headers = std::env::var_os("STILLHEAP_NODE_HEADERS").expect("STILLHEAP_NODE_HEADERS is set");
    let work = tempfile::tempdir().expect("a directory");
    let include = |node: u32| Path::new(&headers).join(node.to_string()).join("include/node");
    // The check can fail: for a field that is a byte further, and for a function that is a place further.
    let right = program(true);
    for (what, other) in [
        ("used_heap_size_) == 32", "used_heap_size_) == 33"),
        ("WriteAsciiChunk) != 4", "WriteAsciiChunk) != 5"),
    ] {
        let wrong = right.replacen(what, other, 1);
        assert_ne!(wrong, right);
        assert!(check(&include(20), &wrong, work.path()).is_err(), "the check finds nothing: {other}");
    }
    for node in abi::nodes() {
        let include = include(node);
        assert!(include.join("v8.h").exists(), "there are no headers of Node {node} in {include:?}");
        let has_options = abi::has_options(node);
        if let Err(said) = check(&include, &program(has_options), work.path()) {
            panic!("Node {node}: {said}");
        }
    }
}
