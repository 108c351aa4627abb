'use strict';

// Worker threads: each isolate for itself, coming and going as it likes.

const assert = require('node:assert/strict');
const { readdirSync } = require('node:fs');
const path = require('node:path');
const { root, startAgent } = require('./support/child.js');
const { classCounts, readSnapshot } = require('./support/snapshot.js');
const { atFullLength, test } = require('./support/test.js');

const worker = path.join(root, '__test__/children/worker.js');

/** Puts `start(mode)` into the agent's tools: a worker that has sent its first message. */
const prepare = (tools, worker) => {
  const { Worker } = tools.require('node:worker_threads');
  tools.start = (mode) =>
    new Promise((resolve, reject) => {
      const started = new Worker(worker, { workerData: mode });
      started.once('message', (message) => resolve(Object.assign(started, { first: message })));
      started.once('error', reject);
    });
};

async function startWithWorkers(t, options) {
  const agent = await startAgent(t, options);
  await agent.call(prepare, worker);
  return agent;
}

test('a worker captures itself, and itself alone', async (t) => {
  const agent = await startWithWorkers(t);
  const outcome = await agent.call(async ({ stillheap, start, keep }) => {
    class OnMain {}
    keep.here = [new OnMain()];
    const started = await start('capture');
    const own = await stillheap.capture();
    await started.terminate();
    return { first: started.first, id: started.threadId, own };
  });
  const { result, written } = outcome.first;
  assert.equal(result.isMainThread, false);
  assert.ok(result.threadId > 0);
  assert.match(path.basename(result.file), new RegExp(`-${agent.pid}-${result.threadId}\\.heapsnapshot$`));
  assert.equal(written, true);
  const [there, here] = [result.file, outcome.own.file].map((file) => classCounts(readSnapshot(file)));
  assert.deepEqual([there.get('OnMain'), there.get('OnWorker')], [undefined, 3]);
  assert.deepEqual([here.get('OnMain'), here.get('OnWorker')], [1, undefined]);
});

test("the signal is the main thread's by default", async (t) => {
  const agent = await startWithWorkers(t);
  await agent.call(({ start }) => Promise.all([start('wait'), start('block')]).then(() => {}));
  agent.kill('SIGUSR2');
  const [, file] = await agent.output(/stillheap: wrote (\S+)/);
  assert.match(file, new RegExp(`-${agent.pid}-0\\.heapsnapshot$`));
  await agent.call(({ stillheap }) => stillheap.capture({ file: 'barrier' }));
  assert.equal(readdirSync(agent.cwd).length, 2);
});

test("threads: 'all': every isolate, idle or blocked, into a file of its own", async (t) => {
  const agent = await startWithWorkers(t, { env: { STILLHEAP_THREADS: 'all' } });
  const ids = await agent.call(async ({ start }) => {
    const started = await Promise.all([start('wait'), start('block'), start('wait')]);
    return started.map(({ threadId }) => threadId);
  });
  agent.kill('SIGUSR2');
  const lines = await agent.outputs(/stillheap: wrote (\S+)/, 4);
  const threads = lines.map(([, file]) => {
    readSnapshot(file);
    return Number(file.match(/-(\d+)\.heapsnapshot$/)[1]);
  });
  assert.deepEqual(threads.sort(), [0, ...ids].sort());
});

test('configure({ threads }) turns it on and off', async (t) => {
  const agent = await startWithWorkers(t);
  await agent.call(async ({ stillheap, start }) => {
    await start('wait');
    stillheap.configure({ threads: 'all' });
  });
  agent.kill('SIGUSR2');
  await agent.outputs(/stillheap: wrote (\S+)/, 2);
  await agent.call(({ stillheap }) => stillheap.configure({ threads: 'main' }));
  agent.kill('SIGUSR2');
  await agent.outputs(/stillheap: wrote (\S+)/, 3);
  await agent.call(({ stillheap }) => stillheap.capture({ file: 'barrier' }));
  assert.equal(readdirSync(agent.cwd).length, 4);
});

test('only a worker has loaded it: the signal is for the worker, and kills nobody', async (t) => {
  const agent = await startWithWorkers(t, { load: false });
  const id = await agent.call(async ({ start, keep }) => {
    keep.worker = await start('wait');
    return keep.worker.threadId;
  });
  agent.kill('SIGUSR2');
  const [, file] = await agent.output(/stillheap: wrote (\S+)/);
  assert.match(file, new RegExp(`-${id}\\.heapsnapshot$`));
  readSnapshot(file);
  await agent.call(({ keep }) => keep.worker.terminate().then(() => {}));
  for (let n = 0; n < 3; n++) agent.kill('SIGUSR2');
  // heapdump: SIGSEGV when a server opens now.
  const answer = await agent.call(async ({ require }) => {
    const server = require('node:http').createServer((_request, response) => response.end('hello'));
    await new Promise((resolve) => server.listen(0, resolve));
    const response = await fetch(`http://127.0.0.1:${server.address().port}`);
    server.close();
    server.closeAllConnections();
    return response.text();
  });
  assert.equal(answer, 'hello');
  // The main thread loads it later, and is served from then on.
  await agent.call((tools, root) => {
    tools.stillheap = tools.require(root);
    tools.stillheap.on('snapshot', ({ isMainThread }) => tools.send('snapshot', isMainThread));
  }, root);
  agent.kill('SIGUSR2');
  assert.equal(await agent.event('snapshot'), true);
});

const workers = atFullLength ? 100 : 40;

test(`${workers} workers that come and go while signals arrive`, { timeout: 180_000 }, async (t) => {
  const env = {
    STILLHEAP_THREADS: 'all',
    STILLHEAP_QUIET: '1',
    STILLHEAP_OVERWRITE: '1',
    STILLHEAP_NAME: 'thread-{thread}',
  };
  const agent = await startWithWorkers(t, { env });
  const outcome = await agent.call(async ({ start, stillheap, files }, workers) => {
    const modes = ['wait', 'block', 'gone', 'capture'];
    let sent = 0;
    for (let n = 0; n < workers; n += 5) {
      const starting = Array.from({ length: 5 }, (_, k) => start(modes[(n + k) % modes.length]));
      if (n % 4 === 0) process.kill(process.pid, 'SIGUSR2');
      const started = await Promise.all(starting);
      sent++;
      process.kill(process.pid, 'SIGUSR2');
      await Promise.all(started.map((worker) => worker.terminate()));
    }
    stillheap.stop();
    await stillheap.capture({ file: 'barrier.heapsnapshot' });
    return { sent, files: files() };
  }, workers);
  assert.equal(outcome.sent, workers / 5);
  assert.ok(outcome.files.includes('thread-0.heapsnapshot'));
  assert.deepEqual(await agent.call(() => 'alive'), 'alive');
  agent.release();
  assert.deepEqual(await agent.ended, { code: 0, signal: null });
  const left = readdirSync(agent.cwd);
  assert.deepEqual(
    left.filter((name) => name.endsWith('.tmp')),
    [],
  );
  for (const name of left) readSnapshot(path.join(agent.cwd, name));
});

test('worker.terminate() in the middle of its capture: the service lives, nothing half', async (t) => {
  const agent = await startWithWorkers(t);
  const codes = await agent.call(async ({ start }) => {
    const codes = [];
    for (const phase of ['generating', 'serializing', 'writing']) {
      const started = await start(`phase ${phase}`);
      codes.push(await started.terminate());
    }
    return codes;
  });
  assert.equal(codes.length, 3);
  await agent.call(({ stillheap }) => stillheap.capture({ file: 'afterwards' }));
  agent.release();
  assert.deepEqual(await agent.ended, { code: 0, signal: null });
  for (const name of readdirSync(agent.cwd)) readSnapshot(path.join(agent.cwd, name));
});

test('process.exit() in the main thread while workers capture', async (t) => {
  const agent = await startWithWorkers(t, { env: { STILLHEAP_THREADS: 'all', STILLHEAP_QUIET: '1' } });
  const ended = agent.call(async ({ start }) => {
    const started = await Promise.all([start('wait'), start('block')]);
    for (const each of started) each.postMessage('capture');
    process.kill(process.pid, 'SIGUSR2');
    setImmediate(() => process.exit(5));
  });
  await ended.catch(() => {});
  assert.deepEqual(await agent.ended, { code: 5, signal: null });
  for (const name of readdirSync(agent.cwd)) {
    assert.doesNotMatch(name, /\.tmp$/);
    readSnapshot(path.join(agent.cwd, name));
  }
});

test('stop() in one thread is for the process; a worker that loads later does not undo it', async (t) => {
  const agent = await startWithWorkers(t);
  await agent.call(async ({ stillheap, start }) => {
    stillheap.stop();
    await start('wait');
  });
  agent.kill('SIGUSR2');
  assert.deepEqual(await agent.ended, { code: null, signal: 'SIGUSR2' });
});
