import { EventEmitter } from 'node:events';
import { PassThrough } from 'node:stream';
import type * as analysis from './lib/snapshot.js';
import type * as watching from './lib/watch.js';

/** How a file is compressed while it is written. DevTools opens plain files only; stillheap opens all of them. */
type Compression = 'none' | 'gzip' | 'zstd';

/** Where the heap is frozen: in this process, which stops during the capture (`'inline'`), or in a forked child. */
type CaptureMode = 'inline' | 'fork';

/** In order of time. */
type CapturePhase = 'generating' | 'serializing' | 'writing' | 'done';

/** Options of single captures and of the defaults. */
interface CommonOptions {
  /**
   * The directory for files that are named by the template. It must exist. Default: `STILLHEAP_DIR`, else the
   * working directory or, if that is not writable, the temporary directory.
   */
  dir?: string | Buffer | URL;
  /** The directory to use if `dir` is not writable. Default: `STILLHEAP_FALLBACK_DIR`, else none. */
  fallbackDir?: string | Buffer | URL;
  /**
   * A template for file names, with `{date}` (UTC), `{pid}`, `{thread}` and `{seq}`. The compression determines the
   * extension. Default: `STILLHEAP_NAME`, else `heapdump-{date}-{pid}-{thread}`.
   */
  name?: string;
  /**
   * `'inline'`: in this process, which stops during the capture. `'fork'`: in a forked child (Linux, glibc; see
   * docs/fork.md), with a pause of milliseconds. `'auto'`: `'fork'` if available, else `'inline'`,
   * and `modeReason` says why. Default: `STILLHEAP_MODE`, else `'auto'`. `writeSnapshot()` is inline
   * unless `NODE_HEAPDUMP_OPTIONS` contains `fork`.
   */
  mode?: 'auto' | CaptureMode;
  /**
   * The code that reads the heap in a forked child. `'v8'`: V8's generator, which needs up to 18 times the heap's
   * memory. `'own'`: stillheap's reader (docs/fork.md), which needs about a tenth of the heap's memory and a fifth of the
   * time, and runs no finalizers; if it can't read this heap, the capture fails. `'auto'`: stillheap's reader if it can,
   * else V8's generator, and `engineReason` says why. Inline captures always use V8's generator. Default: `STILLHEAP_ENGINE`, else `'v8'`
   * (`STILLHEAP_ENGINE=node`: everything through `node:v8`).
   */
  engine?: 'v8' | 'own' | 'auto';
  /** `'inline'`: a failed forked capture is repeated in this process. Default: `STILLHEAP_FALLBACK`, else `'none'`. */
  fallback?: 'none' | 'inline';
  /**
   * Where V8's working memory for a forked capture is; it can be 18 times the heap. `'disk'`: in an
   * unlinked file beside the snapshot, which the kernel can write out if memory is short; slower. `'auto'`:
   * on disk if memory is short. Default: `STILLHEAP_SCRATCH`, else `'memory'`.
   */
  scratch?: 'memory' | 'disk' | 'auto';
  /**
   * Capture even if memory seems too short: by the estimate for a forked child, or in this process by
   * V8's smallest need for the objects that it has counted. Default: `STILLHEAP_FORCE`, else false.
   */
  force?: boolean;
  /** The longest time for a forked capture, in milliseconds. Default: `STILLHEAP_TIME_LIMIT`, else 1,800,000. */
  timeLimit?: number;
  /** The forked child finishes its file even if this process ends first. Default: `STILLHEAP_OUTLIVE`, else false. */
  outlive?: boolean;
  /** Default: `STILLHEAP_COMPRESS`, else `'none'`; with `file`, as its extension (.gz, .zst) says. */
  compress?: Compression;
  /** Include the values of numbers (V8's `kExposeNumericValues`). Default: `STILLHEAP_NUMERIC_VALUES`, else false. */
  numericValues?: boolean;
  /** Include V8's internal objects (V8's `kExposeInternals`). Default: `STILLHEAP_INTERNALS`, else false. */
  internals?: boolean;
  /**
   * Keep the ids that V8 gives to objects, so that DevTools can match the objects of this snapshot with those of
   * the next one. The cost is lasting: V8 tracks every object that moves from then on, and code that allocates a
   * lot runs several times slower until a capture with `false` clears the ids.
   * Default: false, or true with `STILLHEAP_OBJECT_IDS=keep`.
   */
  keepObjectIds?: boolean;
  /** Replace an existing regular file. Links and devices are never replaced. Default: `STILLHEAP_OVERWRITE`, else false. */
  overwrite?: boolean;
  /**
   * Remove possible secrets before anything is written (docs/redact.md): strings, numbers, keys from data,
   * directories of scripts and, unless `source` is false, source text become placeholders of the same length.
   * Classes, names from the source, sizes and the graph stay. Needs an engine other than `node:v8`. `scratch` can't be
   * `'disk'` then, and `'auto'` means `'memory'`, because V8's working memory contains the texts.
   * Default: `STILLHEAP_REDACT` (`keep-source` for `{ source: false }`), else false.
   */
  redact?: boolean | RedactOptions;
}

interface RedactOptions {
  /** Also replace source text. Default: true. */
  source?: boolean;
}

interface CaptureOptions extends CommonOptions {
  /** The file to write, relative to the working directory. Cannot be combined with `dir` and `name`. */
  file?: string | Buffer | URL;
  /**
   * Called at the start of each phase, and with `'done'` at the end. An exception from it stops the capture
   * and rejects the promise.
   */
  onProgress?: (progress: CaptureProgress) => void;
  /** Stops the capture at its next step and removes its file. The promise rejects with the signal's reason. */
  signal?: AbortSignal;
}

interface CaptureProgress {
  phase: CapturePhase;
  /** Work done and in total, in the phase's unit; forked captures only. `total` is 0 while unknown. */
  done?: number;
  total?: number;
}

/** Defaults for all captures of this thread, and the signal that triggers one. */
interface ProcessOptions extends CommonOptions {
  /**
   * The signal that triggers a capture, or false for none. Default: `STILLHEAP_SIGNAL`, else `'SIGUSR2'`;
   * none with `NODE_HEAPDUMP_OPTIONS=nosignal`.
   */
  signal?: SignalName | false;
  /**
   * The threads that the signal captures: the main thread, or every thread that has loaded stillheap, each into
   * its own file. Default: `STILLHEAP_THREADS`, else `'main'`.
   */
  threads?: 'main' | 'all';
  /** Write no lines on stderr about the outcome of signals. Default: `STILLHEAP_QUIET`, else false. */
  quiet?: boolean;
  /** The same as `captureNearHeapLimit`; false cancels it. Default: `STILLHEAP_NEAR_HEAP_LIMIT`, else false. */
  nearHeapLimit?: boolean | NearHeapLimitOptions;
}

/** The capture at V8's heap limit. */
interface NearHeapLimitOptions extends Omit<CommonOptions, 'keepObjectIds' | 'outlive' | 'fallback'> {
  /**
   * Bytes by which the limit is raised, once, after the snapshot. Default: 67,108,864, or less if that
   * might not fit into the control group; in a worker just enough that Node ends the worker before V8 ends
   * the process. The variable is `STILLHEAP_NEAR_HEAP_LIMIT_RAISE`.
   */
  raise?: number;
  /**
   * Whether the thread waits until the forked child has finished. A container ends with its first process,
   * and the child with it. Outside a container, false lets the process end and be restarted
   * while the child still writes.
   * Default: `STILLHEAP_NEAR_HEAP_LIMIT_HOLD`, else true.
   */
  hold?: boolean;
  /**
   * Whether V8 samples allocations from now on, so that the heap-limit report names the functions that allocated the
   * live objects, even if there is no memory for a snapshot. A number is the bytes per sample; true means 524,288. The
   * cost is small (docs/near-limit.md). Default: `STILLHEAP_NEAR_HEAP_LIMIT_SAMPLE`, else false.
   */
  sample?: boolean | number;
  /** No lines on stderr. Default: `STILLHEAP_QUIET`, else false. */
  quiet?: boolean;
}

/** A capture that will happen at the heap limit. */
interface NearHeapLimitCapture {
  /** Whether it has not happened yet. */
  readonly armed: boolean;
  /** Cancels it; true if it was armed. */
  cancel(): boolean;
}

type SignalName =
  | 'SIGUSR2'
  | 'SIGUSR1'
  | 'SIGHUP'
  | 'SIGQUIT'
  | 'SIGWINCH'
  | 'SIGURG'
  | 'SIGIO'
  | 'SIGPWR'
  | 'SIGALRM';

/** A successful capture. */
interface CaptureResult {
  /** Absolute path of the finished file: synced, mode 0600. */
  file: string;
  /** The path's bytes, if they are not UTF-8; `file` then has U+FFFD for the invalid ones. */
  fileBytes?: Buffer;
  /** The file's size in bytes. */
  bytes: number;
  /** Bytes before compression. */
  rawBytes: number;
  compress: Compression;
  /** How long the JavaScript thread was stopped, in milliseconds. */
  pauseMs: number;
  /** How long V8 walked the heap: a part of the pause, except in a forked child. */
  generateMs: number;
  /** How long V8 wrote the snapshot: a part of the pause, except in a forked child. */
  serializeMs: number;
  /** From the start to the synced file with its final name, in milliseconds. */
  durationMs: number;
  /** Secrets were removed, as with `redact`. */
  redacted?: true;
  mode: CaptureMode;
  /** Why `'auto'` did not use `'fork'`. */
  modeReason?: string;
  /**
   * `'v8'`: V8's generator, called directly. `'own'`: stillheap's reader, in a forked child. `'node'`: through the module
   * `node:v8`.
   */
  engine: 'v8' | 'own' | 'node';
  /** Why `node:v8` was used, or why V8's generator was used instead of stillheap's reader. */
  engineReason?: string;
  /**
   * Whether V8 still knows the ids it gave; see `keepObjectIds`. `'addresses'`: our own reader gave them, and objects of
   * the old generation that have not moved have the same id in the next capture.
   */
  objectIds: 'kept' | 'cleared' | 'addresses';
  /** Why. */
  objectIdsReason?: string;
  /** Nodes in the snapshot; null if V8 wasn't called directly. */
  nodeCount: number | null;
  pid: number;
  /** `worker_threads.threadId` of the captured thread. */
  threadId: number;
  isMainThread: boolean;
  startTime: Date;
  trigger: 'call' | 'signal' | 'near-heap-limit';
  /** At the heap limit: the heap-limit report (docs/json-schema.md), null if it couldn't be written. */
  report?: string | null;
  /** The report's path in bytes, if they are not UTF-8. */
  reportBytes?: Buffer;
  /** Forked captures: the number of children. */
  attempts?: number;
  /** The reasons of failed forked captures. */
  failedAttempts?: string[];
  /**
   * Forked captures: system calls of native finalizers that were refused in the child (docs/fork.md).
   */
  refusedCalls?: { call: string; times: number }[];
  /** Forked captures: the preparation on another thread, before the pause, in milliseconds. */
  prepareMs?: number;
  /** Forked captures: the child's process id. */
  childPid?: number;
  /** Forked captures: the parts of the pause, in milliseconds. */
  pauseParts?: { recheckMs: number; includeMs: number; forkMs: number; restoreMs: number };
  /** Forked captures: why `scratch` was not followed. */
  scratchReason?: string;
  /**
   * Forked captures, in bytes: the child's estimated need, the memory that was free before (null if there is no
   * limit), the memory that it used, its peak of resident memory, and the working memory on disk, if it was
   * there.
   */
  memory?: { estimate: number; room: number | null; taken: number; childPeak: number; disk?: number };
  /**
   * Forked captures: after the child's end, another thread makes the service's resident pages writable again, so
   * that the service's next writes are no page faults; milliseconds, and bytes of pages. Absent before Linux 5.14,
   * where the first write to each page is a fault, and at the heap limit with `hold`.
   */
  thaw?: { ms: number; bytes: number };
  /** Present if the first choice of directory was not writable. */
  fallbackDir?: { wanted: string; reason: string };
}

/** A snapshot as a stream, with the same bytes as a file. */
interface CaptureStream extends PassThrough {
  /** Resolves when the snapshot is complete and its bytes begin to flow. */
  readonly result: Promise<Omit<CaptureResult, 'file'>>;
}

/** An error of stillheap or of the system, with code and, if known, errno, syscall and path. */
interface StillheapError extends Error {
  /** `'ENOSPC'`, `'EEXIST'`, … or `'ERR_STILLHEAP_…'`. */
  code: string;
  /** Negative, as in Node's own errors. */
  errno?: number;
  syscall?: string;
  path?: string;
  /** At the heap limit: the heap-limit report that was written although the snapshot failed. */
  report?: string;
  /** The report's path in bytes, if they are not UTF-8. */
  reportBytes?: Buffer;
}

interface StillheapEvents {
  /** A successful capture, from a call or a signal. */
  snapshot: [result: CaptureResult];
  /** A failed capture of a signal. Without a listener, one line is written to stderr. */
  error: [error: StillheapError];
}

interface Stillheap extends EventEmitter<StillheapEvents> {
  /**
   * heapdump's function. Writes a snapshot before it returns, by default to
   * `heapdump-*.heapsnapshot` in the working directory. The callback is called before it returns, too.
   *
   * @returns whether the snapshot was written
   * @throws TypeError for arguments of a wrong type; no file is written then
   */
  writeSnapshot(callback?: (error: StillheapError | null, filename?: string) => void): boolean;
  writeSnapshot(
    filename?: string | URL | null,
    callback?: ((error: StillheapError | null, filename?: string) => void) | null,
  ): boolean;

  /**
   * Writes a snapshot of this thread's heap to a file. Captures of one thread run one after the other.
   *
   * @throws (rejects) TypeError for wrong options, StillheapError, or the AbortSignal's reason
   */
  capture(options?: CaptureOptions): Promise<CaptureResult>;

  /**
   * A snapshot as a stream, for piping to storage. It is first written to an unlinked file in `dir` (default: the
   * temporary directory), so memory stays small even if the consumer is slow.
   *
   * @throws TypeError for wrong options; other errors destroy the stream
   */
  captureStream(options?: Omit<CaptureOptions, 'file' | 'name' | 'overwrite'>): CaptureStream;

  /**
   * Arms one capture of this thread's heap for the moment when V8 reaches its limit (`--max-old-space-size`, or a
   * worker's `resourceLimits`) and is about to end the process. A small report is written first. The capture uses a forked
   * child if available (`mode: 'auto'` is the default here, regardless of `configure`). Then the limit is raised once; V8
   * restores it when the heap has become smaller.
   *
   * @throws TypeError for wrong options; StillheapError (ERR_STILLHEAP_UNSUPPORTED)
   */
  captureNearHeapLimit(options?: NearHeapLimitOptions): NearHeapLimitCapture;

  /**
   * Sets defaults for later captures, including those on a signal.
   *
   * @throws TypeError for wrong options; StillheapError (ERR_STILLHEAP_SIGNAL) if the signal can't be handled
   */
  configure(options: ProcessOptions): void;

  /**
   * Installs the signal handler. Loading the module does this already, except with
   * `NODE_HEAPDUMP_OPTIONS=nosignal` or `STILLHEAP_SIGNAL=none`.
   *
   * @throws as `configure`
   */
  start(options?: ProcessOptions): void;

  /** Removes the signal handler of the process: the signal has its previous effect again. */
  stop(): void;

  /**
   * Reads a snapshot file (plain, gzip or zstd), off the JavaScript thread. The result has the commands of
   * `npx stillheap` as methods.
   *
   * @throws (rejects) TypeError for wrong arguments; an Error with a code if the file can't be read
   */
  open: typeof analysis.open;
  leaks: typeof analysis.leaks;

  /**
   * Watches this thread's heap, and emits an event if there is a leak. See docs/watch.md.
   *
   * @throws TypeError for wrong options
   */
  watch: typeof watching.watch;

  /** stillheap's version. */
  readonly version: string;
  /** The engine of captures in this process. */
  readonly engine: 'v8' | 'node';
  /** Why `engine` is `'node'`. */
  readonly engineReason?: string;
}

declare const stillheap: Stillheap;

declare namespace stillheap {
  export type {
    CaptureMode,
    CaptureOptions,
    CapturePhase,
    CaptureProgress,
    CaptureResult,
    CaptureStream,
    CommonOptions,
    Compression,
    NearHeapLimitCapture,
    NearHeapLimitOptions,
    ProcessOptions,
    RedactOptions,
    SignalName,
    Stillheap,
    StillheapError,
    StillheapEvents,
  };
  export type GcEvent = watching.GcEvent;
  export type GcFigures = watching.GcFigures;
  export type GcHeap = watching.GcHeap;
  export type GcKind = watching.GcKind;
  export type Growing = watching.Growing;
  export type Leak = watching.Leak;
  export type Pressure = watching.Pressure;
  export type Settled = watching.Settled;
  export type Watch = watching.Watch;
  export type WatchEvents = watching.WatchEvents;
  export type WatchMemory = watching.WatchMemory;
  export type WatchOptions = watching.WatchOptions;
  export type WatchStats = watching.WatchStats;
}

export = stillheap;
