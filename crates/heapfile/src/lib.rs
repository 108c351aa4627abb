//! A heap as a `.heapsnapshot` file, streamed: finds the isolate, proves that the layout is right, and writes.
//!
//! The one function for all who have a memory and want a file: core files, frozen copies, processes that were attached
//! to. It needs no thread, no global state and no environment. Memory: what `stillheap-heap` needs, and one buffer of
//! 64 KiB. Nothing is written before the heap is verified.
#![forbid(unsafe_code)]

use std::fmt;
use std::io::{self, Write};

use serde_json::{Map, Value};
use stillheap_graph::{HeaderSpec, Location, NewNode};
use stillheap_heap::{
    Heap, Isolate, IsolateChoice, Layout, Live, Memory, ProcessInfo, Progress, Refusal, Snapshot, Step,
    Watcher,
};
use stillheap_snapshot::NodeWriter;

/// Rows between two words to the watcher.
const TELL_EVERY: u64 = 1 << 16;

#[derive(Clone, Debug)]
pub struct Written {
    pub isolates: Vec<Isolate>,
    /// The position of the isolate that was read.
    pub isolate: usize,
    pub process: ProcessInfo,
    /// Bytes of the heap's pages, the read-only ones included.
    pub page_bytes: u64,
    pub live_objects: u64,
    pub live_bytes: u64,
    pub nodes: u64,
    pub edges: u64,
    pub strings: u64,
    pub locations: u64,
    /// Bytes that the reader held beside the memory, its tables of maps and names left out.
    pub extra_bytes: u64,
}

/// Why nothing, or not everything, was written.
#[derive(Debug)]
pub enum Error {
    /// The heap can't be read; nothing was written.
    Refused(Refusal),
    /// The output failed.
    Io(io::Error),
    /// The watcher stopped it.
    Stopped,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Refused(refusal) => refusal.fmt(f),
            Error::Io(error) => error.fmt(f),
            Error::Stopped => f.write_str("writing the snapshot was stopped"),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Error::Refused(refusal) => Some(refusal),
            Error::Io(error) => Some(error),
            Error::Stopped => None,
        }
    }
}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Error {
        Error::Io(error)
    }
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Error {
        if refusal.is_stopped() { Error::Stopped } else { Error::Refused(refusal) }
    }
}

/// Reads one isolate of a memory and writes it as a snapshot. `entries` are added to the file's header, given what the
/// heap says about its process.
///
/// # Errors
/// The heap isn't one of this layout, `out` failed, or the watcher said stop.
pub fn write<'m>(
    memory: &'m dyn Memory,
    layout: &'m Layout,
    choice: IsolateChoice,
    entries: impl FnOnce(&ProcessInfo, usize) -> Map<String, Value>,
    out: impl Write,
    watcher: Watcher<'_>,
) -> Result<Written, Error> {
    let mut opened = Heap::open(memory, layout, choice)?;
    let live = opened.heap.verify(watcher)?;
    let entries = entries(&live.process, opened.isolate);
    let (counts, _) = write_verified(&opened.heap, &live, entries, out, watcher)?;
    Ok(Written {
        page_bytes: opened.heap.page_bytes(),
        live_objects: live.objects(),
        live_bytes: live.bytes(),
        isolates: opened.isolates,
        isolate: opened.isolate,
        process: live.process,
        nodes: counts.nodes,
        edges: counts.edges,
        strings: counts.strings,
        locations: counts.locations,
        extra_bytes: counts.extra_bytes,
    })
}

/// A node of the heap as a row of the snapshot.
pub fn new_node(node: &stillheap_heap::Node) -> NewNode {
    NewNode {
        node_type: node.kind as u8,
        name: node.name,
        id: node.id,
        self_size: node.self_size,
        ..NewNode::default()
    }
}

/// A location in the heap as a row of the snapshot.
pub fn location(found: &stillheap_heap::Location) -> Location {
    Location { script_id: found.script, line: found.line.into(), column: found.column.into() }
}

/// How much of each section was written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub nodes: u64,
    pub edges: u64,
    pub locations: u64,
    pub strings: u64,
    pub extra_bytes: u64,
}

/// Counts rows, and asks the watcher now and then.
struct Ticker<'w> {
    watcher: Watcher<'w>,
    step: Step,
    done: u64,
    total: u64,
}

impl<'w> Ticker<'w> {
    fn new(watcher: Watcher<'w>, step: Step, total: u64) -> Ticker<'w> {
        Ticker { watcher, step, done: 0, total }
    }

    #[inline(always)]
    fn tick(&mut self) -> Result<(), Error> {
        if self.done.is_multiple_of(TELL_EVERY) {
            self.tell()?;
        }
        self.done += 1;
        Ok(())
    }

    fn tell(&mut self) -> Result<(), Error> {
        let progress = Progress { step: self.step, done: self.done, total: self.total };
        if (self.watcher)(progress) { Ok(()) } else { Err(Error::Stopped) }
    }
}

/// Writes a heap that has been verified; gives back what it was written to, flushed.
///
/// # Errors
/// `out` failed, the watcher said stop, or the heap has more objects than a snapshot can number.
pub fn write_verified<W: Write>(
    heap: &Heap<'_>,
    live: &Live,
    entries: Map<String, Value>,
    out: W,
    watcher: Watcher<'_>,
) -> Result<(Counts, W), Error> {
    let mut snapshot = Snapshot::new(heap, live, watcher)?;
    let mut counts = Counts {
        nodes: snapshot.node_count(),
        edges: snapshot.edge_count(),
        strings: snapshot.string_count(),
        extra_bytes: snapshot.extra_bytes(),
        ..Counts::default()
    };
    let (nodes, edges) = (counts.nodes, counts.edges);
    let mut writer = NodeWriter::new(out, HeaderSpec { nodes, edges, trace_ids: false, entries })?;
    let mut ticker = Ticker::new(watcher, Step::Nodes, nodes);
    snapshot.nodes(|node| {
        ticker.tick()?;
        Ok::<(), Error>(writer.write(&new_node(&node), node.edge_count)?)
    })?;
    let mut writer = writer.edges()?;
    let mut ticker = Ticker::new(watcher, Step::Edges, edges);
    snapshot.edges(|edge| {
        ticker.tick()?;
        Ok::<(), Error>(writer.write(edge.kind as u8, edge.name, edge.to)?)
    })?;
    let mut writer = writer.locations()?;
    // How many there are is not known before.
    let mut ticker = Ticker::new(watcher, Step::Locations, nodes);
    snapshot.locations(|l| {
        ticker.tick()?;
        Ok::<(), Error>(writer.write(l.node, location(&l))?)
    })?;
    counts.locations = ticker.done;
    let mut writer = writer.strings()?;
    let mut ticker = Ticker::new(watcher, Step::Strings, counts.strings);
    snapshot.strings(|text| {
        ticker.tick()?;
        Ok::<(), Error>(writer.write(text)?)
    })?;
    let mut out = writer.finish()?;
    out.flush()?;
    Ok((counts, out))
}
