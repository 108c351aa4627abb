//! The growth watch's side in the addon: V8's collections and statistics become samples, the detector's events
//! (crates/watch) become JSON. lib/watch.js has the public side.
//!
//! Order of destruction: the observer first, so that V8 calls nobody; then the wake-up, so that libuv has nobody
//! to call. Both happen in `stop`, or else in the environment's clean-up hook, before V8 disposes of the isolate.

mod figures;

use std::cell::RefCell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use napi::{Env, Result};
use napi_derive::napi;
use serde::{Deserialize, Serialize};
use stillheap_limits::Cgroups;
use stillheap_v8::{GcKind, GcObserver, GcRecord, HeapFigures};
use stillheap_watch::{CgroupUsage, Detector, Event, Options, Sample};

use crate::exports::Isolate;
use crate::fault::caught;
use crate::json::parse;
use crate::sys::Wakeup;
use figures::{GcEvent, Kinds};

/// After collections, the control group's files are read no more often than this.
const GROUP_INTERVAL: Duration = Duration::from_secs(5);

/// What only JavaScript knows.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct ProcessUsage {
    /// The old generation's limit; `heap_size_limit` is larger.
    limit: Option<u64>,
    rss: Option<u64>,
    array_buffers: Option<u64>,
}

/// What `drain` and its like give back.
#[derive(Serialize)]
struct Batch {
    events: Vec<Event>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    gc: Vec<GcEvent>,
    /// Collections that there was no room to record.
    lost: usize,
}

struct Running {
    // In this order they go.
    observer: GcObserver,
    _wakeup: Wakeup,
    /// Milliseconds of the watch at the observer's beginning.
    offset: f64,
}

/// What the observer had, and how to read it.
struct DrainedRecords {
    records: Vec<GcRecord>,
    lost: usize,
    offset: f64,
    names: Vec<&'static str>,
    /// Minor collections so far.
    minor: u64,
}

/// The detector of one watch, and what feeds it.
#[napi]
pub struct HeapWatch {
    detector: Detector,
    begun: Instant,
    running: Rc<RefCell<Option<Running>>>,
    minor: u64,
    detailed: bool,
    groups: Option<Cgroups>,
    group: Option<CgroupUsage>,
    group_read: Option<Instant>,
}

#[napi]
impl HeapWatch {
    /// Options are those of `crates/watch`, as JSON.
    #[napi(constructor, catch_unwind)]
    pub fn new(options: String) -> Result<Self> {
        let options: Options = parse(&options)?;
        Ok(Self {
            detector: Detector::new(options),
            begun: Instant::now(),
            running: Rc::default(),
            minor: 0,
            detailed: false,
            groups: None,
            group: None,
            group_read: None,
        })
    }

    /// Begins to watch V8 directly: null, or why that can't be. The isolate's `notify` is called with `watch` when
    /// there is something to drain.
    #[napi(catch_unwind)]
    pub fn start(&mut self, env: Env, isolate: &Isolate) -> Result<Option<String>> {
        if let Some(reason) = isolate.target.engine_reason() {
            return Ok(Some(reason));
        }
        let target = std::sync::Arc::clone(&isolate.target);
        let Some(wakeup) = Wakeup::new(env, move || target.notify("watch", String::new())) else {
            return Ok(Some("libuv's event loop can't be reached".to_owned()));
        };
        let observer = match GcObserver::new(wakeup.sender()) {
            Ok(observer) => observer,
            Err(reason) => return Ok(Some(reason)),
        };
        let running = Running { observer, _wakeup: wakeup, offset: self.now() };
        *self.running.borrow_mut() = Some(running);
        env.add_env_cleanup_hook(Rc::clone(&self.running), |running| {
            caught((), || {
                running.borrow_mut().take();
            });
        })?;
        Ok(None)
    }

    /// Ends watching; the figures stay.
    #[napi(catch_unwind)]
    pub fn stop(&self) {
        self.running.borrow_mut().take();
    }

    /// Whether every collection is wanted, with what was before and after in each space.
    #[napi(catch_unwind)]
    pub fn set_detailed(&mut self, detailed: bool) {
        self.detailed = detailed;
        if let Some(running) = &*self.running.borrow() {
            running.observer.set_detailed(detailed);
        }
    }

    /// Milliseconds since the watch began.
    #[napi(catch_unwind)]
    pub fn now(&self) -> f64 {
        self.begun.elapsed().as_secs_f64() * 1e3
    }

    /// The collections since the last call, and what follows from them.
    #[napi(catch_unwind)]
    pub fn drain(&mut self, process: String) -> Result<String> {
        let process: ProcessUsage = parse(&process)?;
        let Some(DrainedRecords { records, lost, offset, names, minor }) = self.take() else {
            return batch(Vec::new());
        };
        self.minor = minor;
        let last = records.iter().rposition(|record| record.kind == GcKind::Major);
        let group = last.and_then(|_| self.group());
        let mut events = Vec::new();
        for (number, record) in records.iter().enumerate().filter(|(_, r)| r.kind == GcKind::Major) {
            let at = offset + (record.start + record.duration) as f64 / 1e6;
            // What is known of the process is of now, for all of them.
            let mut sample = self.sample_of(&record.after, &names, at, process);
            sample.full = true;
            sample.group = group.filter(|_| Some(number) == last);
            events.extend(self.detector.sample(sample));
        }
        self.obey(&mut events);
        let gc = if self.detailed {
            records.iter().map(|record| GcEvent::of(record, offset, &names)).collect()
        } else {
            Vec::new()
        };
        json(&Batch { events, gc, lost })
    }

    /// A look at the heap between collections.
    #[napi(catch_unwind)]
    pub fn tick(&mut self, process: String) -> Result<String> {
        let process: ProcessUsage = parse(&process)?;
        let read = self
            .running
            .borrow()
            .as_ref()
            .map(|running| (running.observer.read(), running.observer.space_names().to_vec()));
        let Some((heap, names)) = read else { return batch(Vec::new()) };
        let mut sample = self.sample_of(&heap, &names, self.now(), process);
        sample.group = self.fresh_group();
        let mut events = self.detector.sample(sample);
        self.obey(&mut events);
        batch(events)
    }

    /// Takes a sample that JavaScript has made, where V8 can't be watched directly.
    #[napi(catch_unwind)]
    pub fn observe(&mut self, sample: String) -> Result<String> {
        let mut sample: Sample = parse(&sample)?;
        sample.group = if sample.full { self.group() } else { self.fresh_group() };
        let mut events = self.detector.sample(sample);
        events.retain(|event| *event != Event::WantsFullGc);
        batch(events)
    }

    /// Counts and durations of the collections so far, by kind; null where V8 isn't watched directly.
    #[napi(catch_unwind)]
    pub fn collections(&self) -> Result<Option<String>> {
        let running = self.running.borrow();
        running.as_ref().map(|running| json(&Kinds::of(&running.observer.figures()))).transpose()
    }

    /// The control group as it is now; null if there is no limit.
    #[napi(catch_unwind)]
    pub fn control_group(&mut self) -> Result<String> {
        json(&self.group())
    }
}

impl HeapWatch {
    /// Copies out what the observer has. Nothing here calls into V8's heap, so that no collection comes between.
    fn take(&self) -> Option<DrainedRecords> {
        let running = self.running.borrow();
        let Running { observer, offset, .. } = running.as_ref()?;
        let (records, lost) = observer.take();
        let minor = observer.figures()[GcKind::Minor as usize].count;
        Some(DrainedRecords { records, lost, offset: *offset, names: observer.space_names().to_vec(), minor })
    }

    fn sample_of(&self, heap: &HeapFigures, names: &[&str], at: f64, process: ProcessUsage) -> Sample {
        let used = |wanted: fn(&str) -> bool| {
            names.iter().zip(&heap.spaces).filter(|(name, _)| wanted(name)).map(|(_, space)| space.used).sum()
        };
        Sample {
            at,
            full: false,
            minor: self.minor,
            used: heap.used,
            committed: heap.total,
            limit: process.limit.unwrap_or(heap.limit),
            external: heap.external,
            old: used(|name| !name.starts_with("new_") && name != "read_only_space"),
            code: used(|name| name.starts_with("code_")),
            array_buffers: process.array_buffers,
            rss: process.rss,
            group: None,
        }
    }

    /// The tightest control group's figures, at most some seconds old: collections may be many.
    fn group(&mut self) -> Option<CgroupUsage> {
        if self.group_read.is_some_and(|read| read.elapsed() < GROUP_INTERVAL) {
            return self.group;
        }
        self.fresh_group()
    }

    /// The same as of now. Limits may be set, or changed, while the process runs.
    fn fresh_group(&mut self) -> Option<CgroupUsage> {
        self.group_read = Some(Instant::now());
        let groups = self.groups.get_or_insert_with(|| {
            let read = |name: &str| stillheap_limits::read_text(name).unwrap_or_default();
            Cgroups::find(&read("/proc/self/cgroup"), &read("/proc/self/mountinfo"))
        });
        let figures = |group: &stillheap_limits::Cgroup| {
            Some(CgroupUsage { limit: group.limit()?, used: group.used()? })
        };
        self.group = groups.0.iter().filter_map(figures).min_by_key(CgroupUsage::headroom);
        self.group
    }

    /// Does what the detector asks for.
    fn obey(&self, events: &mut Vec<Event>) {
        if events.contains(&Event::WantsFullGc)
            && let Some(running) = &*self.running.borrow()
        {
            running.observer.request_full_gc();
        }
        events.retain(|event| *event != Event::WantsFullGc);
    }
}

fn json<T: Serialize>(value: &T) -> Result<String> {
    serde_json::to_string(value)
        .map_err(|error| napi::Error::from_reason(format!("stillheap: internal: {error}")))
}

fn batch(events: Vec<Event>) -> Result<String> {
    json(&Batch { events, gc: Vec::new(), lost: 0 })
}
