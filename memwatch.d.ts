import type { EventEmitter } from 'node:events';
import type * as watching from './lib/watch.js';

/** After each full collection. */
interface MemwatchStats {
  num_full_gc: number;
  /** Minor collections. */
  num_inc_gc: number;
  heap_compactions: number;
  /** Percentage by which the recent average exceeds the long-term one. */
  usage_trend: number;
  /** Bytes; moving average. */
  estimated_base: number;
  /** Live bytes. */
  current_base: number;
  /** Bytes; 0 before the third collection. */
  min: number;
  max: number;
}

interface HeapDiffPicture {
  nodes: number;
  time: Date;
  size_bytes: number;
  /** `1.78 mb` */
  size: string;
  /** `'fork'`: taken by a forked child. */
  mode: 'fork' | 'inline';
}

interface HeapDiffDetail {
  /** A constructor, or one of String, Array, Code, Closure, RegExp, Number and V8's internal names. */
  what: string;
  size_bytes: number;
  size: string;
  /** Allocated; matched by class, the increase. */
  '+': number;
  /** Freed; matched by class, the decrease. */
  '-': number;
}

interface HeapDiffResult {
  before: HeapDiffPicture;
  after: HeapDiffPicture;
  change: {
    size_bytes: number;
    size: string;
    freed_nodes: number;
    allocated_nodes: number;
    details: HeapDiffDetail[];
    /** `'id'` needs two snapshots taken in the process (`mode: 'inline'`). */
    matchedBy: 'id' | 'class';
    /** The fifty classes that grew most, by DevTools' names; plain objects are grouped by their properties. */
    classes: { class: string; sizeDelta: number; countDelta: number; count: number; size: number }[];
  };
}

interface HeapDiffOptions {
  /** Default: `'auto'`, a forked child if available. */
  mode?: 'auto' | 'fork' | 'inline';
  /** The directory for the two snapshots, in unlinked files. Default: the temporary directory. */
  dir?: string | URL;
}

declare class HeapDiff {
  /** Takes the first snapshot. @throws if that fails */
  constructor(options?: HeapDiffOptions);
  /** Takes the second snapshot and compares. The thread waits until both are complete. */
  end(): HeapDiffResult;
  /** The same without blocking. The second snapshot is taken when the first is complete. */
  endAsync(): Promise<HeapDiffResult>;
}

interface Memwatch extends EventEmitter<{ leak: [leak: watching.Leak]; stats: [stats: MemwatchStats] }> {
  /** Runs a full collection. */
  gc(): void;
  HeapDiff: typeof HeapDiff;
  /** The rule and its thresholds; `{ strategy: 'consecutive' }` is memwatch's own. */
  configure(options: watching.WatchOptions): void;
}

declare const memwatch: Memwatch;

declare namespace memwatch {
  export type { HeapDiffDetail, HeapDiffOptions, HeapDiffPicture, HeapDiffResult, Memwatch, MemwatchStats };
  export type Leak = watching.Leak;
}

export = memwatch;
