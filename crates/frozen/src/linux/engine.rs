//! The seam between freezing a heap and reading it.

use std::mem::ManuallyDrop;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Instant;

use stillheap_limits::{HeapSize, Need};
use stillheap_protocol::Failure;
use stillheap_sink::Direct;

use super::memory::FrozenMemory;
use super::page::Figures;
use crate::fault::{FaultPoint, hit};

/// Writes a snapshot of a frozen heap. Made on the thread whose heap it is; [`Engine::write`] runs in the forked
/// child, on the continuation of that thread, and the rest before the fork.
pub trait Engine {
    /// An address in the loaded object of whose code [`Engine::write`] makes use: where its calls into the C library
    /// can't be replaced, nothing is forked. `None` if it reads the memory by itself ([`Output::memory`]) and runs no
    /// code but this addon's: then the child gets memory of its own, and nothing else is replaced.
    fn runtime(&self) -> Option<usize>;

    /// What the heap holds now. Part of the pause.
    fn heap(&self) -> HeapSize;

    /// The memory that [`Engine::write`] takes for such a heap. `before` is a heap of this process that was
    /// written earlier, and the bytes that it took; `on_disk` says that what it allocates is on disk.
    fn need(&self, heap: HeapSize, before: Option<(HeapSize, u64)>, on_disk: bool) -> Need;

    /// Writes the snapshot. Runs without any other thread: what would wait for one ends the child.
    ///
    /// # Errors
    /// What `out` says, or why the heap can't be read.
    fn write(&mut self, out: &mut Output<'_>) -> Result<(), Failure>;
}

/// Where an engine writes to, and tells how far it is.
pub struct Output<'a> {
    /// Never dropped: compressors write when they are.
    direct: ManuallyDrop<Direct>,
    progress: EngineProgress<'a>,
    memory: Option<&'a FrozenMemory>,
    begun: Instant,
}

/// How far an engine is, as the parent sees it. Every call is a sign of life.
#[derive(Clone, Copy)]
pub struct EngineProgress<'a>(&'a Figures);

fn set(figure: &AtomicU64, value: u64) {
    figure.store(value, Ordering::Relaxed);
}

impl EngineProgress<'_> {
    /// The snapshot is being made: `done` of `total` steps.
    pub fn generating(self, done: u64, total: u64) {
        set(&self.0.done, done);
        set(&self.0.total, total);
        self.beat();
    }

    fn phase(self, phase: u32) {
        self.0.phase.store(phase, Ordering::Relaxed);
        self.beat();
    }

    fn beat(self) {
        self.0.beat.fetch_add(1, Ordering::Relaxed);
    }

    fn in_io<T>(self, body: impl FnOnce() -> T) -> T {
        let io: &AtomicU32 = &self.0.in_io;
        io.store(1, Ordering::Relaxed);
        let result = body();
        io.store(0, Ordering::Relaxed);
        result
    }
}

impl<'a> Output<'a> {
    pub(super) fn new(direct: Direct, figures: &'a Figures, memory: Option<&'a FrozenMemory>) -> Self {
        let progress = EngineProgress(figures);
        progress.phase(1);
        Self { direct: ManuallyDrop::new(direct), progress, memory, begun: Instant::now() }
    }

    /// The memory of the process at the fork; for an engine without a runtime ([`Engine::runtime`]).
    pub fn memory(&self) -> Option<&'a FrozenMemory> {
        self.memory
    }

    /// What tells the parent how far the engine is.
    pub fn progress(&self) -> EngineProgress<'a> {
        self.progress
    }

    /// The snapshot is made and has so many nodes (0 if that isn't known yet); what follows is writing it out.
    pub fn generated(&mut self, nodes: u64) {
        let figures = self.progress.0;
        set(&figures.generate_us, self.begun.elapsed().as_micros() as u64);
        set(&figures.nodes, nodes);
        set(&figures.done, 0);
        set(&figures.total, 0);
        self.begun = Instant::now();
        self.progress.phase(2);
    }

    /// The file has so many nodes, if that is known only now.
    pub fn wrote(&mut self, nodes: u64) {
        set(&self.progress.0.nodes, nodes);
    }

    /// Writes a piece of the file.
    ///
    /// # Errors
    /// What the system says, and what redaction does. The engine has to give up then.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        let written = match hit(FaultPoint::Write) {
            Ok(()) => self.progress.in_io(|| self.direct.write(bytes)),
            Err(error) => Err(Failure::system(&error, "write", self.direct.path())),
        };
        set(&self.progress.0.done, self.direct.raw_bytes());
        self.progress.beat();
        written
    }

    fn ended(self) -> (Direct, EngineProgress<'a>) {
        let Self { direct, progress, begun, memory: _ } = self;
        set(&progress.0.serialize_us, begun.elapsed().as_micros() as u64);
        progress.phase(3);
        (ManuallyDrop::into_inner(direct), progress)
    }

    /// The engine has ended: writes the rest and syncs. The file's bytes, and those before compression.
    pub(super) fn complete(self) -> Result<(u64, u64), Failure> {
        let (direct, progress) = self.ended();
        progress.in_io(|| direct.complete_file())
    }

    /// The same, and gives the file its name, before which `complete` is told the two numbers.
    pub(super) fn publish(
        self,
        complete: impl FnOnce(u64, u64) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let (direct, progress) = self.ended();
        progress.in_io(|| direct.finish_telling(complete)).map(|_| ())
    }
}
