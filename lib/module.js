'use strict';

// What `require('stillheap')` gives: an EventEmitter with functions that need no `this`.

const { constants } = require('node:os');
const captures = require('./captures.js');
const { Stillheap } = require('./emitter.js');
const { failure, fromNative } = require('./errors.js');
const { consistent, initialDefaults, processOptions, streamOptions, toNative } = require('./options.js');
const permission = require('./permission.js');
const { say } = require('./say.js');
const { attach, foreignRuntime, serviceName } = require('./runtime.js');

/** Where the package's other modules find what this one shares with them. */
const internals = Symbol.for('stillheap.internals');

function create(version) {
  const emitter = new Stillheap();
  const complain = say;
  const { defaults, limit: limitDefaults } = initialDefaults(process.env, complain);

  const { native, isolate, here } = attach(
    (here) => ({
      ...here,
      node: process.version,
      service: serviceName(),
      foreign: foreignRuntime(process.env),
      hasLibuv: process.versions.bun === undefined && process.versions.deno === undefined,
      defaults: signalDefaults(defaults),
    }),
    (kind, json) => {
      if (kind === 'watch') require('./watch.js').drainAll();
      else if (kind === 'outcome') announceOutcome(JSON.parse(json));
      else if (isolate.engineReason === null) isolate.runPending();
      else if (isolate.takePending()) captureThroughNode();
    },
  );
  emitter.watchListeners((snapshot, error) => isolate.setListeners(snapshot, error));

  /** A signal's outcome becomes an event; where nobody listened, the addon has written a line instead. */
  function announceOutcome({ result, error }) {
    if (result) emitter.emit('snapshot', captures.publicResult(result));
    else if (emitter.listenerCount('error') > 0) emitter.emit('error', fromNative(error));
  }

  function announce(result) {
    if (emitter.listenerCount('snapshot') > 0) process.nextTick(() => emitter.emit('snapshot', result));
  }

  /** Serves a signal where V8 is out of reach. */
  function captureThroughNode() {
    let outcome;
    try {
      const operation = isolate.open(JSON.stringify(signalDefaults(defaults)));
      outcome = captures.takeAndFinishSync(isolate, operation, defaults);
    } catch (error) {
      outcome = { error: { message: error.message, code: error.code ?? 'ERR_STILLHEAP_INTERNAL' } };
    }
    isolate.publish(JSON.stringify(outcome), defaults.quiet);
  }

  const { capture, captureStream, request, writeSnapshot } = captures.create({ isolate, defaults, announce });

  function captureNearHeapLimit(options) {
    return require('./near-limit.js').arm(isolate, options, defaults, limitDefaults);
  }

  function applyNearHeapLimit() {
    const { nearHeapLimit } = defaults;
    if (nearHeapLimit === false) isolate.disarmNearLimit();
    else captureNearHeapLimit(nearHeapLimit === true ? undefined : nearHeapLimit);
  }

  function setDefaults(changes) {
    Object.assign(defaults, consistent({ ...defaults, ...changes }));
    isolate.setDefaults(JSON.stringify(signalDefaults(defaults)));
  }

  function configure(options) {
    setDefaults(processOptions(options, 'The argument of configure'));
    if (options?.nearHeapLimit !== undefined) applyNearHeapLimit();
    if (options && (options.signal !== undefined || options.threads !== undefined)) applySignal(false);
  }

  function start(options) {
    const checked = processOptions(options, 'The argument of start');
    // After NODE_HEAPDUMP_OPTIONS=nosignal, a plain start() means the usual signal.
    if (checked.signal === undefined && defaults.signal === null) {
      checked.signal = constants.signals.SIGUSR2 ?? null;
    }
    setDefaults(checked);
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
      request,
      takeAndFinishSync: (operation, options) => captures.takeAndFinishSync(isolate, operation, options),
      captureOptions: (options) => streamOptions(options, defaults),
      collectGarbage() {
        if (!isolate.collectGarbage()) require('./watch-fallback.js').collectGarbage();
      },
    },
  });
  if (native.reason !== undefined && here.isMainThread && !defaults.quiet) {
    complain(`stillheap: captures go through node:v8: ${native.reason}`);
  }
  applySignal(true);
  begin(defaults.nearHeapLimit, applyNearHeapLimit);
  begin(defaults.watch, () => watch(defaults.watch === true ? undefined : defaults.watch));
  isolate.loaded();
  return emitter;

  /** What the environment asks for: it never keeps the service from starting. */
  function begin(wanted, body) {
    if (!wanted) return;
    try {
      body();
    } catch (error) {
      complain(`stillheap: ${error.message}`);
    }
  }
}

/** What the addon does on a signal; `refused` is its answer where Node's permissions don't allow it. */
function signalDefaults(defaults) {
  const { options, refused } = permission.forLater(defaults);
  return toNative(options, 'signal', { refused });
}

module.exports = { create, internals };
