'use strict';

// V8's garbage collector on demand, whatever flags the process was started with.

let collect;

/** Whether the process was started with the flag; jest's tests don't see the global that it makes. */
function wasAskedFor() {
  return /--expose[-_]gc/.test([...process.execArgv, process.env.NODE_OPTIONS ?? ''].join(' '));
}

/** `gc()`: that of --expose-gc or, without, of a context that is made while the flag is on. */
function collector() {
  if (typeof globalThis.gc === 'function') return globalThis.gc;
  if (collect === undefined) {
    const { setFlagsFromString } = require('node:v8');
    setFlagsFromString('--expose-gc');
    collect = require('node:vm').runInNewContext('gc');
    // Contexts that are made later shall not have a global that nobody asked for.
    if (!wasAskedFor()) setFlagsFromString('--no-expose-gc');
  }
  return collect;
}

/**
 * Collects until nothing more goes: what finalizers and the event loop let go of takes another turn. Resolves to
 * the bytes in use then, in V8's heap and outside of it.
 */
async function settle() {
  const gc = collector();
  let least = Number.POSITIVE_INFINITY;
  for (let turn = 0; turn < 5; turn += 1) {
    gc();
    await new Promise((resolve) => setImmediate(resolve));
    const { heapUsed, external } = process.memoryUsage();
    if (heapUsed + external >= least) break;
    least = heapUsed + external;
  }
  return least;
}

module.exports = { settle };
