//! Samples in, events out.

use crate::base::Base;
use crate::consecutive::Consecutive;
use crate::event::{Collections, Event, Growing, Leak, Memory, Settled, Settling, Stats};
use crate::judge::{Terms, judge};
use crate::options::{Options, Strategy};
use crate::pressure::Gauge;
use crate::sample::Sample;
use crate::series::Tier;
use crate::slope::Point;
use crate::text::{size, time};
use crate::track::{Change, SPANS, Track};

/// Milliseconds in an hour.
const HOUR: f64 = 3_600_000.0;
/// Resident memory moves more than the heap does: allocators keep, kernels reclaim.
const NATIVE_SCALE: f64 = 4.0;
/// Without a full collection, growth must last this many times as long.
const PROVISIONAL: f64 = 4.0;
/// And is believed no more than this.
const PROVISIONAL_CONFIDENCE: f64 = 0.4;

/// Watches one isolate.
#[derive(Clone, Debug)]
pub struct Detector {
    options: Options,
    heap: Track,
    external: Track,
    native: Track,
    base: Base,
    consecutive: Consecutive,
    heap_gauge: Gauge,
    group_gauge: Gauge,
    full: u64,
    last: Sample,
    old: OldGeneration,
}

/// The old generation since the last full collection.
#[derive(Clone, Debug)]
struct OldGeneration {
    /// When it was, or when the watch began, and what there was of it then.
    since: Option<Point>,
    floor: Tier,
    asked: Option<f64>,
    told: bool,
}

impl OldGeneration {
    fn new(options: &Options) -> Self {
        Self {
            since: None,
            floor: Tier::new(PROVISIONAL * options.min_time / SPANS),
            asked: None,
            told: false,
        }
    }
}

impl Detector {
    /// A detector that has seen nothing.
    pub fn new(options: Options) -> Self {
        Self {
            heap: Track::new(&options, 1.0),
            external: Track::new(&options, 1.0),
            native: Track::new(&options, NATIVE_SCALE),
            base: Base::default(),
            consecutive: Consecutive::default(),
            heap_gauge: Gauge::new("heap"),
            group_gauge: Gauge::new("group"),
            full: 0,
            last: Sample::default(),
            old: OldGeneration::new(&options),
            options,
        }
    }

    /// Takes a sample; samples come in the order of time. What it knows of the process (`rss`, `group`,
    /// `array_buffers`) is taken from the last one that had it.
    pub fn sample(&mut self, mut sample: Sample) -> Vec<Event> {
        sample.rss = sample.rss.or(self.last.rss);
        sample.group = sample.group.or(self.last.group);
        sample.array_buffers = sample.array_buffers.or(self.last.array_buffers);
        let fresh_rss = sample.rss.is_some() && !sample.full;
        self.last = sample;
        let mut events = Vec::new();
        if sample.full {
            self.full += 1;
            self.base.add(sample.used);
            self.old = OldGeneration {
                since: Some(old_point(&sample)),
                asked: self.old.asked,
                ..OldGeneration::new(&self.options)
            };
        }
        if sample.at >= self.options.warmup {
            self.grow(&sample, fresh_rss, &mut events);
        }
        self.gauge(&sample, &mut events);
        if sample.full {
            // First, so that listeners of a leak have the figures already.
            events.insert(0, Event::Stats(self.stats(&sample)));
        } else if sample.at >= self.options.warmup {
            self.postponed(&sample, &mut events);
        }
        events
    }

    fn grow(&mut self, sample: &Sample, fresh_rss: bool, events: &mut Vec<Event>) {
        let group = sample.group.map(|group| group.headroom() as f64);
        if sample.full {
            let heap = sample.limit.saturating_sub(sample.used) as f64;
            let room = group.map_or(heap, |group| group.min(heap));
            let change = self.heap.add(sample.at, sample.used as f64, Some(room), &self.options);
            match self.options.strategy {
                Strategy::Trend => self.tell(Growing::Heap, change, events),
                Strategy::Consecutive => {
                    let leak = self.consecutive.add(sample.at, sample.used as f64, self.options.consecutive);
                    events.extend(leak.map(Event::Leak));
                }
            }
        }
        let external = self.external.add(sample.at, sample.external as f64, group, &self.options);
        let native = sample
            .native()
            .filter(|_| fresh_rss)
            .and_then(|native| self.native.add(sample.at, native as f64, group, &self.options));
        if self.options.strategy == Strategy::Trend {
            self.tell(Growing::External, external, events);
            self.tell(Growing::Native, native, events);
        }
    }

    fn tell(&self, what: Growing, change: Option<Change>, events: &mut Vec<Event>) {
        let Some(change) = change else { return };
        events.push(match change {
            Change::Leak { growth, again, time_to_limit } => Event::Leak(Leak {
                what,
                start: growth.start,
                end: growth.end,
                growth: growth.growth,
                velocity: growth.velocity * HOUR,
                level: growth.level,
                confidence: growth.confidence,
                samples: growth.samples,
                reason: self.reason(
                    what,
                    growth.growth,
                    growth.end - growth.start,
                    growth.velocity,
                    time_to_limit,
                ),
                time_to_limit,
                again,
                provisional: false,
            }),
            Change::Settled { at, how, level } => Event::Settled(Settled {
                what,
                at,
                how,
                level,
                reason: match how {
                    Settling::Stopped => {
                        format!("{} grows no more and stays at {}", name(what), size(level))
                    }
                    Settling::Released => {
                        format!("{} gave most of it back and is at {}", name(what), size(level))
                    }
                },
            }),
        });
    }

    fn reason(
        &self,
        what: Growing,
        growth: f64,
        duration: f64,
        velocity: f64,
        time_to_limit: Option<f64>,
    ) -> String {
        let mut text = format!(
            "{} grew by {} within {}, {} an hour",
            name(what),
            size(growth),
            time(duration),
            size(velocity * HOUR)
        );
        if let Some(left) = time_to_limit {
            text += &format!("; at this speed the limit is reached in {}", time(left));
        }
        // What people mean by "RSS grows, but the heap doesn't".
        if what != Growing::Heap && !self.heap.is_leaking() {
            let heap = match self.heap.velocity() {
                Some(heap) if heap < velocity / 4.0 => "; the JavaScript heap does not grow with it",
                Some(_) => "",
                None => "; there were too few full collections to say whether the JavaScript heap grows, too",
            };
            text += heap;
        }
        text
    }

    fn gauge(&mut self, sample: &Sample, events: &mut Vec<Event>) {
        let velocity = |track: &Track| track.velocity().filter(|_| sample.at >= self.options.warmup);
        let heap = velocity(&self.heap);
        if sample.full {
            let pressure = self.heap_gauge.look(sample.at, sample.used, sample.limit, heap, &self.options);
            events.extend(pressure.map(Event::Pressure));
        }
        if let Some(group) = sample.group {
            let speeds = [heap, velocity(&self.external), velocity(&self.native)];
            let all = speeds.into_iter().flatten().map(|speed| speed.max(0.0)).reduce(|a, b| a + b);
            let pressure = self.group_gauge.look(sample.at, group.used, group.limit, all, &self.options);
            events.extend(pressure.map(Event::Pressure));
        }
    }

    /// The old generation's growth while V8 puts its full collection off.
    fn postponed(&mut self, sample: &Sample, events: &mut Vec<Event>) {
        let now = old_point(sample);
        let since = *self.old.since.get_or_insert(now);
        let ended = self.old.floor.add(now);
        let long = |time: f64| now.at - time >= self.options.min_time;
        let grown =
            now.value - since.value >= self.options.min_growth.max(self.options.min_share * since.value);
        if !grown || !long(since.at) {
            return;
        }
        if self.options.request_full_gc && self.old.asked.is_none_or(long) {
            self.old.asked = Some(now.at);
            events.push(Event::WantsFullGc);
            return;
        }
        if !ended || self.old.told || self.heap.is_leaking() || self.options.strategy != Strategy::Trend {
            return;
        }
        let options = Options { min_confidence: 0.0, ..self.options.clone() };
        let terms = Terms {
            options: &options,
            min_time: PROVISIONAL * options.min_time,
            min_steadiness: options.min_steadiness,
            max_steadiness: f64::INFINITY,
            scale: 1.0,
        };
        let Some(growth) = judge(&self.old.floor.window(), terms, |_, _| None) else { return };
        self.old.told = true;
        let room = sample.limit.saturating_sub(sample.used) as f64 / growth.velocity;
        events.push(Event::Leak(Leak {
            what: Growing::Heap,
            start: growth.start,
            end: growth.end,
            growth: growth.growth,
            velocity: growth.velocity * HOUR,
            level: growth.level,
            confidence: growth.confidence.min(PROVISIONAL_CONFIDENCE),
            samples: growth.samples,
            reason: format!(
                "the old generation grew by {} within {} ({} an hour) without a full collection: some of it may \
                 be garbage",
                size(growth.growth),
                time(growth.end - growth.start),
                size(growth.velocity * HOUR)
            ),
            time_to_limit: Some(room),
            again: false,
            provisional: true,
        }));
    }

    fn stats(&self, sample: &Sample) -> Stats {
        let per_hour = |track: &Track| track.velocity().map(|velocity| velocity * HOUR);
        let tracks = [
            (Growing::Heap, &self.heap),
            (Growing::External, &self.external),
            (Growing::Native, &self.native),
        ];
        Stats {
            at: sample.at,
            collections: Collections { full: self.full, minor: sample.minor },
            used: sample.used,
            limit: sample.limit,
            base: self.base.base(),
            min: self.base.min(),
            max: self.base.max(),
            trend: self.base.trend(),
            velocity: per_hour(&self.heap),
            external_velocity: per_hour(&self.external),
            native_velocity: per_hour(&self.native),
            growing: tracks.iter().filter(|(_, track)| track.is_leaking()).map(|(what, _)| *what).collect(),
            memory: Memory {
                rss: sample.rss,
                heap: sample.committed,
                code: sample.code,
                external: sample.external,
                array_buffers: sample.array_buffers,
                native: sample.native(),
            },
            group: sample.group,
            headroom: sample.group.map(|group| group.headroom()),
        }
    }
}

fn old_point(sample: &Sample) -> Point {
    Point { at: sample.at, value: sample.old as f64 }
}

fn name(what: Growing) -> &'static str {
    match what {
        Growing::Heap => "the heap after full collections",
        Growing::External => "memory that the heap keeps outside of it (array buffers and the like)",
        Growing::Native => "resident memory outside of V8",
    }
}
