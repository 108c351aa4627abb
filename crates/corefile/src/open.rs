//! Opening a core: finds the program, the layout and the isolate, and verifies the heap.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use stillheap_graph::Result;
use stillheap_heap::{Constants, Heap, Isolate, IsolateChoice, Layout, Live, Refusal, unwatched};
use stillheap_process::Core;

use crate::error::{of_process, refused};
use crate::memory::CoreMemory;

/// How to read a core.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CoreOptions {
    /// The Node binary of the process, if it isn't where it was. Its build id must fit.
    pub node: Option<PathBuf>,
    /// Which isolate, as `stillheap info` numbers them; the main thread's if none is given.
    pub isolate: Option<usize>,
}

/// A heap that has been verified, and where it came from.
pub(crate) struct CheckedHeap<'m> {
    pub(crate) memory: &'m CoreMemory,
    pub(crate) heap: Heap<'m>,
    pub(crate) live: Live,
    pub(crate) isolates: Vec<Isolate>,
    /// The position of the isolate that was read.
    pub(crate) isolate: usize,
}

/// Whether a file is a core, packed or not. What can't be read is none: reading it will say why.
pub fn is_core(path: &Path) -> bool {
    let Ok(file) = File::open(path) else { return false };
    // Of a pipe not a byte may be lost.
    if !file.metadata().is_ok_and(|m| m.is_file()) {
        return false;
    }
    let mut beginning = Vec::new();
    file.take(1 << 17).read_to_end(&mut beginning).is_ok() && Core::looks_like_one(&beginning)
}

/// Opens a core and hands its heap to `then`.
pub(crate) fn with_heap<T>(
    path: &Path,
    options: &CoreOptions,
    then: impl FnOnce(CheckedHeap<'_>) -> Result<T>,
) -> Result<T> {
    let core = Core::open(path, options.node.as_deref()).map_err(of_process)?;
    let memory = CoreMemory::new(core);
    let (layouts, certain) = layouts(&memory.core).map_err(|refusal| refused(path, &refusal))?;
    let found = find(&memory, &layouts, certain, options).map_err(|refusal| refused(path, &refusal))?;
    then(found)
}

/// The layouts that the memory may have, and whether it must be the only one.
fn layouts(core: &Core) -> std::result::Result<(Vec<Layout>, bool), Refusal> {
    if let Some(program) = core.program() {
        return Ok((vec![Layout::of_constants(&Constants::new(program.v8_constants()))?], true));
    }
    match core.build_id().and_then(Layout::of_build) {
        Some((layout, _)) => Ok((vec![layout], true)),
        None => Ok((Layout::all(), false)),
    }
}

fn find<'m>(
    memory: &'m CoreMemory,
    layouts: &'m [Layout],
    certain: bool,
    options: &CoreOptions,
) -> std::result::Result<CheckedHeap<'m>, Refusal> {
    let core = &memory.core;
    if let (true, [layout]) = (certain, layouts) {
        return verified(memory, layout, options);
    }
    // No program and no build that is known: at most one layout stands the probes.
    let mut found: Vec<CheckedHeap<'m>> =
        layouts.iter().filter_map(|layout| verified(memory, layout, options).ok()).collect();
    match (found.pop(), found.is_empty()) {
        (Some(found), true) => Ok(found),
        _ => Err(Refusal::new(
            format!(
                "the program of this core was not found ({})",
                core.why_no_program().unwrap_or("no reason is known")
            ),
            "Give the Node binary that the process ran with --node PATH.",
        )),
    }
}

fn verified<'m>(
    memory: &'m CoreMemory,
    layout: &'m Layout,
    options: &CoreOptions,
) -> std::result::Result<CheckedHeap<'m>, Refusal> {
    let choice = options.isolate.map_or(IsolateChoice::Main, IsolateChoice::Number);
    // What a core lacks may make either step take it for something else.
    let explained = |refusal: Refusal| match memory.core.missing_bytes() {
        0 => refusal,
        missing => refusal.because(format!("the core is truncated: {missing} bytes of memory are not in it")),
    };
    let opened = Heap::open(memory, layout, choice).map_err(explained)?;
    let mut heap = opened.heap;
    let live = heap.verify(&mut unwatched).map_err(explained)?;
    Ok(CheckedHeap { memory, heap, live, isolates: opened.isolates, isolate: opened.isolate })
}
