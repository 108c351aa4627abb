'use strict';

// What `require('stillheap')` gives: an EventEmitter with functions that need no `this`.

const { EventEmitter } = require('node:events');
const { constants } = require('node:os');
const { failure, fromNative } = require('./errors.js');
const { captureOptions, streamOptions, processOptions, fromEnvironment } = require('./options.js');

/** Changing listeners is told to the addon, which speaks on stderr where nobody listens. */
class Stillheap extends EventEmitter {
  #changed = () => {};

  watchListeners(changed) {
    this.#changed = changed;
    delete this.watchListeners;
  }

  #then(result) {
    this.#changed(this.listenerCount('snapshot') > 0, this.listenerCount('error') > 0);
    return result;
  }

  addListener(...args) {
    return this.#then(super.addListener(...args));
  }

  on(...args) {
    return this.#then(super.on(...args));
  }

  prependListener(...args) {
    return this.#then(super.prependListener(...args));
  }

  removeListener(...args) {
    return this.#then(super.removeListener(...args));
  }

  off(...args) {
    return this.#then(super.off(...args));
  }

  removeAllListeners(...args) {
    return this.#then(super.removeAllListeners(...args));
  }
}

/** Where the package's other modules find what this one shares with them. */
const internals = Symbol.for('stillheap.internals');

/** Why this runtime's V8 is not to be called directly, whatever it exports. */
function foreignRuntime(env) {
  if (env.STILLHEAP_ENGINE === 'node') return 'STILLHEAP_ENGINE=node asks for it';
  for (const [name, title] of [
    ['electron', 'Electron'],
    ['bun', 'Bun'],
    ['deno', 'Deno'],
    ['nw', 'NW.js'],
  ]) {
    if (process.versions[name] !== undefined) return `this is ${title}, not Node.js`;
  }
  return process.release?.name === 'node' ? undefined : `this is ${process.release?.name}, not Node.js`;
}

/** Where this code runs. Workers have `node:worker_threads` loaded; the main thread shall not load it for us. */
function whereAmI(native) {
  if (native.isMainThread() === true) return { isMainThread: true, threadId: 0 };
  const { isMainThread, threadId } = require('node:worker_threads');
  return { isMainThread, threadId };
}

function create(version) {
  const native = require('./native.js');
  const emitter = new Stillheap();
  const complain = (line) => process.stderr.write(`${line}\n`);
  const defaults = {
    compress: 'none',
    mode: 'auto',
    numericValues: false,
    internals: false,
    keepObjectIds: false,
    overwrite: false,
    redact: null,
    fallback: 'none',
    force: false,
    scratch: 'memory',
    timeLimit: 1_800_000,
    outlive: false,
    quiet: false,
    signal: constants.signals.SIGUSR2 ?? null,
    threads: 'main',
    nearHeapLimit: false,
    watch: false,
    ...fromEnvironment(process.env, complain),
  };

  // Only the environment makes heapdump's function fork: it returns before the snapshot is there then.
  const heapdumpForks = /(^|,)\s*fork\s*(,|$)/.test(process.env.NODE_HEAPDUMP_OPTIONS ?? '');

  const here = whereAmI(native);
  const isolate = new native.Isolate(
    JSON.stringify({
      ...here,
      node: process.version,
      foreign: foreignRuntime(process.env),
      hasLibuv: process.versions.bun === undefined && process.versions.deno === undefined,
      defaults: toNative(defaults, 'signal'),
    }),
    (kind, json) => {
      if (kind === 'watch') require('./watch.js').drainAll();
      else if (kind === 'outcome') announce(JSON.parse(json));
      else if (isolate.engineReason === null) isolate.runPending();
      else if (isolate.takePending()) captureThroughNode();
    },
  );
  emitter.watchListeners((snapshot, error) => isolate.setListeners(snapshot, error));

  /** A signal's outcome becomes an event; where nobody listened, the addon has written a line instead. */
  function announce({ result, error }) {
    if (result) emitter.emit('snapshot', publicResult(result));
    else if (emitter.listenerCount('error') > 0) emitter.emit('error', fromNative(error));
  }

  /** Serves a signal where V8 is out of reach. */
  function captureThroughNode() {
    let outcome;
    try {
      const operation = isolate.open(JSON.stringify(toNative(defaults, 'signal')));
      outcome = takeAndFinishSync(operation, defaults);
    } catch (error) {
      outcome = { error: { message: error.message, code: error.code ?? 'ERR_STILLHEAP_INTERNAL' } };
    }
    isolate.publish(JSON.stringify(outcome), defaults.quiet);
  }

  /** Runs the part that needs this thread; throws what went wrong. */
  function* take(operation, options) {
    if (isolate.engineReason === null) {
      yield 'generating';
      unwrap(operation.generate());
      yield 'serializing';
      unwrap(operation.serialize());
    } else {
      yield 'generating';
      const raw = unwrap(operation.createRawFile());
      const fs = require('node:fs');
      try {
        require('node:v8').writeHeapSnapshot(raw, {
          exposeInternals: options.internals,
          exposeNumericValues: options.numericValues,
        });
        unwrap(operation.import(raw));
      } finally {
        fs.rmSync(raw, { force: true });
      }
    }
  }

  function takeAndFinishSync(operation, options) {
    try {
      for (const _phase of take(operation, options));
      return JSON.parse(operation.finishSync());
    } finally {
      operation.discard();
    }
  }

  // Captures of one thread follow one another: V8's snapshots take a multiple of the heap each.
  let last = Promise.resolve();
  function inTurn(body) {
    const result = last.then(body);
    last = result.catch(() => {});
    return result;
  }

  async function run(options, extra) {
    const obstacle = forkObstacle(options);
    if (options.mode === 'inline') return runInline(options, extra);
    if (obstacle === undefined) {
      const { result, error, mayFallBack } = await runForked(options, extra);
      if (result) return result;
      if (!mayFallBack || options.fallback !== 'inline') throw fromNative(error);
      return runInline({ ...options, modeReason: error.message }, extra);
    }
    if (options.mode === 'auto' || options.fallback === 'inline') {
      return runInline({ ...options, modeReason: obstacle }, extra);
    }
    throw failure('ERR_STILLHEAP_UNSUPPORTED', `This heap can't be captured by a forked child: ${obstacle}`);
  }

  /** Why a capture with these options can't be forked. */
  function forkObstacle(options) {
    if (options.keepObjectIds) {
      return "keepObjectIds was asked for, and a forked child's ids are lost with it";
    }
    return isolate.forkObstacle ?? undefined;
  }

  /**
   * A forked capture goes on by itself; this looks how far it is, and keeps the process alive meanwhile.
   * Resolves to the outcome.
   */
  function runForked(options, extra) {
    const { signal, onProgress } = options;
    signal?.throwIfAborted();
    const operation = isolate.fork(JSON.stringify({ ...toNative(options, 'call'), ...extra }));
    const cancel = () => operation.cancel();
    signal?.addEventListener?.('abort', cancel, { once: true });
    return new Promise((resolve, reject) => {
      let last = '';
      let thrown;
      const look = () => {
        const text = operation.poll();
        const state = JSON.parse(text);
        try {
          if (state.progress && text !== last && state.progress.phase !== 'waiting') {
            last = text;
            onProgress?.(state.progress);
          }
          if (state.result) onProgress?.({ phase: 'done' });
        } catch (error) {
          thrown ??= { error };
          operation.cancel();
        }
        if (state.progress) return;
        clearInterval(timer);
        signal?.removeEventListener?.('abort', cancel);
        if (thrown) reject(thrown.error);
        else if (state.error?.code === 'ERR_STILLHEAP_ABORTED' && signal?.aborted) reject(signal.reason);
        else resolve(state);
      };
      const timer = setInterval(look, forkPollInterval);
    });
  }

  async function runInline(options, extra) {
    const { signal, onProgress } = options;
    signal?.throwIfAborted();
    const operation = isolate.open(JSON.stringify({ ...toNative(options, 'call'), ...extra }));
    const stopper = operation.stopper();
    const cancel = () => stopper.stop();
    signal?.addEventListener?.('abort', cancel, { once: true });
    const report = (phase) => {
      onProgress?.({ phase });
      signal?.throwIfAborted();
    };
    try {
      for (const phase of take(operation, options)) report(phase);
      report('writing');
      const result = unwrap(await operation.finish());
      onProgress?.({ phase: 'done' });
      return result;
    } catch (error) {
      if (error.code === 'ERR_STILLHEAP_ABORTED') signal?.throwIfAborted();
      throw error;
    } finally {
      signal?.removeEventListener?.('abort', cancel);
      operation.discard();
    }
  }

  function emitSoon(result) {
    if (emitter.listenerCount('snapshot') > 0) process.nextTick(() => emitter.emit('snapshot', result));
  }

  async function capture(options) {
    const checked = captureOptions(options, captureDefaults());
    const result = publicResult(await inTurn(() => run(checked)));
    emitSoon(result);
    return result;
  }

  function captureStream(options) {
    const checked = streamOptions(options, captureDefaults());
    return require('./stream.js').create(checked, (withSignal) =>
      inTurn(() => run(withSignal, { file: undefined, spool: true })),
    );
  }

  function writeSnapshot(filename, callback) {
    const { checkArguments, outcomeToError } = require('./heapdump.js');
    const given = checkArguments(filename, callback);
    const file = given.filename === undefined ? {} : { file: given.filename };
    const options = captureOptions(file, captureDefaults());
    if (heapdumpForks) {
      inTurn(() => run({ ...options, mode: 'fork' })).then(
        (result) => {
          emitSoon(publicResult(result));
          given.callback?.(null, given.filename ?? shortName(result.file));
        },
        (error) => given.callback?.(outcomeToError(error)),
      );
      return true;
    }
    let outcome;
    try {
      const operation = isolate.open(JSON.stringify(toNative(options, 'call')));
      outcome = takeAndFinishSync(operation, options);
    } catch (error) {
      outcome = { error };
    }
    if (outcome.error) {
      const error = outcomeToError(outcome.error);
      given.callback?.(error);
      return false;
    }
    const result = publicResult(outcome.result);
    emitSoon(result);
    given.callback?.(null, given.filename ?? shortName(result.file));
    return true;
  }

  function captureDefaults() {
    const {
      signal: _signal,
      threads: _threads,
      quiet: _quiet,
      nearHeapLimit: _limit,
      watch: _watch,
      ...rest
    } = defaults;
    return rest;
  }

  function captureNearHeapLimit(options) {
    return require('./near-limit.js').arm(isolate, options, { ...captureDefaults(), quiet: defaults.quiet });
  }

  function applyNearHeapLimit() {
    const { nearHeapLimit } = defaults;
    if (nearHeapLimit === false) isolate.disarmNearLimit();
    else captureNearHeapLimit(nearHeapLimit === true ? undefined : nearHeapLimit);
  }

  function configure(options) {
    Object.assign(defaults, processOptions(options, 'The argument of configure'));
    isolate.setDefaults(JSON.stringify(toNative(defaults, 'signal')));
    if (options?.nearHeapLimit !== undefined) applyNearHeapLimit();
    if (options && (options.signal !== undefined || options.threads !== undefined)) applySignal(false);
  }

  function start(options) {
    const checked = processOptions(options, 'The argument of start');
    // After NODE_HEAPDUMP_OPTIONS=nosignal, a plain start() means the usual signal.
    if (checked.signal === undefined && defaults.signal === null) {
      checked.signal = constants.signals.SIGUSR2 ?? null;
    }
    Object.assign(defaults, checked);
    isolate.setDefaults(JSON.stringify(toNative(defaults, 'signal')));
    applySignal(false);
  }

  function stop() {
    isolate.stopSignal();
  }

  function applySignal(automatic) {
    if (defaults.signal === null) {
      if (!automatic) isolate.stopSignal();
      return;
    }
    const problem = isolate.startSignal(defaults.signal, defaults.threads === 'all', automatic);
    if (problem === null) return;
    if (automatic) complain(`stillheap: ${problem}`);
    else throw failure('ERR_STILLHEAP_SIGNAL', problem);
  }

  function open(file, options) {
    return require('./snapshot.js').open(file, options);
  }

  function watch(options) {
    const { isMainThread } = here;
    return require('./watch.js').create({ native, isolate, isMainThread, capture }, options);
  }

  function leaks(files, options) {
    return require('./snapshot.js').leaks(files, options);
  }

  Object.assign(emitter, {
    writeSnapshot,
    capture,
    captureStream,
    captureNearHeapLimit,
    configure,
    start,
    stop,
    open,
    leaks,
    watch,
  });
  Object.defineProperties(emitter, {
    version: { value: version, enumerable: true },
    engine: {
      get: () => (isolate.engineReason === null ? 'v8' : 'node'),
      enumerable: true,
    },
    engineReason: { get: () => isolate.engineReason ?? undefined, enumerable: true },
  });
  // For the package's other modules, which may be another copy's.
  Object.defineProperty(emitter, internals, {
    value: {
      isolate,
      toNative,
      takeAndFinishSync,
      captureOptions: (options) => streamOptions(options, captureDefaults()),
      collectGarbage() {
        if (!isolate.collectGarbage()) require('./watch-fallback.js').collectGarbage();
      },
    },
  });
  applySignal(true);
  for (const [wanted, begin] of [
    [defaults.nearHeapLimit, applyNearHeapLimit],
    [defaults.watch, watch],
  ]) {
    if (!wanted) continue;
    try {
      begin();
    } catch (error) {
      complain(`stillheap: ${error.message}`);
    }
  }
  isolate.loaded();
  return emitter;
}

/** Milliseconds between two looks at a forked capture. */
const forkPollInterval = 20;

/** Options in the addon's words. */
function toNative(options, trigger) {
  const {
    signal: _signal,
    threads: _threads,
    onProgress: _onProgress,
    nearHeapLimit: _limit,
    watch: _watch,
    ...rest
  } = options;
  return { ...rest, trigger };
}

function unwrap(json) {
  const { result, error } = JSON.parse(json);
  if (error) throw fromNative(error);
  return result;
}

function publicResult(result) {
  return { ...result, startTime: new Date(result.startTime) };
}

/** heapdump gave names relative to the working directory. */
function shortName(file) {
  const path = require('node:path');
  try {
    return path.dirname(file) === process.cwd() ? path.basename(file) : file;
  } catch {
    return file;
  }
}

module.exports = { create, internals };
