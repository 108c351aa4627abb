'use strict';

// Every way into a process, also more than one at a time.

const assert = require('node:assert/strict');
const { readdirSync } = require('node:fs');
const path = require('node:path');
const { pathToFileURL } = require('node:url');
const { root, runSource, startAgent, startNode, temporaryDirectory } = require('./support/child.js');
const { copyPackage } = require('./support/package.js');
const { readSnapshot } = require('./support/snapshot.js');
const { test } = require('./support/test.js');

const wrote = /stillheap: wrote (\S+)/;

async function answersSignal(child) {
  await child.output(/ready/, 'stdout');
  child.kill('SIGUSR2');
  readSnapshot((await child.output(wrote))[1]);
}

const idle = 'setInterval(() => {}, 2 ** 30); console.log("ready")';

test('node -r', async (t) => {
  await answersSignal(startNode(t, ['-r', root, '-e', idle]));
});

test('node --import', async (t) => {
  const url = pathToFileURL(path.join(root, 'index.mjs')).href;
  await answersSignal(startNode(t, ['--import', url, '-e', idle]));
});

test('NODE_OPTIONS=--require', async (t) => {
  const env = { NODE_OPTIONS: `--require=${root}` };
  await answersSignal(startNode(t, ['-e', idle], { env }));
});

test('ESM: the default export and names, the same object as require gives', async (t) => {
  const source = `
    import assert from 'node:assert/strict';
    import { createRequire } from 'node:module';
    const url = ${JSON.stringify(pathToFileURL(path.join(root, 'index.mjs')).href)};
    const module = await import(url);
    const required = createRequire(url)('./index.js');
    assert.equal(module.default, required);
    const names = Object.keys(module).filter((name) => name !== 'default').sort();
    assert.deepEqual(names, Object.keys(required).filter((name) => !/^(_|domain|engine)/.test(name)).sort());
    for (const name of names) assert.equal(module[name], required[name], name);
    const { writeSnapshot, capture } = module;
    assert.ok(writeSnapshot('a') && (await capture({ file: 'b' })).bytes > 0);
    console.log('good');`;
  const child = await runSource(t, source, { type: 'module' });
  assert.equal(child.stdout, 'good\n', child.stderr);
});

test('functions need no this; the module is an EventEmitter', async (t) => {
  const agent = await startAgent(t);
  const outcome = await agent.call(async ({ stillheap, require }) => {
    const { capture, stop, start } = stillheap;
    stop();
    start();
    const { bytes } = await capture();
    return { bytes, emitter: stillheap instanceof require('node:events').EventEmitter };
  });
  assert.ok(outcome.bytes > 0 && outcome.emitter);
});

for (const [what, change] of [
  ['the same version', (manifest) => manifest],
  ['different versions', (manifest) => ({ ...manifest, version: '9.9.9' })],
]) {
  test(`two copies on disk, ${what}: one dump per signal`, async (t) => {
    const base = temporaryDirectory(t);
    const first = copyPackage(path.join(base, 'first'));
    const second = copyPackage(path.join(base, 'second'), { change });
    const agent = await startAgent(t, { module: first });
    const outcome = await agent.call(async ({ stillheap, require, send }, second) => {
      const other = require(second);
      for (const each of [stillheap, other]) each.on('snapshot', (result) => send('snapshot', result));
      // Both can capture.
      await stillheap.capture({ file: 'a' });
      await other.capture({ file: 'b' });
      return { same: other === stillheap, version: other.version };
    }, second);
    assert.equal(outcome.same, what === 'the same version');
    agent.kill('SIGUSR2');
    for (;;) if ((await agent.event('snapshot')).trigger === 'signal') break;
    await agent.call(({ stillheap }) => stillheap.capture({ file: 'barrier' }));
    const dumps = readdirSync(agent.cwd).filter((name) => name.startsWith('heapdump-'));
    assert.equal(dumps.length, 1, dumps.join());
    assert.doesNotMatch(agent.stderr, /no heap snapshot/);
  });
}

test('two copies, one of them in a worker: one dump, also after the worker has gone', async (t) => {
  const base = temporaryDirectory(t);
  const second = copyPackage(path.join(base, 'second'));
  const agent = await startAgent(t);
  await agent.call(async ({ stillheap, require, keep, send }, second) => {
    stillheap.on('snapshot', (result) => send('snapshot', result.isMainThread));
    const { Worker } = require('node:worker_threads');
    const source = `require(${JSON.stringify(second)}); const { parentPort } = require('node:worker_threads');
      parentPort.on('message', () => {}); parentPort.postMessage('loaded');`;
    keep.worker = new Worker(source, { eval: true });
    await new Promise((resolve) => keep.worker.once('message', resolve));
  }, second);
  for (const gone of [false, true]) {
    if (gone) await agent.call(({ keep }) => keep.worker.terminate().then(() => {}));
    agent.kill('SIGUSR2');
    assert.equal(await agent.event('snapshot'), true);
  }
  await agent.call(({ stillheap }) => stillheap.capture({ file: 'barrier' }));
  assert.equal(readdirSync(agent.cwd).filter((name) => name.startsWith('heapdump-')).length, 2);
});

test('loaded again and again, as test runners do, and in another context', async (t) => {
  const agent = await startAgent(t);
  const outcome = await agent.call(async ({ stillheap, require }, root) => {
    const vm = require('node:vm');
    const same = [];
    for (let n = 0; n < 20; n++) {
      for (const key of Object.keys(require.cache)) if (key.startsWith(root)) delete require.cache[key];
      same.push(require(root) === stillheap);
    }
    // A registry of modules per test file, without what the first left on process.
    delete process[Symbol.for('stillheap')];
    const context = vm.createContext({ require, console });
    for (const key of Object.keys(require.cache)) if (key.startsWith(root)) delete require.cache[key];
    const other = vm.runInContext(`require(${JSON.stringify(root)})`, context);
    const results = [await other.capture({ file: 'a' }), await stillheap.capture({ file: 'b' })];
    return { same: [...new Set(same)], engines: results.map(({ engine }) => engine) };
  }, root);
  assert.deepEqual(outcome, { same: [true], engines: ['v8', 'v8'] });
  agent.kill('SIGUSR2');
  readSnapshot((await agent.output(wrote))[1]);
});

test('a process object that takes no properties and a closed stderr do not keep a service from starting', async (t) => {
  const child = await runSource(
    t,
    `Object.preventExtensions(process); require(${JSON.stringify(root)}); console.log('up')`,
  );
  assert.equal(child.stdout, 'up\n', child.stderr);
  const closed = startNode(t, [
    '-e',
    `require('node:fs').closeSync(2); require(${JSON.stringify(root)}); ${idle}`,
  ]);
  await closed.output(/ready/, 'stdout');
  closed.kill('SIGUSR2');
  closed.kill('SIGUSR2');
  assert.equal(closed.outcome, undefined);
});
