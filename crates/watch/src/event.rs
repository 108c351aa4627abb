//! What a watch has to say. Bytes, milliseconds since the watch began, and bytes per hour.

use serde::Serialize;

use crate::sample::CgroupUsage;

/// What grows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Growing {
    /// What lives in V8's heap after full collections.
    Heap,
    /// Memory outside of it that its objects keep: array buffers and the like.
    External,
    /// Resident memory that V8 knows nothing of.
    Native,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "event", rename_all = "camelCase")]
pub enum Event {
    /// After a full collection.
    Stats(Stats),
    /// Something grows and should not.
    Leak(Leak),
    /// It does no longer.
    Settled(Settled),
    /// A limit is near.
    Pressure(Pressure),
    /// The old generation grows, and V8 puts its full collection off.
    WantsFullGc,
}

/// How many collections there were.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Collections {
    /// Full ones (mark-compact).
    pub full: u64,
    /// Minor ones (scavenges).
    pub minor: u64,
}

/// Where memory is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Memory {
    /// Resident memory of the process; null in workers.
    pub rss: Option<u64>,
    /// What V8 has of the system for its heap.
    pub heap: u64,
    /// Machine code's share of the heap.
    pub code: u64,
    /// What objects of the heap keep outside of it.
    pub external: u64,
    /// Array buffers' share of that.
    pub array_buffers: Option<u64>,
    /// Resident memory that is none of these.
    pub native: Option<u64>,
}

/// The heap after a full collection.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Stats {
    pub at: f64,
    /// So far.
    pub collections: Collections,
    /// What lives.
    pub used: u64,
    /// V8's limit.
    pub limit: u64,
    /// The moving average over some ten collections.
    pub base: f64,
    /// The least that lived after any, the first two left out; null before.
    pub min: Option<u64>,
    /// The most.
    pub max: Option<u64>,
    /// By how many per cent the average over ten exceeds that over 120.
    pub trend: f64,
    /// How fast what lives grows, bytes per hour; null while unknown.
    pub velocity: Option<f64>,
    /// The same of what lies outside.
    pub external_velocity: Option<f64>,
    /// The same of what V8 doesn't know.
    pub native_velocity: Option<f64>,
    /// What is leaking at present.
    pub growing: Vec<Growing>,
    /// Where memory is.
    pub memory: Memory,
    /// The tightest control group.
    pub group: Option<CgroupUsage>,
    /// What is left to it.
    pub headroom: Option<u64>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Leak {
    /// What grows.
    pub what: Growing,
    /// When the growth that was judged began and ended.
    pub start: f64,
    /// See `start`.
    pub end: f64,
    /// Bytes added between the two.
    pub growth: f64,
    /// Bytes per hour.
    pub velocity: f64,
    /// How much there is now.
    pub level: f64,
    /// From 0 to 1.
    pub confidence: f64,
    /// How many measurements it rests on.
    pub samples: usize,
    /// In a sentence.
    pub reason: String,
    /// Milliseconds until the nearest limit at this speed; null if there is none.
    pub time_to_limit: Option<f64>,
    /// Not the first event for this leak: it has become faster.
    pub again: bool,
    /// Judged without a full collection: some of it may be garbage.
    pub provisional: bool,
}

/// How a leak ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Settling {
    /// It doesn't grow any more, and keeps what it has: a cache that is full.
    Stopped,
    /// At least half of it was given back.
    Released,
}

/// The end of a leak.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Settled {
    /// What had been growing.
    pub what: Growing,
    /// When this was seen.
    pub at: f64,
    /// How.
    pub how: Settling,
    /// How much there is now.
    pub level: f64,
    /// In a sentence.
    pub reason: String,
}

/// A limit that is near.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Pressure {
    /// `heap` for V8's limit, `group` for the control group's.
    pub limited_by: &'static str,
    pub at: f64,
    /// Bytes in use: what lives in the heap, or what the group has.
    pub used: u64,
    pub limit: u64,
    /// What is left.
    pub headroom: u64,
    /// `used` as a share of `limit`.
    pub share: f64,
    /// Bytes per hour at which it grows; null while unknown.
    pub velocity: Option<f64>,
    /// Milliseconds to the limit at this speed; null if it doesn't grow.
    pub time_to_limit: Option<f64>,
    /// In a sentence.
    pub reason: String,
}
