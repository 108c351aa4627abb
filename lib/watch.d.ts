import type { EventEmitter } from 'node:events';
import type { CaptureResult, CommonOptions } from '../index.js';

/** What grows: V8's heap, memory that its objects keep outside of it, or memory that V8 knows nothing of. */
export type Growing = 'heap' | 'external' | 'native';

/** The rule and its thresholds. Times are milliseconds, sizes bytes, shares from 0 to 1. */
export interface WatchOptions {
  /**
   * `'trend'`: a robust trend over time, of what lives after full collections. `'consecutive'`: memwatch's, a
   * larger heap after each of `consecutive` full collections in a row. Default: `'trend'`.
   */
  strategy?: 'trend' | 'consecutive';
  /** What is measured in the first time of the watch doesn't count. Default: 60,000. */
  warmup?: number;
  /**
   * How long growth must last. As little as an eighth of it will do when the limit is near; samples that are rare
   * or noisy need more. A cache that fills evenly for longer is told as a leak, until it `settled`. At least 100.
   * Default: 600,000.
   */
  minTime?: number;
  /** How many bytes must have been added; of `'native'` memory four times as many. Default: 4,194,304. */
  minGrowth?: number;
  /** And which share of what was there. Default: 0.03. */
  minShare?: number;
  /** How many samples must show it, 4 to 64. Default: 8. */
  minSamples?: number;
  /** The least speed of a window's second half, as a share of its first half's. Default: 0.7. */
  minSteadiness?: number;
  /** The least confidence. Default: 0.5. */
  minConfidence?: number;
  /** How many times the noise the growth must be. Default: 4. */
  minClarity?: number;
  /** For the strategy of that name: how many collections in a row. Default: 5. */
  consecutive?: number;
  /**
   * When the old generation has grown and V8 has had no full collection for `minTime`: `'request'` has V8 begin
   * one beside the program, as it does itself when memory is scarce; `'wait'` leaves V8 alone, and a leak is told
   * later, as `provisional`. Default: `'request'`.
   */
  fullGc?: 'request' | 'wait';
  /** `pressure` when so much of a limit is used. Default: 0.85. */
  pressureShare?: number;
  /** `pressure` when more than half is used and a limit is so near at the present speed. Default: 600,000. */
  pressureTime?: number;
  /** How often memory is looked at between collections. Default: 10,000. */
  interval?: number;
  /** Stops the watch. */
  signal?: AbortSignal;
  /** Snapshots of a leak, taken when they are worth most. Default: none. */
  onLeak?: OnLeakOptions;
}

/**
 * Which snapshots a leak has taken, and how many files stay. A leak of `'native'` memory has none: it is not in
 * V8's heap. Files are named `heapdump-leak-{date}-HOST-{pid}-{thread}`, unless `name` says otherwise.
 */
export interface OnLeakOptions extends Omit<CommonOptions, 'keepObjectIds'> {
  /** How many of each leak, 1 to 16. Default: 2. */
  capture?: number;
  /** When the first is taken: when the leak is told, or after the watch's first collection. Default: `'leak'`. */
  baseline?: 'leak' | 'start';
  /** The next is taken when so many bytes have been added since, and such a share. Defaults: 8,388,608, 0.1. */
  growth?: number;
  share?: number;
  /** At least so many milliseconds between two. Default: 60,000. */
  minInterval?: number;
  /** At least so many milliseconds between the last of a leak and the first of the next. Default: 3,600,000. */
  pause?: number;
  /**
   * How many files stay in the directory, and how many bytes: the oldest go first, also those that processes
   * before this one left, the newest stays. With a `name`, only this watch's own files count. Defaults: 6, 4 GiB.
   */
  maxFiles?: number;
  maxBytes?: number;
  /** Compare the first with the last, in a process of its own: `classes` in the event. Default: false. */
  compare?: boolean;
  /** Called with every `captured`. */
  callback?: (captured: Captured) => void;
}

/** A snapshot of a leak was taken. */
export interface Captured {
  /** Null for a baseline before any leak. */
  leak: Leak | null;
  /** All of this leak so far that still exist, the oldest first. */
  files: CaptureResult[];
  /** Whether no more of this leak will be taken. */
  complete: boolean;
  /** With `compare`, when complete: the classes that grew, as `stillheap diff --json` has them, the largest first. */
  classes?: { name: string; countDelta: number; sizeDelta: number }[];
  /** Why there are no `classes`. */
  compareError?: Error;
}

/** After a full collection. */
export interface WatchStats {
  at: Date;
  collections: { full: number; minor: number };
  /** Bytes that live in V8's heap. */
  used: number;
  /** Bytes at which V8 gives up: the old generation's limit (`heap_size_limit` counts the young one's room, too). */
  limit: number;
  /** Moving average of `used` over some ten collections. */
  base: number;
  /** The least and the most after any collection, the first two left out; null before. */
  min: number | null;
  max: number | null;
  /** By how many per cent the average over ten collections exceeds that over 120. */
  trend: number;
  /** Bytes per hour by which `used` grows; null while too little is known. */
  velocity: number | null;
  externalVelocity: number | null;
  nativeVelocity: number | null;
  /** What is leaking at present. */
  growing: Growing[];
  memory: WatchMemory;
  /** The tightest control group; null if none has a limit. */
  group: { limit: number; used: number } | null;
  /** Bytes that are left to it. */
  headroom: number | null;
}

/** Where memory is, in bytes. */
export interface WatchMemory {
  /** The process's resident memory; null in workers. */
  rss: number | null;
  /** What V8 has of the system for its heap. */
  heap: number;
  /** Machine code's share of the heap. */
  code: number;
  /** What objects of the heap keep outside of it. */
  external: number;
  /** Array buffers' share of that. */
  arrayBuffers: number | null;
  /** The rest of `rss`: native code's and the allocator's. */
  native: number | null;
}

/** Something grows and should not. Once per leak, and again when it has become twice as fast. */
export interface Leak {
  what: Growing;
  /** The span of time that was judged. */
  start: Date;
  end: Date;
  /** Bytes added in it. */
  growth: number;
  /** Bytes per hour. */
  velocity: number;
  /** In a sentence. */
  reason: string;
  /** From 0 to 1: how ordered, clear, steady and long the growth is. */
  confidence: number;
  /** How many measurements it rests on. */
  samples: number;
  /** Bytes at its end. */
  level: number;
  /** Milliseconds to the nearest limit at this speed; null if nothing limits it. */
  timeToLimit: number | null;
  /** Told before, and faster now. */
  again: boolean;
  /** Seen without a full collection: some of it may be garbage. */
  provisional: boolean;
}

/** A leak that has ended. */
export interface Settled {
  what: Growing;
  at: Date;
  /** `'stopped'`: it keeps what it has, as a full cache does. `'released'`: most was given back. */
  how: 'stopped' | 'released';
  level: number;
  reason: string;
}

/** A limit is near. Once per approach. */
export interface Pressure {
  /** V8's limit of the heap, or the control group's. */
  limitedBy: 'heap' | 'group';
  at: Date;
  used: number;
  limit: number;
  headroom: number;
  /** `used` as a share of `limit`. */
  share: number;
  /** Bytes per hour. */
  velocity: number | null;
  /** Milliseconds until the limit is reached at this speed; null if it isn't approached. */
  timeToLimit: number | null;
  reason: string;
}

export type GcKind = 'minor' | 'major' | 'incremental' | 'weakcb';

export interface GcHeap {
  used: number;
  total: number;
  external: number;
  /** By V8's names; absent with the engine `'perf_hooks'`. */
  spaces?: Record<string, { used: number; size: number }>;
}

/** A collection. They are recorded only while somebody listens to `gc`. */
export interface GcEvent {
  kind: GcKind;
  start: Date;
  /** Milliseconds for which the thread stood still. */
  duration: number;
  /** What V8 calls forced: by the tests' own function, or by the profiler. */
  forced: boolean;
  /** Absent with the engine `'perf_hooks'`. */
  before?: GcHeap;
  after: GcHeap;
}

/** All collections of a kind since the watch began. */
export interface GcFigures {
  count: number;
  totalMs: number;
  longestMs: number;
  /** How many took at most so many milliseconds. */
  buckets: [bound: number, count: number][];
}

export interface WatchEvents {
  stats: [stats: WatchStats];
  leak: [leak: Leak];
  settled: [settled: Settled];
  pressure: [pressure: Pressure];
  captured: [captured: Captured];
  /** A snapshot that `onLeak` wanted failed; it is tried again after later collections, three times at most. */
  captureFailed: [error: Error & { code?: string }];
  gc: [gc: GcEvent];
  /** So many collections came too fast to be recorded for `gc`; they are counted all the same. */
  lost: [count: number];
}

/** Watches the heap of the thread that made it, and doesn't keep the process alive. */
export interface Watch extends EventEmitter<WatchEvents> {
  /** `'v8'`: from inside of V8. `'perf_hooks'`: through Node's observer. */
  readonly engine: 'v8' | 'perf_hooks';
  /** Why `engine` is `'perf_hooks'`. */
  readonly engineReason?: string;
  readonly running: boolean;
  /**
   * Bytes of the old generation at which V8 gives up; undefined for a V8 that this version doesn't know, unless a flag
   * says it. `pressure` then compares with V8's `heap_size_limit`, which is larger.
   */
  readonly limit?: number;
  /** The figures after the latest full collection. */
  readonly stats: WatchStats | undefined;
  /** The collections since the watch began. Empty after `stop`. */
  readonly collections: Partial<Record<GcKind, GcFigures>>;
  /** Collects all garbage now: the thread stands still meanwhile. `stats` follows. */
  gc(): void;
  /** Ends it. May be called twice. */
  stop(): void;
}

/**
 * Begins to watch this thread's heap.
 *
 * @throws TypeError for wrong options
 */
export function watch(options?: WatchOptions): Watch;
