import { EventEmitter } from 'node:events';
import { PassThrough } from 'node:stream';
import type * as analysis from './lib/snapshot.js';
import type * as watching from './lib/watch.js';

/** How a file is compressed while it is written. DevTools opens only plain files; stillheap opens all. */
type Compression = 'none' | 'gzip' | 'zstd';

/** Where the heap is frozen: in this process (`'inline'`: it stands still), or in a forked child. */
type CaptureMode = 'inline' | 'fork';

/** The order is the order in time. */
type CapturePhase = 'generating' | 'serializing' | 'writing' | 'done';

/** What a single capture and the defaults of all captures have in common. */
interface CommonOptions {
  /**
   * The directory for files that are named by the template; must exist. Default: `STILLHEAP_DIR`, else the
   * working directory and, where that can't be written to, the temporary directory.
   */
  dir?: string | Buffer | URL;
  /** A second choice for when `dir` can't be written to. Default: `STILLHEAP_FALLBACK_DIR`, else none. */
  fallbackDir?: string | Buffer | URL;
  /**
   * A template for file names, with `{date}` (UTC), `{pid}`, `{thread}` and `{seq}`. The extension follows
   * from the compression. Default: `STILLHEAP_NAME`, else `heapdump-{date}-{pid}-{thread}`.
   */
  name?: string;
  /**
   * `'inline'`: in this process, which stands still meanwhile. `'fork'`: in a forked child (Linux, glibc; see
   * docs/fork.md), for a pause of milliseconds. `'auto'`: `'fork'` where it works, else `'inline'`,
   * which `modeReason` then explains. Default: `STILLHEAP_MODE`, else `'auto'`. `writeSnapshot()` is inline
   * unless `NODE_HEAPDUMP_OPTIONS` has the word `fork`.
   */
  mode?: 'auto' | CaptureMode;
  /**
   * Who reads the heap in a forked child. `'v8'`: V8's own generator, which needs up to 18 times the heap. `'own'`: our
   * own reader (docs/fork.md), which needs about a tenth, a fifth of the time, and runs nobody's finalizers; where it can't read
   * this heap, the capture is refused. `'auto'`: our own reader where it can, else V8's generator, which
   * `engineReason` then explains. A capture in this process is always V8's. Default: `STILLHEAP_ENGINE`, else `'v8'`
   * (`STILLHEAP_ENGINE=node`: everything through `node:v8`).
   */
  engine?: 'v8' | 'own' | 'auto';
  /** With `'inline'`, a forked capture that fails is repeated in this process. Default: `STILLHEAP_FALLBACK`, else `'none'`. */
  fallback?: 'none' | 'inline';
  /**
   * Where V8's working memory for a forked capture goes, which is up to 18 times the heap. `'disk'`: into an
   * unlinked file beside the snapshot, which the kernel can write out when memory is short; slower. `'auto'`:
   * there if memory doesn't suffice. Default: `STILLHEAP_SCRATCH`, else `'memory'`.
   */
  scratch?: 'memory' | 'disk' | 'auto';
  /**
   * Capture although the memory that is left seems too little: by a forked child's estimate, or in this process by what
   * V8 needs at least for as many objects as it has counted. Default: `STILLHEAP_FORCE`, else false.
   */
  force?: boolean;
  /** How long a forked capture may take, in milliseconds. Default: `STILLHEAP_TIME_LIMIT`, else 1,800,000. */
  timeLimit?: number;
  /** A forked child finishes its file even if this process ends before. Default: `STILLHEAP_OUTLIVE`, else false. */
  outlive?: boolean;
  /** Default: `STILLHEAP_COMPRESS`, else `'none'`; with `file`, what its extension (.gz, .zst) says. */
  compress?: Compression;
  /** Include the values of numbers (V8's `kExposeNumericValues`). Default: `STILLHEAP_NUMERIC_VALUES`, else false. */
  numericValues?: boolean;
  /** Include V8's internal objects (V8's `kExposeInternals`). Default: `STILLHEAP_INTERNALS`, else false. */
  internals?: boolean;
  /**
   * Keep the ids that V8 gives to objects, so that DevTools can match the objects of this snapshot with the
   * next one's. The price is lasting: V8 follows every object that moves from then on, and
   * allocation-heavy code runs several times slower until ids are cleared by a capture with `false`.
   * Default: false, or true with `STILLHEAP_OBJECT_IDS=keep`.
   */
  keepObjectIds?: boolean;
  /** Replace a regular file that is there already. Links and devices are never replaced. Default: `STILLHEAP_OVERWRITE`, else false. */
  overwrite?: boolean;
  /**
   * Take out what may be secret before anything is written (docs/redact.md): strings, numbers, keys that came
   * from data, directories of scripts and, unless `source` is false, source text become placeholders of the
   * same length. Classes, names that stand in the source, sizes and the graph stay. Only where V8 is reached
   * directly. With it, `scratch` can't be `'disk'`, and `'auto'` means `'memory'`: V8's working memory holds the texts.
   * Default: `STILLHEAP_REDACT` (`keep-source` for `{ source: false }`), else false.
   */
  redact?: boolean | RedactOptions;
}

interface RedactOptions {
  /** Take out source text, too. Default: true. */
  source?: boolean;
}

interface CaptureOptions extends CommonOptions {
  /** The file to write, relative to the working directory. Excludes `dir` and `name`. */
  file?: string | Buffer | URL;
  /**
   * Called at the beginning of each phase, and with `'done'` at the end. What it throws stops the capture
   * and rejects its promise.
   */
  onProgress?: (progress: CaptureProgress) => void;
  /** Stops the capture at its next step; nothing is left behind. Rejects with the signal's reason. */
  signal?: AbortSignal;
}

interface CaptureProgress {
  phase: CapturePhase;
  /** Work done and to be done, in the phase's own unit; forked captures only. `total` is 0 while unknown. */
  done?: number;
  total?: number;
}

/** Defaults for all captures of this thread, and the signal that asks for one. */
interface ProcessOptions extends CommonOptions {
  /**
   * The signal that asks for a snapshot, or false for none. Default: `STILLHEAP_SIGNAL`, else `'SIGUSR2'`;
   * none with `NODE_HEAPDUMP_OPTIONS=nosignal`.
   */
  signal?: SignalName | false;
  /**
   * Whom the signal captures: the main thread, or every thread that has loaded stillheap, each into its own
   * file. Default: `STILLHEAP_THREADS`, else `'main'`.
   */
  threads?: 'main' | 'all';
  /** No lines on stderr about signals' outcomes. Default: `STILLHEAP_QUIET`, else false. */
  quiet?: boolean;
  /** As `captureNearHeapLimit`; false takes it back. Default: `STILLHEAP_NEAR_HEAP_LIMIT`, else false. */
  nearHeapLimit?: boolean | NearHeapLimitOptions;
}

/** What is done at V8's heap limit. */
interface NearHeapLimitOptions extends Omit<CommonOptions, 'keepObjectIds' | 'outlive' | 'fallback'> {
  /**
   * By how many bytes the limit is raised, once, when the snapshot is there. Default: 67,108,864, or less where that
   * might not fit into the control group; in a worker just so much that Node ends the worker, as it would have,
   * before V8 ends the process. The variable is `STILLHEAP_NEAR_HEAP_LIMIT_RAISE`.
   */
  raise?: number;
  /**
   * Whether the thread stands still until a forked child has finished. A container ends with its first process,
   * and the child with it; without a container, false lets the process end, and be started again, meanwhile.
   * Default: `STILLHEAP_NEAR_HEAP_LIMIT_HOLD`, else true.
   */
  hold?: boolean;
  /**
   * Whether V8 samples allocations from now on, so that the report says which functions allocated what lives, also
   * where there is no room for a snapshot: one in so many bytes, or, with true, in 524,288. Costs little
   * (docs/near-limit.md). Default: `STILLHEAP_NEAR_HEAP_LIMIT_SAMPLE`, else false.
   */
  sample?: boolean | number;
  /** No lines on stderr. Default: `STILLHEAP_QUIET`, else false. */
  quiet?: boolean;
}

/** A snapshot that will be taken at the heap limit. */
interface NearHeapLimitCapture {
  /** Whether it is still to come. */
  readonly armed: boolean;
  /** Takes it back; whether there was something to take back. */
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

/** A capture that went well. */
interface CaptureResult {
  /** Absolute path of the finished file: synced, mode 0600. */
  file: string;
  /** The path's bytes, if they are not UTF-8; `file` has U+FFFD then for what is not. */
  fileBytes?: Buffer;
  /** The file's size in bytes. */
  bytes: number;
  /** Bytes before compression. */
  rawBytes: number;
  compress: Compression;
  /** How long the JavaScript thread stood still, in milliseconds. */
  pauseMs: number;
  /** How long V8 walked the heap: a part of the pause, unless a forked child did it. */
  generateMs: number;
  /** How long V8 wrote its snapshot out: a part of the pause, unless a forked child did it. */
  serializeMs: number;
  /** From the beginning to the synced file under its final name, in milliseconds. */
  durationMs: number;
  /** The secrets were taken out, as `redact` asked for. */
  redacted?: true;
  mode: CaptureMode;
  /** Why it isn't the mode that `'auto'` prefers. */
  modeReason?: string;
  /**
   * `'v8'`: V8's generator, called directly. `'own'`: our own reader, in a forked child. `'node'`: through the module
   * `node:v8`.
   */
  engine: 'v8' | 'own' | 'node';
  /** Why it went through `node:v8`, or why V8's generator took the place of our own reader. */
  engineReason?: string;
  /** Whether V8 still knows the ids it gave; see `keepObjectIds`. */
  objectIds: 'kept' | 'cleared';
  /** Why they were kept. */
  objectIdsReason?: string;
  /** Nodes in the snapshot; null where V8 wasn't called directly. */
  nodeCount: number | null;
  pid: number;
  /** `worker_threads.threadId` of the captured thread. */
  threadId: number;
  isMainThread: boolean;
  startTime: Date;
  trigger: 'call' | 'signal' | 'near-heap-limit';
  /** At the heap limit: the report (docs/json-schema.md), null if it couldn't be written. */
  report?: string | null;
  /** The report's path in bytes, if they are not UTF-8. */
  reportBytes?: Buffer;
  /** Forked captures: how many children it took. */
  attempts?: number;
  /** Forked captures that failed, with the reason. */
  failedAttempts?: string[];
  /**
   * Forked captures: system calls that native finalizers tried in the child and weren't let do (docs/fork.md).
   */
  refusedCalls?: { call: string; times: number }[];
  /** Forked captures: what was prepared on another thread, before the pause, in milliseconds. */
  prepareMs?: number;
  /** Forked captures: the child's process id. */
  childPid?: number;
  /** Forked captures: what the pause was made of, in milliseconds. */
  pauseParts?: { recheckMs: number; includeMs: number; forkMs: number; restoreMs: number };
  /** Forked captures: why the working memory was not where `scratch` said. */
  scratchReason?: string;
  /**
   * Forked captures, in bytes: what the child was expected to need, what was left before (null if there is no
   * limit), what it took, its peak of resident memory, and what its working memory took of the disk if it was
   * there.
   */
  memory?: { estimate: number; room: number | null; taken: number; childPeak: number; disk?: number };
  /**
   * Forked captures: making the service's resident pages writable again after the child's end, on another thread, so
   * that the service's next writes to them aren't page faults; milliseconds, and bytes of pages. Absent where the system
   * can't (before Linux 5.14), where each of those writes is a fault, once, and at the heap limit with `hold`.
   */
  thaw?: { ms: number; bytes: number };
  /** Present when the first choice of directory could not be written to. */
  fallbackDir?: { wanted: string; reason: string };
}

/** A snapshot as a stream; the bytes are those of a file. */
interface CaptureStream extends PassThrough {
  /** Resolves when the snapshot is complete and its bytes begin to flow. */
  readonly result: Promise<Omit<CaptureResult, 'file'>>;
}

/** An error of stillheap's own or of the system: code, and errno, syscall, path where there are such. */
interface StillheapError extends Error {
  /** `'ENOSPC'`, `'EEXIST'`, … or `'ERR_STILLHEAP_…'`. */
  code: string;
  /** Negative, as in Node's own errors. */
  errno?: number;
  syscall?: string;
  path?: string;
  /** At the heap limit: the report that was written although there is no snapshot. */
  report?: string;
  /** The report's path in bytes, if they are not UTF-8. */
  reportBytes?: Buffer;
}

interface StillheapEvents {
  /** Every capture that succeeded, from a call or a signal. */
  snapshot: [result: CaptureResult];
  /** A signal's capture that failed. Without a listener, one line is written to stderr. */
  error: [error: StillheapError];
}

interface Stillheap extends EventEmitter<StillheapEvents> {
  /**
   * heapdump's function. Writes a snapshot before it returns, by default to
   * `heapdump-*.heapsnapshot` in the working directory. The callback is called before it returns, too.
   *
   * @returns whether the snapshot was written
   * @throws TypeError for arguments of a wrong type; nothing has been written then
   */
  writeSnapshot(callback?: (error: StillheapError | null, filename?: string) => void): boolean;
  writeSnapshot(
    filename?: string | URL | null,
    callback?: ((error: StillheapError | null, filename?: string) => void) | null,
  ): boolean;

  /**
   * Writes a snapshot of this thread's heap to a file. Captures of one thread follow one another.
   *
   * @throws (rejects) TypeError for wrong options, StillheapError, or the AbortSignal's reason
   */
  capture(options?: CaptureOptions): Promise<CaptureResult>;

  /**
   * A snapshot as a stream, for piping to storage. It is spooled to an unlinked file in `dir` (default: the
   * temporary directory) first, so that memory stays small whatever the consumer's pace.
   *
   * @throws TypeError for wrong options; other errors destroy the stream
   */
  captureStream(options?: Omit<CaptureOptions, 'file' | 'name' | 'overwrite'>): CaptureStream;

  /**
   * Has one snapshot of this thread's heap taken when V8 comes to its limit (`--max-old-space-size`, or a
   * worker's `resourceLimits`) and is about to end the process: in a forked child where that works
   * (`mode: 'auto'`, the default here, whatever `configure` says), beside a small report that is written first.
   * Then the limit is raised once; V8 takes that back if the heap comes down again.
   *
   * @throws TypeError for wrong options; StillheapError (ERR_STILLHEAP_UNSUPPORTED)
   */
  captureNearHeapLimit(options?: NearHeapLimitOptions): NearHeapLimitCapture;

  /**
   * Sets defaults for what follows, captures on a signal included.
   *
   * @throws TypeError for wrong options; StillheapError (ERR_STILLHEAP_SIGNAL) if the signal can't be handled
   */
  configure(options: ProcessOptions): void;

  /**
   * Installs the signal handler, which loading the module has done already unless
   * `NODE_HEAPDUMP_OPTIONS=nosignal` or `STILLHEAP_SIGNAL=none` kept it from that.
   *
   * @throws as `configure`
   */
  start(options?: ProcessOptions): void;

  /** Removes the signal handler of the process: the signal does again what it would do without us. */
  stop(): void;

  /**
   * Reads a snapshot file (plain, gzip or zstd), off the JavaScript thread, for questions about it: the same
   * that `npx stillheap` answers.
   *
   * @throws (rejects) TypeError for wrong arguments; an Error with a code if the file can't be read
   */
  open: typeof analysis.open;
  leaks: typeof analysis.leaks;

  /**
   * Watches this thread's heap: events when there is a leak, and only then. See docs/watch.md.
   *
   * @throws TypeError for wrong options
   */
  watch: typeof watching.watch;

  /** stillheap's version. */
  readonly version: string;
  /** How captures reach V8 in this process. */
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
