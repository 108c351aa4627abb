// A real application's heap: TypeScript's compiler with a checked program, a server and its clients, contexts of
// node:vm, WebAssembly, Intl, streams, async generators. Then as frozen.js: V8's snapshot, and no more JavaScript.
const fs = require('node:fs');
const http = require('node:http');
const path = require('node:path');
const v8 = require('node:v8');
const vm = require('node:vm');
const zlib = require('node:zlib');

const root = path.dirname(path.dirname(__dirname));
const ts = require(path.join(root, 'node_modules/typescript'));

function compile() {
  const file = path.join(root, 'index.d.ts');
  const options = { noEmit: true, strict: true, lib: ['lib.es2023.d.ts'], types: [], skipLibCheck: false };
  const program = ts.createProgram([file], options);
  return {
    program,
    checker: program.getTypeChecker(),
    diagnostics: ts.getPreEmitDiagnostics(program).length,
  };
}

// (module (memory 1) (table 1 funcref) (global (mut i32) (i32.const 1)) (func (export "f") (result i32) i32.const 7))
const wasm = Buffer.from(
  '0061736d010000000105016000017f0302010004040170000105030100010606017f0141010b07050101660000' +
    '0a0601040041070b',
  'hex',
);

async function serve(kept) {
  const server = http.createServer((request, response) => {
    kept.requests.push({ url: request.url, headers: request.headers });
    response.end(JSON.stringify({ ok: true, url: request.url }));
  });
  await new Promise((listening) => server.listen(0, '127.0.0.1', listening));
  for (let n = 0; n < 30; n++) {
    const response = await fetch(`http://127.0.0.1:${server.address().port}/item/${n}`);
    kept.answers.push(await response.json());
  }
  kept.server = server;
}

async function* numbers() {
  for (let n = 0; ; n++) yield n;
}

async function main() {
  const kept = { requests: [], answers: [], contexts: [] };
  globalThis.kept = kept;
  kept.compiled = compile();
  await serve(kept);
  for (let n = 0; n < 3; n++) {
    const context = vm.createContext({ n, log: [] });
    vm.runInContext(
      'class Inner { constructor(n) { this.n = n } }; log.push(new Inner(n)); var list = [1, 2, {n}]',
      context,
    );
    kept.contexts.push(context);
  }
  const module_ = new WebAssembly.Module(wasm);
  kept.wasm = new WebAssembly.Instance(module_);
  kept.called = kept.wasm.exports.f();
  kept.intl = ['de', 'en', 'ja'].map((locale) => [
    new Intl.DateTimeFormat(locale),
    new Intl.NumberFormat(locale, { style: 'currency', currency: 'EUR' }),
    new Intl.Collator(locale),
  ]);
  kept.generator = numbers();
  await kept.generator.next();
  kept.packed = zlib.createGzip();
  kept.registry = new FinalizationRegistry(() => {});
  kept.registry.register(kept.answers[0], 'first', kept.answers[1]);
  kept.proxied = new Proxy(kept.answers, { get: (target, key) => target[key] });
  kept.lone = { '\ud800': 1, text: 'x\udc00y', names: ['\ud83d\ude00', 'ü'] };
  kept.template = (strings, ...values) => [strings, values];
  kept.tagged = kept.template`a${1}b${2}c`;
  kept.url = new URL('https://example.org/a?b=c#d');
  kept.abort = new AbortController();
  kept.channel = new MessageChannel();
  kept.deep = Array.from({ length: 5000 }, (_, n) => ({ n, next: null, text: `node ${n}` }));
  for (let n = 1; n < kept.deep.length; n++) kept.deep[n].next = kept.deep[n - 1];
  setTimeout(function later() {}, 1e9).unref();
  await new Promise((done) => setTimeout(done, 300));
  if (globalThis.gc) globalThis.gc();
  v8.writeHeapSnapshot(process.argv[2]);
  fs.writeSync(1, 'frozen\n');
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
}

main();
