'use strict';

// Programs that leak and programs that merely move, each labelled. A program is a function that makes a step:
// `step(t, dt)` with the time since the start and since the last step, in seconds. What it adds depends on the
// time alone, so that a busy machine changes nothing.
//
// Time is compressed a hundredfold against the watch's usual thresholds: a second here is 100 there.

const { EventEmitter } = require('node:events');

const MB = 1e6;

/** Calls `add` once for so many bytes per second, `size` at a time. */
function evenly(rate, size, add) {
  let owed = 0;
  return (_t, dt) => {
    owed += rate * dt;
    for (; owed >= size; owed -= size) add();
  };
}

/** Numbers that lie in the heap: eight bytes each. */
function payload(bytes) {
  return new Array(Math.floor((bytes - 16) / 8)).fill(1.5);
}

/** An array of memory outside of the heap that is really used. */
function buffer(bytes) {
  return new Uint8Array(bytes).fill(1);
}

/** Name → what grows (and how fast, in bytes per second, where that is known exactly), and the program. */
const leaks = {
  'closure chain': {
    what: 'heap',
    program() {
      let template = null;
      return evenly(MB, 10_000, () => {
        // Both functions share one context, so that `send` keeps `original` alive, which keeps the one before.
        const original = template;
        const unused = () => original;
        template = { text: payload(9_800), send: () => 'sent' };
        return unused;
      });
    },
  },
  'growing Map': {
    what: 'heap',
    rate: 1.5 * MB,
    program() {
      const seen = new Map();
      return evenly(1.5 * MB, 10_000, () => seen.set(`user ${seen.size}`, payload(9_900)));
    },
  },
  listeners: {
    what: 'heap',
    program() {
      const bus = new EventEmitter().setMaxListeners(0);
      return evenly(MB, 10_000, () => {
        const session = payload(9_700);
        bus.on('update', () => session.length);
      });
    },
  },
  timers: {
    what: 'heap',
    program: () =>
      evenly(MB, 10_000, () => {
        const request = payload(9_600);
        setTimeout(() => request.length, 3_600_000).unref();
      }),
  },
  'promises that never settle': {
    what: 'heap',
    program() {
      const waiting = [];
      const handle = async (body) => {
        await new Promise((resolve) => waiting.push(resolve));
        return body.length;
      };
      return evenly(MB, 10_000, () => void handle(payload(9_600)));
    },
  },
  'detached buffers': {
    what: 'external',
    rate: 2 * MB,
    program() {
      const parts = [];
      return evenly(2 * MB, 65_536, () => parts.push(buffer(65_536)));
    },
  },
  'native memory': {
    what: 'native',
    program() {
      const { createSecureContext } = require('node:tls');
      const contexts = [];
      // Each takes some 15 to 30 kB that V8 knows nothing of, and next to nothing of the heap.
      return evenly(250, 1, () => contexts.push(createSecureContext()));
    },
  },
};

function cache(size, entry) {
  const entries = new Map();
  let next = 0;
  return (key = next++) => {
    entries.delete(key);
    entries.set(key, payload(entry));
    if (entries.size * entry > size) entries.delete(entries.keys().next().value);
  };
}

const healthy = {
  'stable service': () => {
    const state = payload(20 * MB);
    return () => state.length;
  },
  'cache that fills at random': () => {
    const put = cache(40 * MB, 10_000);
    return evenly(8 * MB, 10_000, () => put(Math.floor(Math.random() * 4000)));
  },
  'cache that fills evenly, then replaces': () => {
    const put = cache(20 * MB, 10_000);
    return evenly(5 * MB, 10_000, () => put());
  },
  'batch job every ten seconds': () => {
    let rows = [];
    return (t, dt) => {
      if (t % 10 > 2) rows = [];
      else rows.push(payload(10 * MB * dt + 100));
    };
  },
  'start-up growth': () => {
    const loaded = [];
    const grow = evenly(15 * MB, 10_000, () => loaded.push(payload(10_000)));
    return (t, dt) => t < 2 && grow(t, dt);
  },
  'load that comes and goes': () => {
    const sessions = [];
    return (t) => {
      const wanted = Math.round(1500 * (1 - Math.cos((t / 8) * 2 * Math.PI)));
      while (sessions.length > wanted) sessions.pop();
      while (sessions.length < wanted) sessions.push(payload(10_000));
    };
  },
  'code that warms up': () => {
    const functions = [];
    const make = () => {
      const n = functions.length;
      // biome-ignore lint/security/noGlobalEval: new code is what this program is about
      const made = globalThis.eval(
        `(function f${n}(a) { let s = 0; for (let i = 0; i < 9; i++) s += a * ${n}; return s; })`,
      );
      functions.push(made);
    };
    return (t) => {
      const wanted = Math.round(1500 * (1 - Math.exp(-t / 2)));
      while (functions.length < wanted) make();
      for (const f of functions) f(t);
    };
  },
  'large but stable': () => {
    const parts = Array.from({ length: 1500 }, () => payload(100_000));
    return () => {
      for (let i = 0; i < 20; i++) parts[Math.floor(Math.random() * parts.length)] = payload(100_000);
    };
  },
};

/** Thresholds for compressed time. */
const compressed = { warmup: 1000, minTime: 6000, pressureTime: 6000, interval: 100 };

module.exports = { compressed, healthy, leaks };
