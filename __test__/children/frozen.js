// Builds objects of many kinds, has V8 write its own snapshot of them, and then waits without running any more
// JavaScript: a reader of its memory finds what V8 found.
const fs = require('node:fs');
const v8 = require('node:v8');
const { Worker } = require('node:worker_threads');

class Message {
  #secret = 1;
  constructor(number) {
    this.number = number;
    this.text = `message ${number}`;
  }
  reveal() {
    return this.#secret;
  }
}
class Mail extends Message {
  constructor(number) {
    super(number);
    this.weight = number + 0.5;
  }
}
function Old(number) {
  this.number = number;
}
const many = (length, make) => Array.from({ length }, (_, number) => make(number));

class Weak {}
const kept = {
  messages: many(3000, (n) => new Message(n)),
  mails: many(1500, (n) => new Mail(n)),
  olds: many(700, (n) => new Old(n)),
  closures: many(800, (number) => {
    const captured = { number };
    {
      const block = [number];
      return function handler() {
        return [captured, block];
      };
    }
  }),
  map: new Map(many(500, (n) => [n, { value: n }])),
  ropes: many(200, (n) => `aaaaaaaaaaaaaaaaaaaa${n}${'b'.repeat(20)}${Math.random()}`),
  slices: many(200, (n) => `${'x'.repeat(100)}${n}`.slice(3, 60)),
  wide: many(50, (n) => `zwölf Kästen – ${n} 箱`),
  buffers: many(50, () => Buffer.alloc(10_000)),
  floats: many(40, () => new Float64Array(100)),
  dates: many(30, (n) => new Date(n)),
  patterns: many(25, (n) => new RegExp(`a${n}`)),
  promises: many(60, () => new Promise(() => {})),
  symbols: many(33, (n) => Symbol(`symbol ${n}`)),
  large: many(44, (n) => 10n ** BigInt(30 + n)),
  generators: many(21, () =>
    (function* generator() {
      yield 1;
    })(),
  ),
  errors: many(17, () => new Error('kept')),
  bound: many(19, () => Old.bind(null, {})),
  proxies: many(13, () => new Proxy({}, {})),
  bare: many(23, () => Object.create(null)),
  sparse: Object.assign([], { 100000: 1 }),
  slow: many(31, () => {
    const object = Object.fromEntries(many(40, (n) => [`key${n}`, n]));
    delete object.key3;
    return object;
  }),
  accessors: many(12, (n) => ({
    get both() {
      return n;
    },
    set both(_) {},
  })),
  numbers: many(300, (n) => ({ small: n, real: n * 1.1 })),
  weak: many(15, () => new WeakRef(new Weak())),
};
kept.set = new Set(kept.messages.slice(0, 100));
kept.weakMap = new WeakMap(kept.messages.slice(0, 50).map((key) => [key, { of: key.number }]));
globalThis.kept = kept;

const cell = new Int32Array(new SharedArrayBuffer(4));

function stop(file) {
  v8.writeHeapSnapshot(file);
  fs.writeSync(1, 'frozen\n');
  Atomics.wait(cell, 0, 0);
}

const service = {
  start(file) {
    [file].forEach(function each(name) {
      stop(name);
    });
  },
};

if (process.argv[3] === 'worker') {
  const code = `const { parentPort } = require('node:worker_threads');
    class InWorker {}
    globalThis.mine = Array.from({ length: 1234 }, () => new InWorker());
    parentPort.postMessage('ready');
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);`;
  new Worker(code, { eval: true }).once('message', () => service.start(process.argv[2]));
} else {
  setTimeout(function timer() {
    service.start(process.argv[2]);
  }, 50);
}
