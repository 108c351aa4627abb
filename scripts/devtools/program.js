'use strict';

// The process whose snapshots DevTools is asked about: a little of everything that V8 writes differently.
//   node program.js snapshot FILE [AFTER] [--numeric-values] [--internals]
//   node program.js timeline FILE
// AFTER is written after a second phase in which the program leaks, so that object ids match.

const { EventEmitter } = require('node:events');
const fs = require('node:fs');
const http = require('node:http');
const inspector = require('node:inspector');
const v8 = require('node:v8');
const vm = require('node:vm');

class Session {
  #secret = 'sess-private';
  constructor(id) {
    this.id = `sess-${id}`;
    this.created = 1_700_000_000_000 + id;
    this.weight = id / 3;
    this.flags = { admin: id % 7 === 0, active: true };
    this.payload = Buffer.alloc(64 + id, id);
    this.onClose = () => this.#secret + id;
  }
}

class Administration extends Session {
  get level() {
    return this.id.length;
  }
}

function* countdown(from) {
  while (from > 0) yield from--;
}

/** Closures that share one context, of which only one uses the large value. */
function handlers(n) {
  const large = new Array(200).fill(n);
  return { used: () => large.length, unused: () => n };
}

function strings(n) {
  const text = `alpha bravo charlie ${n % 5} `.repeat(4);
  return {
    duplicate: JSON.parse('"the same text in many places"'),
    joined: `${text}|${n}|${text}`,
    concatenated: text + n + text + (n + 1),
    sliced: `${text}${n} delta echo foxtrot golf hotel`.slice(20, 90),
    long: 'x'.repeat(1500) + (n % 3),
    wide: `süß ${n} 漢字 \u{1f600}`,
  };
}

const kept = {
  sessions: [],
  byId: new Map(),
  names: new Set(),
  weak: new WeakMap(),
  weakSet: new WeakSet(),
  references: [],
  finalizers: new FinalizationRegistry(() => {}),
  bus: new EventEmitter(),
  texts: [],
  handlers: [],
  misc: [],
};
kept.bus.setMaxListeners(0);
globalThis.kept = kept;

function work(from, to) {
  for (let n = from; n < to; n++) {
    const session = n % 4 === 0 ? new Administration(n) : new Session(n);
    kept.sessions.push(session);
    kept.byId.set(session.id, session);
    kept.names.add(`name ${n}`);
    kept.weak.set(session, { of: n, back: session });
    kept.weakSet.add(session);
    kept.references.push(new WeakRef(session));
    kept.finalizers.register(session, n);
    kept.bus.on(`close-${n % 3}`, session.onClose);
    kept.texts.push(strings(n));
    kept.handlers.push(handlers(n));
  }
}

function oddities() {
  const sparse = [];
  sparse[90_000] = 'far';
  const dictionary = {};
  for (let n = 0; n < 300; n++) dictionary[`key ${n}`] = { html: `<p>${n}</p>`, user: null };
  for (let n = 0; n < 100; n++) delete dictionary[`key ${n}`];
  const generator = countdown(5);
  generator.next();
  const other = vm.createContext({ shared: kept.sessions });
  vm.runInContext('globalThis.list = shared.map((s) => ({ className: s.id, id: 1, onClick() {} }));', other);
  const bytes = new ArrayBuffer(10_000);
  kept.misc.push(
    sparse,
    dictionary,
    generator,
    other,
    new vm.Script('1 + 1'),
    [new Uint8Array(bytes), new Float64Array(bytes, 8, 4), new DataView(bytes), new SharedArrayBuffer(512)],
    [Symbol('a symbol'), 2n ** 200n, -1n, 0.1, Number.NaN, -0, 2 ** 31, /a(b|c)+/gu, new Date(0)],
    new Proxy({ target: true }, { get: () => 1 }),
    new Error('kept with its stack', { cause: new TypeError('cause') }),
    new Intl.NumberFormat('en'),
    new Promise(() => {}).then(() => kept),
    (async () => {
      await new Promise(() => {});
    })(),
    setInterval(() => kept, 1e8).unref(),
    function bound() {}.bind(kept, 1, 2),
    http.createServer((_request, response) => response.end(String(kept.sessions.length))),
    Object.create(null, { hidden: { value: { deep: true }, enumerable: false } }),
    new WebAssembly.Memory({ initial: 1 }),
    structuredClone(new Map([[{ key: 1 }, new Set(['value'])]])),
  );
}

function timeline(file) {
  const session = new inspector.Session();
  session.connect();
  const out = fs.openSync(file, 'w');
  session.on('HeapProfiler.addHeapSnapshotChunk', ({ params }) => fs.writeSync(out, params.chunk));
  session.post('HeapProfiler.startTrackingHeapObjects', { trackAllocations: true });
  work(0, 60);
  session.post('HeapProfiler.stopTrackingHeapObjects', {}, () => fs.closeSync(out));
}

const words = process.argv.slice(2);
const [what, file, after] = words.filter((word) => !word.startsWith('--'));
if (what === 'timeline') {
  timeline(file);
} else {
  const options = {
    exposeNumericValues: words.includes('--numeric-values'),
    exposeInternals: words.includes('--internals'),
  };
  work(0, 150);
  oddities();
  v8.writeHeapSnapshot(file, options);
  if (after) {
    kept.sessions.splice(0, 40);
    work(150, 240);
    v8.writeHeapSnapshot(after, options);
  }
}
