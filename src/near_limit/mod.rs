//! At V8's heap limit: one snapshot, before the process ends for lack of memory.
//!
//! V8 calls us on the isolate's thread, in the middle of a collection or of an allocation that failed
//! (`v8::limit`). Everything happens before the callback returns, since nothing may come after it: the next
//! allocation may end the process. First the report (`evidence`), which needs next to no memory; then the
//! snapshot, from a forked child where there is forking, else in the process; then the limit is raised once, by
//! a fixed amount, or by less where that wouldn't fit, so that a process that can still recover does, and the callback is removed: whatever limit
//! comes next is V8's, Node's or the application's own business, as it was before.
//!
//! V8 calls again while the snapshot itself collects. In the process, that grants a small part of the raise; in
//! the child, which has a limit of its own, as much as it wants.

mod evidence;

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use chrono::Utc;
use serde::Deserialize;
use stillheap_limits::Machine;
use stillheap_protocol::{
    CaptureRequest, CaptureResult, Failure, LossyPath, Mode, milliseconds, outcome_json, path_bytes,
};
use stillheap_sink::NameContext;
use stillheap_v8::CurrentIsolate;

use crate::capture::{self, Capture, Finishing};
use crate::fork::{self, Ended};
use crate::isolates::{self, Target};
use crate::report;
use crate::request::name_template;
use crate::sync::lock;
use evidence::Evidence;

/// What the child may take beyond the limit at each call; more than any machine has, in the end.
const CHILDS_RAISE: usize = 1 << 30;
/// A collection that the capture itself causes and that comes to the limit is granted half of the raise, and a part of the rest each time
/// that it comes again, so often at most.
const STEPS: usize = 8;

/// By how much the limit is raised: enough for a collection of a capture in the process.
const RAISE: usize = 64 << 20;
/// What a process needs of its control group beside its heap.
const RESERVE: u64 = 32 << 20;
/// In a worker: Node's own callback, which ends the worker, shall come next, before the heap has grown so much
/// that Node's leeway of 16 MB doesn't suffice and V8 ends the process. So the raise is this much beyond what
/// the heap holds, which may be more than the limit already.
const WORKERS_LEEWAY: usize = 8 << 20;

/// What shall be done at the limit; checked on the JavaScript side.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NearLimitRequest {
    /// By how many bytes the limit is raised afterwards, if not by the usual.
    raise: Option<usize>,
    /// Whether the thread stands still until the snapshot is there.
    hold: bool,
    /// V8 shall sample an allocation in every so many bytes, for the report.
    sample: Option<u64>,
    request: CaptureRequest,
}

struct ArmedIsolate {
    target: Arc<Target>,
    order: Mutex<NearLimitRequest>,
    /// V8 samples allocations because of this request, not of another caller's.
    samples: AtomicBool,
    /// Whether the callback is running.
    at_work: AtomicBool,
    /// How often a collection of the capture itself has been granted a part of the raise.
    steps: AtomicUsize,
    /// V8's limit before the raise, in bytes; 0 until it was reached.
    limit: AtomicUsize,
    /// The limit that V8 has been granted so far, in bytes.
    granted: AtomicUsize,
}

static ARMED: Mutex<Option<HashMap<u64, Arc<ArmedIsolate>>>> = Mutex::new(None);

fn armed(id: u64) -> Option<Arc<ArmedIsolate>> {
    lock(&ARMED).as_ref()?.get(&id).cloned()
}

/// V8's limits, in bytes.
#[derive(Clone, Copy, Debug)]
struct Limits {
    current: usize,
    initial: usize,
    raised: usize,
}

/// Gives the order, or changes it; on the isolate's thread.
pub fn arm(target: &Arc<Target>, order: NearLimitRequest) -> Result<(), String> {
    if let Some(reason) = target.engine_reason() {
        return Err(reason);
    }
    let Some(isolate) = CurrentIsolate::get() else { return Err("no V8 isolate is entered here".to_owned()) };
    let sample = order.sample;
    if let Some(armed) = armed(target.id) {
        let before = std::mem::replace(&mut *lock(&armed.order), order);
        return if before.sample == sample { Ok(()) } else { armed.sample(sample) };
    }
    let armed = ArmedIsolate {
        target: Arc::clone(target),
        order: Mutex::new(order),
        samples: AtomicBool::new(false),
        at_work: AtomicBool::new(false),
        steps: AtomicUsize::new(0),
        limit: AtomicUsize::new(0),
        granted: AtomicUsize::new(0),
    };
    armed.sample(sample)?;
    lock(&ARMED).get_or_insert_default().insert(target.id, Arc::new(armed));
    if isolate.add_near_heap_limit(target.environment, on_near_limit, target.id) {
        return Ok(());
    }
    lock(&ARMED).as_mut().and_then(|armed| armed.remove(&target.id));
    Err("V8 would not take the callback".to_owned())
}

/// Takes the order back; on the isolate's thread. Says whether there was one.
pub fn disarm(target: &Target) -> bool {
    let Some(armed) = lock(&ARMED).as_mut().and_then(|armed| armed.remove(&target.id)) else { return false };
    // Stopping can't fail.
    let _ = armed.sample(None);
    if let Some(isolate) = CurrentIsolate::get() {
        isolate.remove_near_heap_limit();
    }
    true
}

/// Whether there is an order.
pub fn is_armed(target: &Target) -> bool {
    armed(target.id).is_some()
}

fn on_near_limit(id: u64, current: usize, initial: usize) -> usize {
    // No lock may be touched in the child: its owner may not exist.
    if fork::is_child() {
        return current.saturating_add(CHILDS_RAISE);
    }
    near_limit(id, current, initial)
}

impl ArmedIsolate {
    /// Has V8 sample from now on, or no longer; on the isolate's thread. Where somebody else has it sample, that
    /// will do.
    fn sample(&self, interval: Option<u64>) -> Result<(), String> {
        let Some(isolate) = CurrentIsolate::get() else { return Ok(()) };
        if self.samples.swap(false, Ordering::Relaxed) {
            isolate.stop_sampling();
        }
        if let Some(interval) = interval {
            self.samples.store(isolate.start_sampling(interval)?, Ordering::Relaxed);
        }
        Ok(())
    }

    /// The limit for a collection that belongs to a capture: always more than before, never the whole raise.
    fn grant(&self, raise: usize, current: usize) -> usize {
        let step = self.steps.fetch_add(1, Ordering::Relaxed);
        let _ = self.limit.compare_exchange(0, current, Ordering::Relaxed, Ordering::Relaxed);
        if step >= STEPS {
            return current;
        }
        let part = raise / 2 + raise / 2 * step / STEPS;
        let granted = self.limit.load(Ordering::Relaxed).saturating_add(part).max(current + 1);
        self.granted.store(granted, Ordering::Relaxed);
        granted
    }
}

/// The limit that holds from now on.
fn near_limit(id: u64, current: usize, initial: usize) -> usize {
    // At exit nothing new is begun.
    let Some(armed) = isolates::find(id).and_then(|_| armed(id)) else { return current };
    let target = &armed.target;
    let order = lock(&armed.order).clone();
    // A capture is under way on this thread, ours or another one, and its own collection has come to the limit.
    if armed.at_work.load(Ordering::Acquire) || target.is_busy() {
        return armed.grant(order.raise.unwrap_or(RAISE), current);
    }
    let entered = target.entered();
    armed.at_work.store(true, Ordering::Release);
    armed.limit.store(current, Ordering::Relaxed);
    let usual = || if target.is_main { fitting_raise() } else { WORKERS_LEEWAY + beyond(current) };
    let raised = current.saturating_add(order.raise.unwrap_or_else(usual));
    let limits = Limits { current, initial, raised };
    target.set_at_heap_limit(true);
    let attempt = catch_unwind(AssertUnwindSafe(|| act(&armed.target, &order, limits)));
    target.set_at_heap_limit(false);
    if attempt.is_err() {
        report::print("stillheap: an internal error was caught at the heap limit");
    }
    drop(entered);
    disarm(target);
    // V8 takes nothing for a raise that isn't more than what the capture's own collections were granted.
    limits.raised.max(armed.granted.load(Ordering::Relaxed) + 1)
}

/// The usual raise, or what of it there is room for: a process that V8 would have ended, with its message and within
/// its container, shall not be killed by the kernel instead. An array that grows is copied to one of half as much
/// again, beside the old one, and that may be most of the heap.
fn fitting_raise() -> usize {
    let (_, large) = CurrentIsolate::get().map(CurrentIsolate::heap_size).unwrap_or_default();
    let Some(room) = Machine::new(Path::new("/proc"), None).room() else { return RAISE };
    let left = room.left.saturating_sub(large + large / 2 + RESERVE);
    usize::try_from(left).map_or(RAISE, |left| left.clamp(1, RAISE))
}

/// By how much the heap exceeds the limit.
fn beyond(limit: usize) -> usize {
    let (ordinary, large) = CurrentIsolate::get().map(CurrentIsolate::heap_size).unwrap_or_default();
    usize::try_from(ordinary + large).unwrap_or(usize::MAX / 4).saturating_sub(limit)
}

/// Leaves what can be left.
fn act(target: &Arc<Target>, order: &NearLimitRequest, limits: Limits) {
    let begun = Instant::now();
    let quiet = order.request.quiet;
    let request = match named(order.request.clone(), target) {
        Ok(request) => request,
        Err(failure) => return publish(target, &Err(failure), None, quiet),
    };
    let mut evidence = Evidence::gather(target, limits);
    let mut request = request;
    request.force &= !evidence.ends_together;
    let written = evidence.write(&request);
    if !quiet {
        let limit = limits.current >> 20;
        match &written {
            Ok(path) => report::print(&format!(
                "stillheap: the heap has reached its limit of {limit} MB; wrote {}, taking a snapshot",
                path.display()
            )),
            Err(failure) => report::print(&format!(
                "stillheap: the heap has reached its limit of {limit} MB; no report was written: {}",
                failure.message
            )),
        }
    }
    if order.sample.is_some() {
        // Not before there is a report: V8 may have to make room for it.
        evidence.add_allocations(target, &request);
        if let Ok(path) = &written {
            // The first one stays where the second can't be written.
            let _ = evidence.rewrite(path);
        }
        if let Some(line) = evidence.allocations_line().filter(|_| !quiet) {
            report::print(&line);
        }
    }
    let ended = {
        let report = written.ok();
        move |target: &Arc<Target>, outcome: Result<CaptureResult, Failure>| {
            let mut evidence = evidence;
            evidence.add_outcome(&outcome);
            if let Some(report) = &report {
                let _ = evidence.rewrite(report);
            }
            publish(target, &outcome, report.as_deref(), quiet);
        }
    };
    // Where there is no result yet, the child goes on, and a thread of stillheap's waits for it.
    if let Some((ended, outcome)) = take(target, order, request, begun, ended) {
        ended(target, outcome);
    }
}

/// Takes the snapshot. `None` if it is on its way and `ended` will be called.
fn take<F>(
    target: &Arc<Target>,
    order: &NearLimitRequest,
    mut request: CaptureRequest,
    begun: Instant,
    ended: F,
) -> Option<Ended<F>>
where
    F: FnOnce(&Arc<Target>, Result<CaptureResult, Failure>) + Send + 'static,
{
    // The thread stood still all the time.
    let with_pause = |mut result: CaptureResult| {
        result.pause_ms = milliseconds(begun);
        result
    };
    if request.mode != Mode::Inline {
        match fork::unsupported() {
            None => {
                let (ended, outcome) = fork::take_now(target, request, order.hold, ended)?;
                return Some((ended, outcome.map(with_pause)));
            }
            Some(reason) if request.mode == Mode::Fork => {
                return Some((ended, Err(Failure::own("ERR_STILLHEAP_UNSUPPORTED", reason))));
            }
            Some(reason) => request.mode_reason = Some(reason),
        }
    }
    Some((ended, inline(target, request).map(with_pause)))
}

/// Takes the snapshot in the process itself.
fn inline(target: &Target, request: CaptureRequest) -> Result<CaptureResult, Failure> {
    let mut capture = Capture::open(request, target)?;
    match capture.generate(target).and_then(|()| capture.serialize(target)) {
        Ok(()) => Finishing::finish(capture.into_finishing(target)),
        Err(failure) => {
            capture.discard(target);
            Err(failure)
        }
    }
}

/// One name for snapshot and report.
fn named(mut request: CaptureRequest, target: &Target) -> Result<CaptureRequest, Failure> {
    let context = NameContext {
        time: Utc::now(),
        pid: std::process::id(),
        thread: target.thread_id,
        sequence: capture::next_sequence(),
    };
    request.name = Some(name_template(&request)?.render(&context));
    Ok(request)
}

/// To JavaScript, should it run again, and to stderr, which is what is left of a process that ended.
fn publish(target: &Target, outcome: &Result<CaptureResult, Failure>, report: Option<&Path>, quiet: bool) {
    let mut json = outcome_json(outcome);
    for part in ["result", "error"] {
        if let Some(part) = json.get_mut(part) {
            part["report"] = serde_json::json!(report.map(LossyPath::from));
            if let Some(bytes) = report.and_then(path_bytes) {
                part["reportBytes"] = bytes.into();
            }
        }
    }
    if !quiet {
        report::print(&report::line(&json));
    }
    target.notify("outcome", json.to_string());
}
