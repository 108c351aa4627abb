//! Hours of services' lives, simulated: every leak is found within its time, nothing else is taken for one, and
//! the reported speed is the true one.

use stillheap_watch::{Detector, Event, Growing, Leak, Options, Sample};

const MB: f64 = 1e6;
const MINUTE: f64 = 60_000.0;
const HOUR: f64 = 60.0 * MINUTE;

/// A generator of our own, so that a failure can be repeated.
struct Random(u64);

impl Random {
    /// From 0 to 1.
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }
}

/// A service: what lives in its heap, outside of it, and natively, at a time; all in bytes.
struct Service<'a> {
    /// Minutes from one full collection to the next.
    gc_every: f64,
    heap: &'a dyn Fn(f64) -> f64,
    external: &'a dyn Fn(f64) -> f64,
    native: &'a dyn Fn(f64) -> f64,
    /// Requests in flight: up to so many bytes more, at random.
    noise: f64,
    limit: f64,
    hours: f64,
    options: Options,
}

impl Default for Service<'_> {
    fn default() -> Self {
        Self {
            gc_every: 0.5,
            heap: &|_| 80.0 * MB,
            external: &|_| 5.0 * MB,
            native: &|_| 60.0 * MB,
            noise: 6.0 * MB,
            limit: 4000.0 * MB,
            hours: 1.0,
            options: Options::default(),
        }
    }
}

impl Service<'_> {
    fn run(&self, seed: u64) -> Vec<Event> {
        let mut random = Random(seed);
        let mut detector = Detector::new(self.options.clone());
        let mut events = Vec::new();
        let (mut at, mut next_gc) = (0.0, 0.2 * MINUTE);
        while at < self.hours * HOUR {
            let full = at >= next_gc;
            if full {
                next_gc = at + self.gc_every * MINUTE * (0.5 + random.next());
            }
            let minutes = at / MINUTE;
            // Most moments have few requests in flight.
            let in_flight = self.noise * random.next().powi(3);
            let used = (self.heap)(minutes) + in_flight;
            let external = (self.external)(minutes) + in_flight / 10.0;
            let committed = used * 1.3 + 20.0 * MB * random.next();
            let sample = Sample {
                at,
                full,
                used: used as u64,
                committed: committed as u64,
                limit: self.limit as u64,
                external: external as u64,
                old: used as u64,
                rss: Some((committed + external + (self.native)(minutes) + 5.0 * MB * random.next()) as u64),
                ..Sample::default()
            };
            events.extend(detector.sample(sample));
            at += 5000.0;
        }
        events
    }

    fn leaks(&self, seed: u64) -> Vec<Leak> {
        let leak = |event| match event {
            Event::Leak(leak) => Some(leak),
            _ => None,
        };
        self.run(seed).into_iter().filter_map(leak).collect()
    }
}

const SEEDS: std::ops::Range<u64> = 0..12;

/// Finds the one leak of every run, by a time, at the right speed.
fn found(name: &str, service: &Service<'_>, what: Growing, by_minute: f64, mb_per_hour: f64) {
    found_within(name, service, what, by_minute, mb_per_hour, 0.1);
}

fn found_within(
    name: &str,
    service: &Service<'_>,
    what: Growing,
    by_minute: f64,
    mb_per_hour: f64,
    tolerance: f64,
) {
    for seed in SEEDS {
        let leaks = service.leaks(seed);
        assert_eq!(leaks.iter().filter(|leak| leak.what == what).count(), 1, "{name}, {seed}: {leaks:?}");
        assert_eq!(leaks.len(), 1, "{name}, {seed}: {leaks:?}");
        let leak = &leaks[0];
        assert!(leak.end <= by_minute * MINUTE, "{name}, {seed}: only after {} min", leak.end / MINUTE);
        let error = leak.velocity / (mb_per_hour * MB) - 1.0;
        assert!(error.abs() < tolerance, "{name}, {seed}: speed wrong by {:.1} %: {leak:?}", error * 100.0);
        assert!(leak.growth > 0.0 && leak.confidence > 0.5 && leak.end > leak.start, "{leak:?}");
    }
}

fn silent(name: &str, service: &Service<'_>) {
    for seed in SEEDS {
        let leaks = service.leaks(seed);
        assert!(leaks.is_empty(), "{name}, {seed}: {leaks:#?}");
    }
}

#[test]
fn leaks_of_every_speed() {
    let leak = |per_hour: f64| move |minutes: f64| 80.0 * MB + per_hour * MB * minutes / 60.0;
    found("fast", &Service { heap: &leak(1200.0), ..Service::default() }, Growing::Heap, 14.0, 1200.0);
    found("usual", &Service { heap: &leak(100.0), ..Service::default() }, Growing::Heap, 25.0, 100.0);
    let slow = Service { heap: &leak(10.0), hours: 6.0, noise: 2.0 * MB, ..Service::default() };
    found("slow", &slow, Growing::Heap, 90.0, 10.0);
    let rare = Service { heap: &leak(40.0), hours: 6.0, gc_every: 8.0, ..Service::default() };
    found("rarely collected", &rare, Growing::Heap, 150.0, 40.0);
}

#[test]
fn a_leak_that_will_end_soon_is_told_sooner() {
    let heap = |minutes: f64| 80.0 * MB + 400.0 * MB * minutes;
    let service = Service { heap: &heap, gc_every: 0.05, hours: 0.15, ..Service::default() };
    for seed in SEEDS {
        let leaks = service.leaks(seed);
        let leak = leaks.first().expect("told");
        assert!(leak.end < 5.0 * MINUTE, "{seed}: {leak:?}");
        assert!((leak.velocity / (24_000.0 * MB) - 1.0).abs() < 0.1, "{leak:?}");
        assert!(leak.time_to_limit.unwrap() < 10.0 * MINUTE);
    }
}

#[test]
fn a_leak_that_begins_late() {
    let heap = |minutes: f64| 80.0 * MB + 2.0 * MB * (minutes - 120.0).max(0.0);
    let service = Service { heap: &heap, hours: 4.0, noise: 3.0 * MB, ..Service::default() };
    // The window may begin a little before the leak does.
    found_within("late", &service, Growing::Heap, 150.0, 120.0, 0.15);
}

#[test]
fn outside_of_the_heap() {
    let buffers = |minutes: f64| 5.0 * MB + 2.0 * MB * minutes;
    found("buffers", &Service { external: &buffers, ..Service::default() }, Growing::External, 25.0, 120.0);
    let native = |minutes: f64| 60.0 * MB + 3.0 * MB * minutes;
    let service = Service { native: &native, ..Service::default() };
    found("native", &service, Growing::Native, 30.0, 180.0);
    let leak = &service.leaks(1)[0];
    assert!(leak.reason.ends_with("the JavaScript heap does not grow with it"), "{}", leak.reason);
}

#[test]
fn what_is_no_leak() {
    silent("stable", &Service { hours: 6.0, ..Service::default() });
    let large = |_: f64| 2500.0 * MB;
    silent("large", &Service { heap: &large, noise: 300.0 * MB, hours: 6.0, ..Service::default() });
    let startup = |minutes: f64| 80.0 * MB + 120.0 * MB * (minutes / 4.0).min(1.0);
    silent("start-up", &Service { heap: &startup, ..Service::default() });
    let jit = |minutes: f64| 80.0 * MB + 25.0 * MB * (1.0 - (-minutes / 6.0_f64).exp());
    silent("warm-up", &Service { heap: &jit, ..Service::default() });
    for period in [2.0, 7.0, 15.0, 20.0] {
        let saw = move |minutes: f64| 80.0 * MB + 150.0 * MB * (minutes / period).fract();
        if period < 15.0 {
            silent("saw", &Service { heap: &saw, hours: 3.0, ..Service::default() });
        }
        let wave = move |minutes: f64| {
            80.0 * MB + 150.0 * MB * (0.5 - 0.5 * (minutes / period * std::f64::consts::TAU).cos())
        };
        silent("wave", &Service { heap: &wave, hours: 3.0, ..Service::default() });
    }
    for (every, lasts) in [(20.0, 3.0), (15.0, 8.0), (30.0, 1.0)] {
        let batch = move |minutes: f64| {
            80.0 * MB + if minutes % every < lasts { 400.0 * MB * (minutes % every) / lasts } else { 0.0 }
        };
        silent("batch", &Service { heap: &batch, hours: 3.0, ..Service::default() });
    }
}

#[test]
fn caches() {
    for time in [2.0, 5.0, 10.0, 15.0, 20.0] {
        let random = move |minutes: f64| 80.0 * MB + 300.0 * MB * (1.0 - (-minutes / time).exp());
        silent("filled at random", &Service { heap: &random, hours: 3.0, ..Service::default() });
    }
    for time in [2.0, 5.0, 8.0] {
        let even = move |minutes: f64| 80.0 * MB + 200.0 * MB * (minutes / time).min(1.0);
        silent("filled evenly", &Service { heap: &even, hours: 3.0, ..Service::default() });
    }
}

#[test]
fn a_cache_that_fills_evenly_for_longer_settles() {
    let even = |minutes: f64| 80.0 * MB + 300.0 * MB * (minutes / 30.0).min(1.0);
    for seed in SEEDS {
        let events = Service { heap: &even, hours: 3.0, ..Service::default() }.run(seed);
        let told: Vec<&str> = events
            .iter()
            .filter_map(|event| match event {
                Event::Leak(_) => Some("leak"),
                Event::Settled(_) => Some("settled"),
                _ => None,
            })
            .collect();
        assert_eq!(told, ["leak", "settled"], "{seed}");
    }
}

#[test]
fn told_again_only_when_it_gets_worse() {
    let heap = |minutes: f64| 80.0 * MB + 2.0 * MB * minutes + 6.0 * MB * (minutes - 60.0_f64).max(0.0);
    for seed in SEEDS {
        let leaks = Service { heap: &heap, hours: 4.0, ..Service::default() }.leaks(seed);
        let again: Vec<bool> = leaks.iter().map(|leak| leak.again).collect();
        assert_eq!(again, [false, true], "{seed}: {leaks:#?}");
        assert!(leaks[1].start > 55.0 * MINUTE, "{leaks:#?}");
        assert!((leaks[1].velocity / (480.0 * MB) - 1.0).abs() < 0.1, "{leaks:#?}");
    }
}

#[test]
fn a_leak_after_one_that_was_given_back() {
    let heap = |minutes: f64| 80.0 * MB + 3.0 * MB * (minutes % 60.0);
    let service = Service { heap: &heap, hours: 1.8, ..Service::default() };
    for seed in SEEDS {
        let told: Vec<String> = service
            .run(seed)
            .iter()
            .filter_map(|event| match event {
                Event::Leak(_) => Some("leak".to_owned()),
                Event::Settled(settled) => Some(format!("{:?}", settled.how)),
                _ => None,
            })
            .collect();
        // The second hour is no higher than the first: known by then.
        assert_eq!(told, ["leak", "Released"], "{seed}");
    }
}

#[test]
fn when_full_collections_are_put_off() {
    let old = |minutes: f64| 80.0 * MB + 2.0 * MB * minutes;
    let mut detector = Detector::new(Options::default());
    let sample = |at: f64| Sample {
        at,
        used: old(at / MINUTE) as u64,
        old: old(at / MINUTE) as u64,
        limit: 4_000_000_000,
        ..Sample::default()
    };
    let wants = |event: &Event| *event == Event::WantsFullGc;
    let mut asked = 0;
    for step in 0..(60 * 6) {
        asked += detector.sample(sample(f64::from(step) * 10_000.0)).iter().filter(|e| wants(e)).count();
    }
    assert!((3..=6).contains(&asked), "{asked}");

    let mut detector = Detector::new(Options { request_full_gc: false, ..Options::default() });
    let mut events = Vec::new();
    for step in 0..(90 * 6) {
        events.extend(detector.sample(sample(f64::from(step) * 10_000.0)));
    }
    let [Event::Leak(leak)] = events.as_slice() else { panic!("{events:?}") };
    assert!(leak.provisional && leak.confidence <= 0.4);
    assert!((leak.velocity / (120.0 * MB) - 1.0).abs() < 0.1, "{leak:?}");
}

#[test]
fn thresholds_count() {
    let heap = |minutes: f64| 80.0 * MB + 2.0 * MB * minutes;
    let with = |options: Options| Service { heap: &heap, options, ..Service::default() }.leaks(3);
    let default = Options::default;
    assert_eq!(with(default()).len(), 1);
    assert_eq!(with(Options { warmup: 2.0 * HOUR, ..default() }), []);
    assert_eq!(with(Options { min_growth: 500.0 * MB, ..default() }), []);
    assert_eq!(with(Options { min_share: 5.0, ..default() }), []);
    assert_eq!(with(Options { min_time: HOUR, ..default() }), []);
    assert_eq!(with(Options { min_samples: 1000, ..default() }), []);
    assert_eq!(with(Options { min_clarity: 1e6, ..default() }), []);
    assert_eq!(with(Options { min_confidence: 1.0, ..default() }), []);
    assert!(with(Options { min_time: 2.0 * MINUTE, ..default() })[0].end < 15.0 * MINUTE);
}
