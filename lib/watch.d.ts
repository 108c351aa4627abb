import type { EventEmitter } from 'node:events';
import type { CaptureResult, CommonOptions } from '../index.js';

/** What grows: V8's heap, memory outside that its objects own, or memory unknown to V8. */
export type Growing = 'heap' | 'external' | 'native';

/** The rule and its thresholds. Times are milliseconds, sizes bytes, shares from 0 to 1. */
export interface WatchOptions {
  /**
   * `'trend'`: a robust trend of the live size over time. `'consecutive'`: memwatch's rule, a
   * larger heap after each of `consecutive` full collections in a row. Default: `'trend'`.
   */
  strategy?: 'trend' | 'consecutive';
  /** Samples in this time after the start of the watch don't count. Default: 60,000. */
  warmup?: number;
  /**
   * How long growth must last. Near the limit, an eighth of it is enough; with few or noisy samples it takes longer.
   * A cache that fills evenly for longer is reported as a leak, until it `settled`. At least 100.
   * Default: 600,000.
   */
  minTime?: number;
  /** The least growth in bytes; four times as much for `'native'` memory. Default: 4,194,304. */
  minGrowth?: number;
  /** The least growth as a share of the size before. Default: 0.03. */
  minShare?: number;
  /** The least number of samples, 4 to 64. Default: 8. */
  minSamples?: number;
  /** The least velocity in a window's second half, as a share of its first half's. Default: 0.7. */
  minSteadiness?: number;
  /** The least confidence. Default: 0.5. */
  minConfidence?: number;
  /** The least ratio of growth to noise. Default: 4. */
  minClarity?: number;
  /** For the strategy of that name: the number of collections in a row. Default: 5. */
  consecutive?: number;
  /**
   * If the old generation has grown and V8 has run no full collection for `minTime`: `'request'` makes V8 start
   * a concurrent one, as it does itself if memory is short; `'wait'` does not, and a leak is reported
   * later, as `provisional`. Default: `'request'`.
   */
  fullGc?: 'request' | 'wait';
  /** Emit `pressure` when this share of a limit is used. Default: 0.85. */
  pressureShare?: number;
  /** Emit `pressure` when more than half is used and the limit is this near at the present velocity. Default: 600,000. */
  pressureTime?: number;
  /** How often memory is sampled between collections. Default: 10,000. */
  interval?: number;
  /** Stops the watch. */
  signal?: AbortSignal;
  /** Snapshots of a leak. Default: none. */
  onLeak?: OnLeakOptions;
}

/**
 * The snapshots of a leak, and the number of files to keep. A leak of `'native'` memory has none, because it is not in
 * V8's heap. The default name is `heapdump-leak-{date}-HOST-{pid}-{thread}`.
 */
export interface OnLeakOptions extends Omit<CommonOptions, 'keepObjectIds'> {
  /** Snapshots per leak, 1 to 16. Default: 2. */
  capture?: number;
  /** When the first is taken: when the leak is reported, or after the watch's first collection. Default: `'leak'`. */
  baseline?: 'leak' | 'start';
  /** The next one is taken after a growth of this many bytes and this share. Defaults: 8,388,608, 0.1. */
  growth?: number;
  share?: number;
  /** The least time between two, in milliseconds. Default: 60,000. */
  minInterval?: number;
  /** The least time between the last one of a leak and the first one of the next, in milliseconds. Default: 3,600,000. */
  pause?: number;
  /**
   * The most files and bytes to keep in the directory. The oldest are removed first, including those of earlier
   * processes; the newest stays. With a `name`, only this watch's files count. Defaults: 6, 4 GiB.
   */
  maxFiles?: number;
  maxBytes?: number;
  /** Compare the first with the last, in another process: `classes` in the event. Default: false. */
  compare?: boolean;
  /** Called with every `captured`. */
  callback?: (captured: Captured) => void;
}

/** A snapshot of a leak was taken. */
export interface Captured {
  /** Null for a baseline before any leak. */
  leak: Leak | null;
  /** This leak's snapshots that still exist, oldest first. */
  files: CaptureResult[];
  /** Whether this was the leak's last snapshot. */
  complete: boolean;
  /** With `compare`, when complete: the classes that grew, as in `stillheap diff --json`, largest first. */
  classes?: { name: string; countDelta: number; sizeDelta: number }[];
  /** Why there are no `classes`. */
  compareError?: Error;
}

/** After a full collection. */
export interface WatchStats {
  at: Date;
  collections: { full: number; minor: number };
  /** Live bytes in V8's heap. */
  used: number;
  /** Bytes at which V8 ends the process: the old generation's limit (`heap_size_limit` includes the young generation). */
  limit: number;
  /** Moving average of `used` over some ten collections. */
  base: number;
  /** The least and the most after any collection but the first two; null before. */
  min: number | null;
  max: number | null;
  /** Percentage by which the average over ten collections exceeds that over 120. */
  trend: number;
  /** Growth of `used` in bytes per hour; null at first. */
  velocity: number | null;
  externalVelocity: number | null;
  nativeVelocity: number | null;
  /** Present leaks. */
  growing: Growing[];
  memory: WatchMemory;
  /** The tightest control group; null if none has a limit. */
  group: { limit: number; used: number } | null;
  /** Bytes until its limit. */
  headroom: number | null;
}

/** Where memory is, in bytes. */
export interface WatchMemory {
  /** The process's resident memory; null in workers. */
  rss: number | null;
  /** V8's heap, as allocated from the system. */
  heap: number;
  /** Machine code's share of the heap. */
  code: number;
  /** Memory outside the heap that its objects own. */
  external: number;
  /** Array buffers' share of that. */
  arrayBuffers: number | null;
  /** The rest of `rss`: native code and the allocator. */
  native: number | null;
}

/** A leak. Once per leak, and again when its velocity has doubled. */
export interface Leak {
  what: Growing;
  /** The span of time of the samples. */
  start: Date;
  end: Date;
  /** Bytes added in it. */
  growth: number;
  /** Bytes per hour. */
  velocity: number;
  /** In a sentence. */
  reason: string;
  /** From 0 to 1, by how ordered, clear, steady and long the growth is. */
  confidence: number;
  /** The number of samples. */
  samples: number;
  /** Bytes at its end. */
  level: number;
  /** Milliseconds to the nearest limit at this velocity; null if there is no limit. */
  timeToLimit: number | null;
  /** Reported before, and faster now. */
  again: boolean;
  /** Without a full collection: a part may be garbage. */
  provisional: boolean;
}

/** A leak that has ended. */
export interface Settled {
  what: Growing;
  at: Date;
  /** `'stopped'`: the size stays, as with a full cache. `'released'`: most was freed. */
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
  /** Milliseconds until the limit is reached at this velocity; null if the size doesn't grow. */
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

/** A collection. Collections are recorded only while `gc` has a listener. */
export interface GcEvent {
  kind: GcKind;
  start: Date;
  /** The thread's pause in milliseconds. */
  duration: number;
  /** What V8 calls forced: by its test function, or by the profiler. */
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
  /** The number of collections that took at most `bound` milliseconds. */
  buckets: [bound: number, count: number][];
}

export interface WatchEvents {
  stats: [stats: WatchStats];
  leak: [leak: Leak];
  settled: [settled: Settled];
  pressure: [pressure: Pressure];
  captured: [captured: Captured];
  /** A snapshot of `onLeak` failed; it is tried again after later collections, at most three times. */
  captureFailed: [error: Error & { code?: string }];
  gc: [gc: GcEvent];
  /** The number of collections that were too fast to be recorded for `gc`; they are counted anyway. */
  lost: [count: number];
}

/** Watches the heap of the thread that created it. It does not keep the process running. */
export interface Watch extends EventEmitter<WatchEvents> {
  /** `'v8'`: by V8's own callbacks. `'perf_hooks'`: through Node's observer. */
  readonly engine: 'v8' | 'perf_hooks';
  /** Why `engine` is `'perf_hooks'`. */
  readonly engineReason?: string;
  readonly running: boolean;
  /**
   * Bytes of the old generation at which V8 ends the process; undefined for an unknown V8, unless a flag
   * sets it. `pressure` then uses V8's `heap_size_limit`, which is larger.
   */
  readonly limit?: number;
  /** The figures after the latest full collection. */
  readonly stats: WatchStats | undefined;
  /** The collections since the watch began. Empty after `stop`. */
  readonly collections: Partial<Record<GcKind, GcFigures>>;
  /** Runs a full collection, which stops the thread until it is done. `stats` follows. */
  gc(): void;
  /** Ends the watch. May be called twice. */
  stop(): void;
}

/**
 * Begins to watch this thread's heap.
 *
 * @throws TypeError for wrong options
 */
export function watch(options?: WatchOptions): Watch;
