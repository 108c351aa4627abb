'use strict';

// `watch()`: tells a leak from a heap that merely moves. The addon watches V8's collections and judges
// (crates/watch); here its words become events. None of this keeps the process alive.

const { EventEmitter } = require('node:events');
const { toNative, watchOptions } = require('./watch-options.js');

/** How often the memory is looked at between collections, unless `interval` says so. */
const usualInterval = 10_000;

/** The watches of this thread. Holds them as long as they run: V8 has pointers into them. */
const running = new Set();

class Watch extends EventEmitter {
  #handle;
  #context;
  #epoch;
  #timer;
  #fallback;
  #stats;
  #engineReason;
  #onAbort;
  #signal;
  #limit;
  #limitKnown = false;
  #unpublish;

  constructor(context, options) {
    super();
    const { native, isolate } = context;
    this.#context = context;
    this.#handle = new native.HeapWatch(toNative(options));
    this.#epoch = Date.now() - this.#handle.now();
    this.#engineReason = this.#handle.start(isolate) ?? undefined;
    if (this.#engineReason !== undefined) {
      this.#fallback = require('./watch-fallback.js').observe(
        this.#handle,
        () => this.#process(),
        (batch) => this.#tell(batch),
      );
    }
    this.#timer = setInterval(() => this.#look(), options.interval ?? usualInterval);
    this.#timer.unref();
    running.add(this);
    this.#signal = options.signal;
    this.#onAbort = () => this.stop();
    this.#signal?.addEventListener?.('abort', this.#onAbort, { once: true });
    if (this.#signal?.aborted) this.stop();
    if (options.onLeak !== undefined) {
      const { capture } = context;
      require('./watch-captures.js').attach(this, { capture }, options.onLeak);
    }
    // One watch of a thread is shown to `stillheap watch`.
    if (this.running && running.size === 1) {
      this.#unpublish = require('./watch-page.js').publish(this, isolate);
    }
    // Records of every collection are made only where somebody wants them.
    this.on('newListener', (name) => name === 'gc' && this.#detail(true));
    this.on('removeListener', (name) => name === 'gc' && this.#detail(this.listenerCount('gc') > 0));
  }

  /** How collections are seen. */
  get engine() {
    return this.#engineReason === undefined ? 'v8' : 'perf_hooks';
  }

  get engineReason() {
    return this.#engineReason;
  }

  /**
   * Where V8 gives up: bytes of the old generation. Undefined for a V8 that is not known here; then the detector
   * compares with V8's `heap_size_limit`, which is larger by the young generation's room.
   */
  get limit() {
    if (!this.#limitKnown) {
      this.#limitKnown = true;
      const { isMainThread } = this.#context;
      const resourceLimits = isMainThread ? {} : require('node:worker_threads').resourceLimits;
      this.#limit = require('./heap-limit.js').oldGenerationLimit(resourceLimits);
    }
    return this.#limit;
  }

  get running() {
    return running.has(this);
  }

  /** The figures after the latest full collection, or undefined. */
  get stats() {
    return this.#stats;
  }

  /** Counts and durations of the collections so far, by kind. */
  get collections() {
    const json = this.#fallback ? undefined : this.#handle.collections();
    return json ? JSON.parse(json) : (this.#fallback?.collections() ?? {});
  }

  /** Collects all garbage now, which stops the thread for as long as that takes. The event `stats` follows. */
  gc() {
    if (!this.#context.isolate.collectGarbage()) require('./watch-fallback.js').collectGarbage();
  }

  stop() {
    if (!running.delete(this)) return;
    clearInterval(this.#timer);
    this.#signal?.removeEventListener?.('abort', this.#onAbort);
    this.#fallback?.stop();
    this.#handle.stop();
    this.#unpublish?.();
  }

  /** For the addon: there is something to tell. */
  drain() {
    if (this.#fallback === undefined) this.#tell(this.#handle.drain(this.#process()));
  }

  #look() {
    this.#tell(this.#fallback ? this.#fallback.tick() : this.#handle.tick(this.#process()));
  }

  #detail(wanted) {
    this.#handle.setDetailed(wanted);
    this.#fallback?.setDetailed(wanted);
  }

  /** What the addon can't see. */
  #process() {
    const { rss, arrayBuffers } = process.memoryUsage();
    // Workers share it: no growth of it is theirs.
    const { limit } = this;
    return JSON.stringify(
      this.#context.isMainThread ? { limit, rss, arrayBuffers } : { limit, arrayBuffers },
    );
  }

  #tell(json) {
    const { events, gc = [], lost = 0 } = JSON.parse(json);
    for (const collection of gc) this.#emitSoon('gc', this.#dated(collection, 'start'));
    if (lost > 0) this.#emitSoon('lost', lost);
    for (const { event, ...rest } of events) {
      const data = this.#dated(rest, 'at', 'start', 'end');
      if (event === 'stats') this.#stats = data;
      this.#emitSoon(event, data);
    }
  }

  #dated(data, ...names) {
    for (const name of names) {
      if (typeof data[name] === 'number') data[name] = new Date(this.#epoch + data[name]);
    }
    return data;
  }

  /** Each event for itself, so that a listener that throws takes none from the others. */
  #emitSoon(name, data) {
    if (this.listenerCount(name) > 0) process.nextTick(() => this.running && this.emit(name, data));
  }

  // Symbol.dispose came with Node 20; older ones just have no `using`.
  static {
    if (Symbol.dispose !== undefined) Watch.prototype[Symbol.dispose] = Watch.prototype.stop;
  }
}

/** `context` has the addon, its isolate, and whether this is the main thread. */
function create(context, options) {
  return new Watch(context, watchOptions(options));
}

function drainAll() {
  for (const watch of running) watch.drain();
}

module.exports = { create, drainAll };
