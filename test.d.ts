// Types of `require('stillheap/test')`.

import type { LeakSuspect } from './lib/snapshot.js';

interface LeakOptions {
  /** Calls per round; a leak has to show in each round. Default: 100. */
  iterations?: number;
  /** Calls before anything is measured, for what is compiled, loaded or cached once. Default: `iterations`. */
  warmUp?: number;
  /**
   * Watch only these classes, by name or constructor, and by their numbers alone. Snapshots are then taken whether
   * or not the heap grows. Default: all classes but those of compiled code.
   */
  classes?: (string | (abstract new (...args: never[]) => unknown))[];
  /** Objects of a class that may be left per call, in each round. Default: 0.1. */
  tolerance?: number;
  /** Bytes of a class that may be left per call, in each round. Default: 32. */
  toleranceBytes?: number;
  /**
   * A directory, made if it is not there, in which the snapshots of a leak are left, each run's in a folder of its own (for `stillheap
   * leaks` or Chrome DevTools; they hold every string of the process). Default: none are left.
   */
  snapshotDir?: string | URL;
  /**
   * `'github'`: also write the failure to standard output as a workflow command of GitHub Actions, which shows it
   * at its line. `'auto'`: where `GITHUB_ACTIONS` is `true`. Default: `'auto'`.
   */
  annotate?: 'auto' | 'github' | 'none';
}

/** A class that became larger in every round. */
interface GrowingClass {
  className: string;
  /** Objects before the first round and after each. */
  counts: number[];
  /** Their own sizes, in bytes. */
  sizes: number[];
  objectsPerCall: number;
  bytesPerCall: number;
}

/** What `assertNoLeak` rejects with when something leaks. */
interface LeakError extends Error {
  /** `'ERR_STILLHEAP_LEAK'`. */
  code: string;
  /** What grew, most bytes per call first. */
  classes: GrowingClass[];
  /** Why, as `leaks()` says it of the snapshots: the cause, the line, the way from a root. */
  verdict: LeakSuspect | undefined;
  /** The failure in one line: `::error file=…,line=…,col=…,title=…::…`. */
  annotation: string;
}

declare const test: {
  /**
   * Calls a function again and again, in this process, and fails if it leaves objects behind each time.
   *
   * The function is called with 0, 1, 2, …, and what it returns is awaited before the next call. Nothing else
   * should run in the process meanwhile; several calls of `assertNoLeak` wait for one another. A function that is
   * well costs some collections (milliseconds on a small heap); four snapshots are taken if the heap may be
   * growing, or if `classes` are given. Less than 16 bytes per call go unnoticed.
   *
   * @throws (rejects) TypeError for wrong arguments, LeakError, what the function throws, StillheapError if a
   * snapshot can't be taken
   */
  assertNoLeak(fn: (n: number) => unknown, options?: LeakOptions): Promise<void>;
};

declare namespace test {
  export type { GrowingClass, LeakError, LeakOptions };
}

export = test;
