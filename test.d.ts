// Types of `require('stillheap/test')`.

import type { LeakSuspect } from './lib/snapshot.js';

interface LeakOptions {
  /** Calls per round. A leak must show in each round. Default: 100. */
  iterations?: number;
  /** Calls before the first measurement, for code and data that is compiled, loaded or cached once. Default: `iterations`. */
  warmUp?: number;
  /**
   * Check only these classes, by name or constructor, and only their counts. Snapshots are then always
   * taken. Default: all classes but those of compiled code.
   */
  classes?: (string | (abstract new (...args: never[]) => unknown))[];
  /** Objects of a class that each call may leave behind, in each round. Default: 0.1. */
  tolerance?: number;
  /** Bytes of a class that each call may leave behind, in each round. Default: 32. */
  toleranceBytes?: number;
  /**
   * A directory for the snapshots of a leak, for `stillheap leaks` or Chrome DevTools; it is created if necessary, and
   * each run has a folder in it. The snapshots contain every string of the process. Default: no snapshots are kept.
   */
  snapshotDir?: string | URL;
  /**
   * `'github'`: also write the failure to standard output as a workflow command of GitHub Actions, which shows it
   * at its line. `'auto'`: if `GITHUB_ACTIONS` is `true`. Default: `'auto'`.
   */
  annotate?: 'auto' | 'github' | 'none';
}

/** A class that became larger in every round. */
interface GrowingClass {
  className: string;
  /** Objects before the first round and after each. */
  counts: number[];
  /** Their self sizes, in bytes. */
  sizes: number[];
  objectsPerCall: number;
  bytesPerCall: number;
}

/** The error of `assertNoLeak` for a leak. */
interface LeakError extends Error {
  /** `'ERR_STILLHEAP_LEAK'`. */
  code: string;
  /** The classes that grew, most bytes per call first. */
  classes: GrowingClass[];
  /** The cause, the line and the retaining path, as `leaks()` gives them for the snapshots. */
  verdict: LeakSuspect | undefined;
  /** The failure in one line: `::error file=…,line=…,col=…,title=…::…`. */
  annotation: string;
}

declare const test: {
  /**
   * Calls a function repeatedly, in this process, and fails if it leaves objects behind in every round.
   *
   * The function is called with 0, 1, 2, …, and its result is awaited before the next call. Nothing else
   * should run in the process meanwhile; several calls of `assertNoLeak` wait for each other. Without a leak, the cost
   * is a few collections (milliseconds on a small heap). Four snapshots are taken if the heap may be
   * growing, or if `classes` are given. A leak of less than 16 bytes per call goes unnoticed.
   *
   * @throws (rejects) TypeError for wrong arguments, LeakError, the function's own error, StillheapError if a
   * snapshot fails
   */
  assertNoLeak(fn: (n: number) => unknown, options?: LeakOptions): Promise<void>;
};

declare namespace test {
  export type { GrowingClass, LeakError, LeakOptions };
}

export = test;
