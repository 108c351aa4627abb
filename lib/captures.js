'use strict';

// Captures of one thread: in the process, in a forked child, or through node:v8.

const { failure, fromNative } = require('./errors.js');
const { captureOptions, streamOptions, toNative } = require('./options.js');
const permission = require('./permission.js');

/** `defaults` are the process's; `announce(result)` tells the listeners. */
function create({ isolate, defaults, announce }) {
  // Only the environment makes heapdump's function fork: it returns before the snapshot is there then.
  const heapdumpForks = /(^|,)\s*fork\s*(,|$)/.test(process.env.NODE_HEAPDUMP_OPTIONS ?? '');

  /** A call's options in the addon's words; throws what Node's permissions refuse. */
  function request(options, extra) {
    const allowed = permission.forCapture(options, extra?.spool);
    return JSON.stringify({ ...toNative(allowed, 'call', { modeReason: options.modeReason }), ...extra });
  }

  function open(options, extra) {
    return isolate.open(request(options, extra));
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

  /** A forked capture goes on by itself and keeps the process alive until it has ended. Resolves to the outcome. */
  function runForked(options, extra) {
    const { signal, onProgress } = options;
    signal?.throwIfAborted();
    const operation = isolate.fork(request(options, extra));
    const cancel = () => operation.cancel();
    signal?.addEventListener?.('abort', cancel, { once: true });
    return follow(operation, onProgress).then(
      (state) => {
        signal?.removeEventListener?.('abort', cancel);
        if (state.error?.code === 'ERR_STILLHEAP_ABORTED' && signal?.aborted) throw signal.reason;
        return state;
      },
      (error) => {
        signal?.removeEventListener?.('abort', cancel);
        throw error;
      },
    );
  }

  async function runInline(options, extra) {
    const { signal, onProgress } = options;
    signal?.throwIfAborted();
    const operation = open(options, extra);
    const stopper = operation.stopper();
    const cancel = () => stopper.stop();
    signal?.addEventListener?.('abort', cancel, { once: true });
    const report = (phase) => {
      onProgress?.({ phase });
      signal?.throwIfAborted();
    };
    try {
      for (const phase of take(isolate, operation, options)) report(phase);
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

  async function capture(options) {
    const checked = captureOptions(options, defaults);
    const result = publicResult(await inTurn(() => run(checked)));
    announce(result);
    return result;
  }

  function captureStream(options) {
    const checked = streamOptions(options, defaults);
    return require('./stream.js').create(checked, (withSignal) =>
      inTurn(() => run(withSignal, { file: undefined, spool: true })),
    );
  }

  /** heapdump's function. */
  function writeSnapshot(filename, callback) {
    const { checkArguments, outcomeToError } = require('./heapdump.js');
    const given = checkArguments(filename, callback);
    const options = captureOptions(given.filename === undefined ? {} : { file: given.filename }, defaults);
    const succeed = (result) => {
      announce(publicResult(result));
      given.callback?.(null, given.filename ?? shortName(result.file));
    };
    if (heapdumpForks) {
      inTurn(() => run({ ...options, mode: 'fork' })).then(succeed, (error) =>
        given.callback?.(outcomeToError(error)),
      );
      return true;
    }
    let outcome;
    try {
      // In the process there is nothing but V8, whatever reads the heap in forked children.
      outcome = takeAndFinishSync(isolate, open({ ...options, engine: 'v8' }), options);
    } catch (error) {
      outcome = { error };
    }
    if (outcome.error) given.callback?.(outcomeToError(outcome.error));
    else succeed(outcome.result);
    return outcome.error === undefined;
  }

  return { capture, captureStream, request, writeSnapshot };
}

/** Milliseconds between two looks at a forked capture. */
const forkPollInterval = 20;

/** Looks how far a forked capture is. What `onProgress` throws cancels it, and rejects the promise. */
function follow(operation, onProgress) {
  return new Promise((resolve, reject) => {
    let last = '';
    let thrown;
    const look = () => {
      let state;
      try {
        const text = operation.poll();
        state = JSON.parse(text);
        if (state.progress && text !== last && state.progress.phase !== 'waiting') {
          last = text;
          onProgress?.(state.progress);
        }
        if (state.result) onProgress?.({ phase: 'done' });
      } catch (error) {
        thrown ??= { error };
        operation.cancel();
        // Without a state nothing more is going to come.
        state ??= {};
      }
      if (state.progress) return;
      clearInterval(timer);
      if (thrown) reject(thrown.error);
      else resolve(state);
    };
    const timer = setInterval(look, forkPollInterval);
  });
}

/** Runs the part that needs this thread; throws what went wrong. */
function* take(isolate, operation, options) {
  if (isolate.engineReason === null) {
    yield 'generating';
    unwrap(operation.generate());
    yield 'serializing';
    unwrap(operation.serialize());
    return;
  }
  yield 'generating';
  const { file, fileBytes } = unwrap(operation.createRawFile());
  const raw = fileBytes === undefined ? file : Buffer.from(fileBytes, 'hex');
  try {
    require('node:v8').writeHeapSnapshot(raw, {
      exposeInternals: options.internals,
      exposeNumericValues: options.numericValues,
    });
    unwrap(operation.import(JSON.stringify(raw)));
  } finally {
    require('node:fs').rmSync(raw, { force: true });
  }
}

function takeAndFinishSync(isolate, operation, options) {
  try {
    for (const _phase of take(isolate, operation, options));
    return JSON.parse(operation.finishSync());
  } finally {
    operation.discard();
  }
}

function unwrap(json) {
  const { result, error } = JSON.parse(json);
  if (error) throw fromNative(error);
  return result;
}

function publicResult({ fileBytes, reportBytes, ...result }) {
  return {
    ...result,
    // A path that is not UTF-8, which Node's functions take as bytes only.
    ...(fileBytes !== undefined && { fileBytes: Buffer.from(fileBytes, 'hex') }),
    ...(reportBytes !== undefined && { reportBytes: Buffer.from(reportBytes, 'hex') }),
    startTime: new Date(result.startTime),
  };
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

module.exports = { create, publicResult, takeAndFinishSync };
