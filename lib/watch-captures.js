'use strict';

// `watch({ onLeak: … })`: snapshots of a leak while nobody is awake. The first when the leak is told (or at the
// watch's start), the next ones when it has grown so far that a comparison shows it.

const fs = require('node:fs');
const path = require('node:path');

/** This machine or container, as it stands in a file's name. */
const host =
  require('node:os')
    .hostname()
    .replace(/[^A-Za-z0-9.]+/g, '_')
    .slice(0, 64) || 'host';

/** Our own names, by which old files are found again, those of processes of this host that are gone included. */
const defaultName = `heapdump-leak-{date}-${host}-{pid}-{thread}`;
const ownName = /^heapdump-leak-\d{8}T\d{6}\.\d{3}Z-([^-]+)-(\d+)-\d+(-\d+)?\.heapsnapshot(\.gz|\.zst)?$/;

/** When this process began, in milliseconds since 1970. */
const begun = Date.now() - process.uptime() * 1000;

/** So often a capture may fail before the leak is left alone. */
const patience = 3;

const usual = {
  capture: 2,
  baseline: 'leak',
  growth: 8 * 1024 * 1024,
  share: 0.1,
  minInterval: 60_000,
  pause: 3_600_000,
  maxFiles: 6,
  maxBytes: 4 * 1024 ** 3,
  compare: false,
};

/** One watch's snapshots. All of it follows the watch's events; there is no timer. */
class Captures {
  #watch;
  #tools;
  #options;
  #request;
  #leak;
  #files = [];
  #level = 0;
  #failures = 0;
  #busy = false;
  #last = Number.NEGATIVE_INFINITY;
  #ended = Number.NEGATIVE_INFINITY;
  /** Other names than ours: only what this watch wrote is removed. */
  #written = [];

  constructor(watch, tools, options) {
    const {
      capture,
      baseline,
      growth,
      share,
      minInterval,
      pause,
      maxFiles,
      maxBytes,
      compare,
      callback,
      ...rest
    } = { ...usual, ...options };
    this.#watch = watch;
    this.#tools = tools;
    this.#options = {
      ...{ capture, baseline, growth, share, minInterval, pause, maxFiles, maxBytes, compare, callback },
    };
    this.#request = { ...(rest.name === undefined && { name: defaultName }), ...rest };
  }

  /** A leak was told. */
  leak(leak) {
    // What lies outside of V8's heap is not in a snapshot of it.
    if (leak.what === 'native') return;
    const { pause } = this.#options;
    const now = this.#tools.now();
    if (this.#leak === undefined && now - this.#ended < pause) return;
    this.#leak = leak;
    if (this.#files.length === 0) this.#take(leak.level);
  }

  /** It has stopped, for now: should it go on, the next snapshot follows those that there are. */
  settled({ what }) {
    if (this.#leak?.what === what) this.#leak = undefined;
  }

  /** A full collection. */
  stats(stats) {
    const { growing } = stats;
    // Of a leak outside of the heap, the follow-up waits for what is outside.
    const used = this.#leak?.what === 'external' ? stats.memory.external : stats.used;
    const { baseline, capture, growth, share, minInterval } = this.#options;
    if (this.#busy || this.#tools.now() - this.#last < minInterval) return;
    if (this.#leak === undefined) {
      if (baseline === 'start' && this.#files.length === 0 && growing.length === 0) this.#take(used);
      return;
    }
    if (this.#files.length >= capture) return;
    const first = this.#files.length === 0;
    if (first || used >= this.#level + Math.max(growth, share * this.#level)) this.#take(used);
  }

  async #take(level) {
    const leak = this.#leak;
    this.#busy = true;
    this.#last = this.#tools.now();
    try {
      const result = await this.#tools.capture(this.#request);
      this.#failures = 0;
      this.#files.push(result);
      this.#written.push(placeOf(result));
      this.#level = level;
      // Names in a directory that is not UTF-8 can't be listed here: only what this watch wrote counts.
      this.#removeOld(result.fileBytes === undefined ? path.dirname(result.file) : undefined);
      await this.#tell(this.#leak ?? leak);
    } catch (error) {
      this.#failures += 1;
      this.#emitSoon('captureFailed', error);
      if (this.#failures >= patience && this.#leak !== undefined) this.#end();
    } finally {
      this.#busy = false;
    }
  }

  async #tell(leak) {
    const files = this.#files.filter((result) => fs.existsSync(placeOf(result)));
    const complete = leak !== undefined && this.#files.length >= this.#options.capture;
    const event = { leak: leak ?? null, files, complete };
    if (complete && this.#options.compare && files.length >= 2) {
      const descriptors = [];
      try {
        const [before, after] = [files[0], files.at(-1)].map((result) => textOf(result, descriptors));
        event.classes = await this.#tools.compare(before, after);
      } catch (error) {
        event.compareError = error;
      } finally {
        for (const descriptor of descriptors) fs.closeSync(descriptor);
      }
    }
    if (complete) this.#end();
    this.#emitSoon('captured', event);
    const { callback } = this.#options;
    if (callback !== undefined) process.nextTick(callback, event);
  }

  /** What a listener throws is the application's, not a failed capture. */
  #emitSoon(name, data) {
    process.nextTick(() => this.#watch.emit(name, data));
  }

  #end() {
    this.#leak = undefined;
    this.#files = [];
    this.#failures = 0;
    this.#ended = this.#tools.now();
  }

  /**
   * The oldest go first; the newest stays, whatever its size. On a directory that several processes share, only this
   * watch's files count, and those of processes that have ended.
   */
  #removeOld(directory) {
    const { maxFiles, maxBytes } = this.#options;
    const known =
      this.#request.name === defaultName && directory !== undefined
        ? fs
            .readdirSync(directory)
            .filter((name) => ownName.test(name))
            .sort()
            .map((name) => path.join(directory, name))
        : this.#written;
    const present = known.map((file) => ({ file, stat: fs.lstatSync(file, { throwIfNoEntry: false }) }));
    const files = present.filter(
      ({ file, stat }) => stat?.isFile() && (this.#written.includes(file) || isAbandoned(file, stat)),
    );
    let bytes = files.reduce((sum, { stat }) => sum + stat.size, 0);
    while (files.length > 1 && (files.length > maxFiles || bytes > maxBytes)) {
      const { file, stat } = files.shift();
      fs.rmSync(file, { force: true });
      bytes -= stat.size;
    }
    this.#written = this.#written.filter((file) => fs.existsSync(file));
  }
}

/** A file as Node's functions take it. */
function placeOf({ file, fileBytes }) {
  return fileBytes ?? file;
}

/** A file's name as text, for another process. A name that is not UTF-8 is given as the path of an open descriptor. */
function textOf({ file, fileBytes }, descriptors) {
  if (fileBytes === undefined) return file;
  const descriptor = fs.openSync(fileBytes, 'r');
  descriptors.push(descriptor);
  return `/proc/${process.pid}/fd/${descriptor}`;
}

/** Whether a snapshot is of a process of this host that has ended, be it with the number that this one has now. */
function isAbandoned(file, { mtimeMs }) {
  const [, where, number] = ownName.exec(path.basename(file)) ?? [];
  if (where !== host) return false;
  const pid = Number(number);
  if (pid === process.pid) return mtimeMs < begun;
  try {
    process.kill(pid, 0);
    return false;
  } catch (error) {
    return error.code === 'ESRCH';
  }
}

/** The classes that grew between two files, found by a process of its own that steps back behind this one. */
function compare(before, after) {
  const { execFile } = require('node:child_process');
  const script = path.join(__dirname, '../bin/stillheap.js');
  const { NODE_OPTIONS: _options, ...env } = process.env;
  return new Promise((resolve, reject) => {
    const child = execFile(
      process.execPath,
      [script, 'diff', before, after, '--json', '--limit', '20'],
      { env: { ...env, STILLHEAP_NO_INDEX: '1' }, maxBuffer: 64 * 1024 * 1024 },
      (error, stdout) => {
        if (error) return reject(error);
        const { classes } = JSON.parse(stdout);
        resolve(classes.filter(({ sizeDelta, countDelta }) => sizeDelta > 0 || countDelta > 0));
      },
    );
    child.unref();
    try {
      require('node:os').setPriority(child.pid, 10);
      fs.writeFileSync(`/proc/${child.pid}/oom_score_adj`, '1000');
    } catch {
      // It may have ended, or the system has no such file.
    }
  });
}

/**
 * Has a watch's leaks captured. `tools.capture(options)` takes a snapshot; `now` and `compare` are the clock's and
 * the command line's unless a test has others.
 */
function attach(watch, tools, options) {
  const captures = new Captures(watch, { now: () => performance.now(), compare, ...tools }, options);
  watch.on('leak', (leak) => captures.leak(leak));
  watch.on('settled', (settled) => captures.settled(settled));
  watch.on('stats', (stats) => captures.stats(stats));
}

module.exports = { attach, host };
