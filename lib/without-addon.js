'use strict';

// Stands in for the addon where that doesn't load: captures through node:v8, files and signals through Node. It has
// the addon's interface as far as lib/ uses it, so nothing else differs. What only the addon can do is refused with
// the reason why it isn't there.

const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { unavailable } = require('./errors.js');
const { say } = require('./say.js');

/** Bytes that are compressed at a time. Members of gzip and frames of zstd may follow one another in a file. */
const piece = 4 * 1024 * 1024;

/** What a directory answers when another one may be tried. */
const aboutTheDirectory = new Set(['EACCES', 'EPERM', 'EROFS', 'ENOENT', 'ENOTDIR', 'ENOSPC', 'EDQUOT']);

const extensions = { none: '.heapsnapshot', gzip: '.heapsnapshot.gz', zstd: '.heapsnapshot.zst' };

const keptByNode = 'node:v8 keeps them, and only V8 itself can be told to clear them';

let sequence = 0;

function toJson(body) {
  try {
    return JSON.stringify({ result: body() ?? null });
  } catch (error) {
    return JSON.stringify({ error: asFailure(error) });
  }
}

function asFailure({ message, code, errno, syscall, path }) {
  return {
    message,
    code: code ?? 'ERR_STILLHEAP_INTERNAL',
    ...(typeof errno === 'number' && { errno: Math.abs(errno) }),
    ...(syscall !== undefined && { syscall }),
    ...(path !== undefined && { path: String(path) }),
  };
}

/** Where a file may go, first choice first, and its name if it has one already. */
function places({ file, dir, fallbackDir, spool }) {
  if (file !== undefined) return [path.dirname(path.resolve(file))];
  const first = dir ?? (spool ? os.tmpdir() : process.cwd());
  const second = fallbackDir ?? (dir === undefined ? os.tmpdir() : undefined);
  return second === undefined ? [path.resolve(first)] : [path.resolve(first), path.resolve(second)];
}

function generatedName({ name = 'heapdump-{date}-{pid}-{thread}', compress }, time, thread) {
  sequence += 1;
  const words = {
    date: time.toISOString().replace(/[-:]/g, ''),
    pid: process.pid,
    thread,
    seq: sequence,
  };
  const stem = name.replace(/\.heapsnapshot(\.gz|\.zst)?$/, '');
  return stem.replace(/\{(date|pid|thread|seq)\}/g, (_all, word) => words[word]) + extensions[compress];
}

function temporary(directory) {
  const random = require('node:crypto').randomBytes(8).toString('hex');
  return path.join(directory, `.heapdump-${process.pid}-${random}.tmp`);
}

/** An empty file, mode 0600, in the first place that takes one. */
function createTemporary(directories) {
  let first;
  for (const directory of directories) {
    const file = temporary(directory);
    try {
      fs.closeSync(fs.openSync(file, 'wx', 0o600));
      return { file, directory, first };
    } catch (error) {
      first ??= { wanted: directory, error };
      if (!aboutTheDirectory.has(error.code)) throw error;
    }
  }
  throw first.error;
}

function compressor(compress) {
  const zlib = require('node:zlib');
  const encode = compress === 'gzip' ? zlib.gzipSync : zlib.zstdCompressSync;
  if (encode === undefined) throw unavailable(`This Node can't compress with ${compress}`, 'it has no zstd');
  return encode;
}

/** Writes `from`, compressed, to `to`. */
function compressFile(from, to, encode) {
  const [input, output] = [fs.openSync(from, 'r'), fs.openSync(to, 'w', 0o600)];
  try {
    const buffer = Buffer.allocUnsafe(piece);
    for (;;) {
      const count = fs.readSync(input, buffer, 0, piece, null);
      if (count === 0) return;
      const bytes = encode(buffer.subarray(0, count));
      for (let at = 0; at < bytes.length; ) at += fs.writeSync(output, bytes, at);
    }
  } finally {
    fs.closeSync(input);
    fs.closeSync(output);
  }
}

/** Older runtimes leave half a file behind when the disk is full, and say nothing. */
function requireWhole(file) {
  const { size } = fs.statSync(file);
  const tail = Buffer.alloc(Math.min(size, 64));
  const descriptor = fs.openSync(file, 'r');
  try {
    fs.readSync(descriptor, tail, 0, tail.length, size - tail.length);
  } finally {
    fs.closeSync(descriptor);
  }
  if (/\]\s*\}\s*$/.test(tail.toString('latin1'))) return size;
  throw Object.assign(new Error('node:v8 wrote an incomplete snapshot'), { code: 'ERR_STILLHEAP_V8' });
}

/** Node's permission model has no fsync at all; without it a file is whole, but may not survive a crash of the system. */
function sync(file) {
  const descriptor = fs.openSync(file, 'r');
  try {
    fs.fsyncSync(descriptor);
  } catch (error) {
    if (error.code !== 'ERR_ACCESS_DENIED') throw error;
  } finally {
    fs.closeSync(descriptor);
  }
}

/** Gives a finished file its name. A link takes no name that is taken; a rename would. */
function publish(file, target, { overwrite, generated }) {
  if (overwrite) {
    const there = fs.lstatSync(target, { throwIfNoEntry: false });
    if (there === undefined || there.isFile()) {
      fs.renameSync(file, target);
      return target;
    }
  }
  for (let n = 0; ; n += 1) {
    const name = n === 0 ? target : target.replace(/(\.heapsnapshot(\.\w+)?)?$/, `-${n}$1`);
    try {
      fs.linkSync(file, name);
      fs.rmSync(file, { force: true });
      return name;
    } catch (error) {
      if (error.code !== 'EEXIST' || !generated || n === 1000) throw error;
    }
  }
}

/** A capture in steps, as the addon's. */
class Operation {
  #request;
  #reason;
  #thread;
  #begun = performance.now();
  #time = new Date();
  #failure;
  #place;
  #whole;
  #rawBytes = 0;
  #pauseMs = 0;
  #stopped = false;

  constructor(request, reason, thread) {
    this.#request = request;
    this.#reason = reason;
    this.#thread = thread;
    try {
      const { refused, redact, compress } = request;
      if (refused) throw Object.assign(new Error(refused.message), refused);
      if (redact) {
        throw unavailable(
          "redact needs V8 itself, since node:v8 would put the secrets on the disk first, and V8 can't be reached directly",
          reason,
        );
      }
      if (compress !== 'none') compressor(compress);
      // Here names are texts.
      for (const place of [request.file, request.dir, request.fallbackDir]) {
        if (place?.data) throw unavailable('A path that is not UTF-8 needs the addon', reason);
      }
      this.#place = createTemporary(places(request));
    } catch (error) {
      this.#failure = error;
    }
  }

  createRawFile() {
    return toJson(() => {
      if (this.#failure !== undefined) throw this.#failure;
      return { file: this.#place.file };
    });
  }

  /** The caller removes `raw` afterwards, so it gets another name if it is the file. */
  import(json) {
    return toJson(() => {
      const raw = JSON.parse(json);
      this.#pauseMs = performance.now() - this.#begun;
      this.#rawBytes = requireWhole(raw);
      const { compress } = this.#request;
      const whole = temporary(this.#place.directory);
      this.#whole = whole;
      if (compress === 'none') fs.renameSync(raw, whole);
      else compressFile(raw, whole, compressor(compress));
    });
  }

  finishSync() {
    return toJson(() => {
      if (this.#failure !== undefined) throw this.#failure;
      if (this.#stopped)
        throw Object.assign(new Error('the capture was aborted'), { code: 'ERR_STILLHEAP_ABORTED' });
      const { file, name, overwrite, spool, compress, modeReason, trigger } = this.#request;
      const whole = this.#whole;
      const { directory, first } = this.#place;
      const bytes = fs.statSync(whole).size;
      const place = {};
      if (spool) {
        place.fd = fs.openSync(whole, 'r');
        fs.rmSync(whole);
      } else {
        sync(whole);
        const generated = file === undefined;
        const target = generated
          ? path.join(directory, generatedName({ name, compress }, this.#time, this.#thread.threadId))
          : path.resolve(file);
        place.file = publish(whole, target, { overwrite, generated });
        sync(directory);
      }
      this.#whole = undefined;
      return {
        ...place,
        bytes,
        rawBytes: this.#rawBytes,
        compress,
        pauseMs: this.#pauseMs,
        generateMs: this.#pauseMs,
        serializeMs: 0,
        durationMs: performance.now() - this.#begun,
        mode: 'inline',
        ...(modeReason !== undefined && { modeReason }),
        engine: 'node',
        engineReason: this.#reason,
        objectIds: 'kept',
        objectIdsReason: keptByNode,
        nodeCount: null,
        pid: process.pid,
        ...this.#thread,
        startTime: this.#time.toISOString(),
        trigger,
        ...(first !== undefined && { fallbackDir: { wanted: first.wanted, reason: first.error.message } }),
      };
    });
  }

  async finish() {
    return this.finishSync();
  }

  stopper() {
    return {
      stop: () => {
        this.#stopped = true;
      },
    };
  }

  discard() {
    for (const file of [this.#place?.file, this.#whole]) {
      if (file !== undefined) fs.rmSync(file, { force: true });
    }
    this.#place = undefined;
    this.#whole = undefined;
    this.#failure ??= new Error('this capture has ended already');
  }
}

/** What `create` in lib/module.js uses of the addon. `reason` says why it isn't there. */
function create(reason) {
  const line = (text) => say(`stillheap: ${text}`);

  class Isolate {
    engineReason = reason;
    forkObstacle = reason;
    nearLimitArmed = false;
    #here;
    #notify;
    #pending = false;
    #listens = { snapshot: false, error: false };
    #name;
    #onSignal = () => {
      this.#pending = true;
      this.#notify('wake', '');
    };

    constructor(setup, notify) {
      const { isMainThread, threadId } = JSON.parse(setup);
      this.#here = { isMainThread, threadId };
      this.#notify = notify;
    }

    loaded() {}
    setDefaults() {}
    publishWatch() {}
    runPending() {}

    collectGarbage() {
      return false;
    }

    disarmNearLimit() {
      return false;
    }

    setListeners(snapshot, error) {
      this.#listens = { snapshot, error };
    }

    /** Workers get no signals from Node; the main thread serves them. */
    startSignal(number) {
      this.stopSignal();
      if (!this.#here.isMainThread) return null;
      const [name] = Object.entries(os.constants.signals).find(([, value]) => value === number);
      try {
        process.on(name, this.#onSignal);
        this.#name = name;
        return null;
      } catch (error) {
        return error.message;
      }
    }

    stopSignal() {
      if (this.#name !== undefined) process.removeListener(this.#name, this.#onSignal);
      this.#name = undefined;
    }

    takePending() {
      const pending = this.#pending;
      this.#pending = false;
      return pending;
    }

    publish(json, quiet) {
      const { result, error } = JSON.parse(json);
      if (result ? this.#listens.snapshot : this.#listens.error) return this.#notify('outcome', json);
      if (quiet) return;
      if (error) return line(`no heap snapshot was written: ${error.message}`);
      const { file, bytes, pauseMs, fallbackDir } = result;
      const elsewhere = fallbackDir ? `; not to ${fallbackDir.wanted}, because of ${fallbackDir.reason}` : '';
      line(
        `wrote ${file} (${(bytes / 1e6).toFixed(1)} MB), paused ${Math.round(pauseMs)} ms${elsewhere}; ` +
          `through node:v8, because ${reason}`,
      );
    }

    open(request) {
      return new Operation(JSON.parse(request), reason, this.#here);
    }

    fork() {
      throw unavailable("This heap can't be captured by a forked child", reason);
    }
  }

  class HeapWatch {
    constructor() {
      throw unavailable("The heap can't be watched", reason);
    }
  }

  return { reason, Isolate, HeapWatch, isMainThread: () => null };
}

module.exports = { create };
