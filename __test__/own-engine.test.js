'use strict';

// `engine: 'own'`: the forked child reads the heap by itself. What it writes is what V8's generator writes of the same
// heap; it runs nobody's code; where it can't read, it says so.

const assert = require('node:assert/strict');
const { execFileSync } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');
const { root, startAgent, startNode, temporaryDirectory } = require('./support/child.js');
const { compare, contents } = require('./support/fidelity.js');
const { classCounts, idsOf, readSnapshot } = require('./support/snapshot.js');
const { testIf } = require('./support/test.js');

const glibc = Boolean(process.report?.getReport().header.glibcVersionRuntime);
const supported = process.platform === 'linux' && process.arch === 'x64' && glibc;
const test = testIf(supported, 'our own reader reads V8 on Linux x64 with glibc');

const environment = { NODE_HEAPDUMP_OPTIONS: 'nosignal', STILLHEAP_MODE: 'fork' };

/** Objects of many kinds. */
function fill({ keep, require }, count) {
  class Message {
    #secret;
    constructor(number) {
      this.number = number;
      this.text = `message ${number}`;
      this.#secret = number + 0.5;
    }
    reveal() {
      return this.#secret;
    }
  }
  const many = (make) => Array.from({ length: count }, (_, number) => make(number));
  keep.messages = many((number) => new Message(number));
  keep.map = new Map(many((number) => [`key ${number}`, { number }]));
  keep.closures = many((number) => () => number);
  keep.weak = new WeakMap(keep.messages.map((message) => [message, [message.number]]));
  keep.buffers = Array.from({ length: 50 }, () => Buffer.alloc(10_000));
  keep.emitter = new (require('node:events'))();
  for (let n = 0; n < 20; n++) keep.emitter.on('something', () => n);
  keep.promises = Array.from({ length: 100 }, () => new Promise(() => {}));
}

/** In the agent: see support/both.js. */
function both({ stillheap, require }, { support, directory, order }) {
  return require(support).captureBoth(stillheap, directory, order);
}

for (const order of [
  ['own', 'v8'],
  ['v8', 'own'],
]) {
  test(`our reader finds in a heap what V8 finds (${order})`, { timeout: 300_000 }, async (t) => {
    const agent = await startAgent(t, { env: { STILLHEAP_MODE: 'fork' } });
    await agent.call(fill, 4000);
    const directory = temporaryDirectory(t);
    // The first captures bring code and strings into the heap that stay there.
    const support = path.join(__dirname, 'support/both.js');
    await agent.call(both, { support, directory: path.join(directory, 'warm'), order });
    const files = await agent.call(both, { support, directory, order });
    assert.equal(readSnapshot(files.own).snapshot.stillheap.mode, 'fork');
    const [truth, found] = [contents(files.v8), contents(files.own)];
    for (const what of ['count', 'links', 'places']) {
      const { share, over, different } = compare(truth[what], found[what]);
      // In V8 11.3 the size of machine code isn't known, so numbers that only it refers to are not found.
      const numbers = what === 'count' && process.versions.v8.startsWith('11.3');
      const least = what === 'places' || numbers ? 0.999 : 0.9999;
      // A stale word on the stack may keep what V8 collects first.
      assert.ok(
        share >= least && over <= 0.002,
        `${what}: ${share} ${over}\n${different.slice(0, 40).join('\n')}`,
      );
      t.diagnostic(`${what}: ${share} found, ${over} too many`);
    }
    const { code, stderr } = await startNode(t, [path.join(root, 'bin/stillheap.js'), 'verify', files.own])
      .ended;
    assert.equal(code, 0, stderr);
  });
}

test('microtasks that wait are retained, those that have run are not', async (t) => {
  const agent = await startAgent(t, { env: { STILLHEAP_MODE: 'fork' } });
  const support = path.join(__dirname, 'support/both.js');
  for (const [name, ran, waiting] of [
    ['few', 1000, 300],
    // Their ring is larger than what the reader looks through otherwise.
    ['many', 0, 6000],
  ]) {
    const files = await agent.call(
      async ({ stillheap, require }, { support, directory, ran, waiting }) => {
        class Ran {}
        class Waiting {}
        const queue = (count, Class) => {
          for (let n = 0; n < count; n++) Promise.resolve(new Class()).then(() => {});
        };
        queue(ran, Ran);
        await new Promise((resolve) => setImmediate(resolve));
        queue(waiting, Waiting);
        return require(support).captureBoth(stillheap, directory, ['own', 'v8']);
      },
      { support, directory: path.join(temporaryDirectory(t), name), ran, waiting },
    );
    const count = (file, name) => classCounts(readSnapshot(file)).get(name) ?? 0;
    for (const file of [files.v8, files.own]) assert.equal(count(file, 'Waiting'), waiting, file);
    // A block of malloc that was handed out again may have words of an older ring. Once it was seven in ten.
    const over = count(files.own, 'Ran') - count(files.v8, 'Ran');
    assert.ok(over <= 100, `${over} that have run`);
    assert.ok(
      readSnapshot(files.own).strings.includes('(Micro tasks)'),
      'the root has the name that V8 gives it',
    );
  }
});

test('a result says who read the heap, and what it took', async (t) => {
  const agent = await startAgent(t, { env: environment });
  await agent.call(fill, 5000);
  const take = (options) => agent.call(({ stillheap }, options) => stillheap.capture(options), options);
  const own = await take({ engine: 'own' });
  assert.deepEqual([own.engine, own.engineReason, own.attempts], ['own', undefined, 1]);
  assert.ok(own.nodeCount > 40_000 && own.generateMs > 0 && own.serializeMs > 0);
  assert.equal(readSnapshot(own.file).snapshot.node_count, own.nodeCount);
  const v8 = await take({ engine: 'v8' });
  assert.equal(v8.engine, 'v8');
  assert.ok(own.memory.estimate < v8.memory.estimate);
  assert.ok(own.memory.taken < v8.memory.taken / 2, `${own.memory.taken} and ${v8.memory.taken}`);
  assert.equal(classCounts(readSnapshot(own.file)).get('Message'), 5000);
  for (const compress of ['gzip', 'zstd']) {
    const packed = await take({ engine: 'own', compress });
    assert.ok(packed.bytes < packed.rawBytes / 3);
    assert.equal(
      (await startNode(t, [path.join(root, 'bin/stillheap.js'), 'verify', packed.file]).ended).code,
      0,
    );
  }
});

test('objects that did not move keep their id from one capture to the next', async (t) => {
  const agent = await startAgent(t, { env: environment, nodeArgs: ['--expose-gc'] });
  const results = await agent.call(async ({ stillheap, keep }) => {
    class Kept {}
    keep.kept = Array.from({ length: 1000 }, () => new Kept());
    // What survives two collections is in the old generation.
    globalThis.gc();
    globalThis.gc();
    return [await stillheap.capture({ engine: 'own' }), await stillheap.capture({ engine: 'own' })];
  });
  assert.deepEqual(
    results.map(({ objectIds }) => objectIds),
    ['addresses', 'addresses'],
  );
  const files = results.map(({ file }) => path.resolve(agent.cwd, file));
  const [older, newer] = files.map((file) => readSnapshot(file));
  assert.equal(older.snapshot.stillheap.objectIds, 'addresses');
  assert.equal(older.snapshot.stillheap.processId, newer.snapshot.stillheap.processId);
  const before = idsOf(older, 'Kept');
  assert.equal(before.length, 1000);
  const after = new Set(idsOf(newer, 'Kept'));
  const same = before.filter((id) => after.has(id)).length;
  assert.ok(same >= 900, `${same} of 1000`);
  const diff = startNode(t, [path.join(root, 'bin/stillheap.js'), 'diff', ...files, '--json']);
  const { matchedBy, reason } = JSON.parse((await diff.succeeded()).stdout);
  assert.equal(matchedBy, 'id', reason);
});

test('secrets are taken out of what our reader writes, too', async (t) => {
  const agent = await startAgent(t, { env: environment });
  const result = await agent.call(({ stillheap, keep }) => {
    class Login {
      password = ['kei', 'nem', 'gesagt'].join('').repeat(3);
    }
    keep.logins = Array.from({ length: 10 }, () => new Login());
    return stillheap.capture({ engine: 'own', redact: true });
  });
  assert.deepEqual([result.engine, result.redacted], ['own', true]);
  const text = fs.readFileSync(result.file, 'utf8');
  assert.ok(!text.includes('keinemgesagt'));
  assert.equal(classCounts(readSnapshot(result.file)).get('Login'), 10);
});

test('what our reader can not do is refused, or left to V8 with the reason', async (t) => {
  const agent = await startAgent(t, { env: environment });
  const take = (options) =>
    agent.call(async ({ stillheap, describe }, options) => {
      try {
        return await stillheap.capture(options);
      } catch (error) {
        return { error: describe(error) };
      }
    }, options);
  for (const [options, reason] of [
    [{ internals: true }, /only V8's generator shows V8's internals/],
    [{ numericValues: true }, /only V8's generator writes numeric values/],
  ]) {
    const { error } = await take({ ...options, engine: 'own' });
    assert.equal(error.code, 'ERR_STILLHEAP_UNSUPPORTED');
    assert.match(error.message, reason);
    const result = await take({ ...options, engine: 'auto' });
    assert.equal(result.engine, 'v8');
    assert.match(result.engineReason, reason);
  }
  const { error } = await take({ mode: 'inline', engine: 'own' });
  assert.equal(error.code, 'ERR_STILLHEAP_UNSUPPORTED');
  assert.match(error.message, /in a forked child only/);
  const wrong = await take({ engine: 'node' });
  assert.ok(wrong.error.isTypeError);
  assert.deepEqual(await agent.call(({ files }) => files().filter((name) => name.startsWith('.'))), []);
});

test('a worker is read by our reader, and it alone', async (t) => {
  const agent = await startAgent(t, { env: environment });
  const result = await agent.call(async ({ require, keep, stillheap }, module_) => {
    class OnMain {}
    keep.main = [new OnMain(), new OnMain()];
    const { Worker } = require('node:worker_threads');
    const source = `
      class InWorker {}
      globalThis.kept = Array.from({ length: 1234 }, () => new InWorker());
      const { parentPort } = require('node:worker_threads');
      const stillheap = require(${JSON.stringify(module_)});
      stillheap.capture({ engine: 'own', mode: 'fork' }).then(
        (result) => parentPort.postMessage(result), (error) => parentPort.postMessage({ error: error.message }));
      setInterval(() => {}, 1000);`;
    const worker = new Worker(source, { eval: true });
    const inWorker = await new Promise((resolve) => worker.once('message', resolve));
    const onMain = await stillheap.capture({ engine: 'own' });
    await worker.terminate();
    return { inWorker, onMain };
  }, root);
  assert.equal(result.inWorker.error, undefined);
  const [inWorker, onMain] = [result.inWorker, result.onMain].map(({ file }) =>
    classCounts(readSnapshot(file)),
  );
  assert.deepEqual([inWorker.get('InWorker'), inWorker.get('OnMain')], [1234, undefined]);
  assert.deepEqual([onMain.get('InWorker'), onMain.get('OnMain')], [undefined, 2]);
});

test("a native finalizer of somebody else's addon never runs in a child that reads by itself", async (t) => {
  const addon = path.join(temporaryDirectory(t), 'finalizer.node');
  execFileSync('cc', ['-shared', '-fPIC', '-O1', '-o', addon, path.join(__dirname, 'support/finalizer.c')]);
  const agent = await startAgent(t, { env: environment, nodeArgs: ['--expose-gc'] });
  fs.writeFileSync(path.join(agent.cwd, 'log'), 'a line\n');
  fs.writeFileSync(path.join(agent.cwd, 'shared'), 'a'.repeat(4096));
  const capture = (engine) =>
    agent.call(
      async ({ require, keep, stillheap }, { addon, directory, engine }) => {
        keep.server ??= require('node:net').createServer();
        if (!keep.server.listening) {
          keep.server.listen(0, '127.0.0.1');
          await new Promise((resolve) => keep.server.once('listening', resolve));
        }
        keep.database = require(addon).make(directory, keep.server.address().port, 0);
        globalThis.gc();
        globalThis.gc();
        keep.database = undefined;
        return await stillheap.capture({ engine });
      },
      { addon, directory: agent.cwd, engine },
    );
  const own = await capture('own');
  assert.deepEqual([own.engine, own.refusedCalls], ['own', undefined]);
  // The same in the child of V8's generator, so that this test would notice.
  const v8 = await capture('v8');
  assert.ok(v8.refusedCalls?.length > 0);
});
