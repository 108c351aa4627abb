'use strict';

// SIGUSR2 asks for a snapshot, whatever the service is doing.

const assert = require('node:assert/strict');
const { readdirSync, readFileSync, watch, writeFileSync } = require('node:fs');
const path = require('node:path');
const { root, startAgent, startNode } = require('./support/child.js');
const { classCounts, readSnapshot } = require('./support/snapshot.js');
const { afterwards, test } = require('./support/test.js');

const wrote = /stillheap: wrote (\S+) \(([\d.]+) MB\), paused (\d+) ms\n/;

/** Starts a script that has loaded the module and waits for it to say `ready`. */
async function startScript(t, source, options = {}) {
  const { nodeArgs = [], ...rest } = options;
  const child = startNode(t, [...nodeArgs, '-r', root, '-e', source], rest);
  await child.output(/ready\n/, 'stdout');
  return child;
}

/** Signals a child and reads the snapshot of which it tells on stderr. */
async function dump(child, signal = 'SIGUSR2') {
  const before = child.stderr.match(new RegExp(wrote, 'g'))?.length ?? 0;
  child.kill(signal);
  const all = await child.outputs(wrote, before + 1);
  return readSnapshot(all[before][1]);
}

test('idle: the loop is woken; the line says path, size and pause', async (t) => {
  const child = await startScript(t, 'setInterval(() => {}, 2 ** 30); console.log("ready")');
  child.kill('SIGUSR2');
  const [, file, size] = await child.output(wrote);
  readSnapshot(file);
  assert.match(path.basename(file), new RegExp(`^heapdump-.*-${child.pid}-0\\.heapsnapshot$`));
  assert.equal(size, (readFileSync(file).length / 1e6).toFixed(1));
});

test('a line where nobody listens, and then no event for later listeners', async (t) => {
  const agent = await startAgent(t);
  // All of it happens while the loop is blocked, so that the listener is there before any event could be.
  const waiting = agent.call(({ stillheap, fs, send }) => {
    send('blocked');
    while (!fs.existsSync('go-on'));
    stillheap.on('snapshot', ({ file }) => send('snapshot', file));
  });
  await agent.event('blocked');
  agent.kill('SIGUSR2');
  const [, first] = await agent.output(wrote);
  writeFileSync(path.join(agent.cwd, 'go-on'), '');
  await waiting;
  agent.kill('SIGUSR2');
  const second = await agent.event('snapshot');
  assert.notEqual(second, first);
  await agent.release();
  assert.equal(agent.untaken('snapshot'), 0);
  assert.equal(agent.stderr.match(new RegExp(wrote, 'g')).length, 1);
});

test('a result for a listener, and no line then', async (t) => {
  const agent = await startAgent(t);
  await agent.call(({ stillheap, send }) => {
    stillheap.on('snapshot', (result) =>
      send('snapshot', { ...result, date: result.startTime instanceof Date }),
    );
  });
  agent.kill('SIGUSR2');
  const result = await agent.event('snapshot');
  const { trigger, pid, threadId, isMainThread, mode, engine, date, file, bytes } = result;
  assert.deepEqual(
    { trigger, pid, threadId, isMainThread, mode, engine, date },
    {
      trigger: 'signal',
      pid: agent.pid,
      threadId: 0,
      isMainThread: true,
      mode: 'inline',
      engine: 'v8',
      date: true,
    },
  );
  assert.equal(readFileSync(file).length, bytes);
  readSnapshot(file);
  assert.equal(agent.stderr, '');
});

test('busy: a loop that turns without rest', async (t) => {
  const child = await startScript(t, 'const turn = () => setImmediate(turn); turn(); console.log("ready")');
  await dump(child);
  await dump(child);
});

test('blocked by while (true) {}, more than once', async (t) => {
  const child = await startScript(t, 'console.log("ready"); while (true) {}');
  await dump(child);
  await dump(child);
});

test('blocked in optimised code, and in a loop of promises', async (t) => {
  const hot = 'let sum = 0; const f = (n) => { for (let i = 0; i < 1e6; i++) sum += i % n; };';
  const child = await startScript(
    t,
    `${hot} for (let i = 0; i < 50; i++) f(7); console.log("ready"); for (;;) f(7)`,
  );
  await dump(child);
  const promises = await startScript(t, 'console.log("ready"); (async () => { for (;;) await null; })()');
  await dump(promises);
});

test('blocked by a regular expression that backtracks', async (t) => {
  const child = await startScript(t, 'console.log("ready"); /^(a+)+$/.test("a".repeat(60) + "b")');
  await dump(child);
});

test('deep in a recursion, at the edge of the stack', async (t) => {
  const source = `
    console.log('ready');
    function down(n) { return n === 0 ? 0 : 1 + down(n - 1); }
    function overflow() { return 1 + overflow(); }
    for (;;) { down(7000); try { overflow(); } catch {} }`;
  const child = await startScript(t, source);
  for (let n = 0; n < 5; n++) await dump(child);
  assert.equal(child.outcome, undefined);
});

test('during garbage collection: a storm of allocations and full collections', async (t) => {
  const source = `
    console.log('ready');
    let kept = [];
    for (let n = 0; ; n++) {
      kept.push({ n, text: 'x' + n, more: new Array(20).fill(n) });
      if (kept.length > 5e4) { kept = kept.slice(2.5e4); gc(); }
      if (n % 1e4 === 0) gc({ type: 'minor' });
    }`;
  const child = await startScript(t, source, { nodeArgs: ['--expose-gc'] });
  for (let n = 0; n < 4; n++) await dump(child);
});

test('while the script is still being loaded', async (t) => {
  const child = startNode(t, ['-r', root, '-e', 'process.kill(process.pid, "SIGUSR2"); while (true) {}']);
  const [, file] = await child.output(wrote);
  readSnapshot(file);
});

test('in Atomics.wait the thread sleeps in V8: served when it wakes', async (t) => {
  const source = `
    const { Worker } = require('node:worker_threads');
    const shared = new Int32Array(new SharedArrayBuffer(4));
    const worker = new Worker(\`
      const { parentPort, workerData } = require('node:worker_threads');
      process.stdin.once('data', () => { Atomics.store(workerData, 0, 1); Atomics.notify(workerData, 0); });
      parentPort.postMessage('up');\`, { eval: true, stdin: false, workerData: shared });
    worker.once('message', () => {
      worker.terminate();
      process.kill(process.pid, 'SIGUSR2');
      console.log('ready');
      Atomics.wait(shared, 0, 0, 100);
      setInterval(() => {}, 2 ** 30);
    });`;
  const child = await startScript(t, source);
  const [, file] = await child.output(wrote);
  readSnapshot(file);
});

test('the snapshot holds what the service holds', async (t) => {
  const source = `
    class Retained { constructor(n) { this.n = n; } }
    globalThis.retained = Array.from({ length: 1234 }, (_, n) => new Retained(n));
    console.log('ready');
    while (true) {}`;
  const counts = classCounts(await dump(await startScript(t, source)));
  assert.equal(counts.get('Retained'), 1234);
});

test('PID 1: signalled from inside and from outside', async (t) => {
  const user = process.getuid() === 0 ? [] : ['--user', '--map-root-user'];
  const wrapper = ['unshare', ...user, '--pid', '--fork', '--kill-child', '--mount-proc'];
  const source = 'if (process.pid !== 1) throw 1; setInterval(() => {}, 2 ** 30); console.log("ready")';
  const outside = await startScript(t, source, { wrapper });
  const children = readFileSync(`/proc/${outside.pid}/task/${outside.pid}/children`, 'utf8');
  process.kill(Number(children.trim()), 'SIGUSR2');
  const [, file] = await outside.output(wrote);
  assert.match(path.basename(file), /-1-0\.heapsnapshot$/);
  readSnapshot(file);
  const inside = await startScript(t, `${source}; process.kill(1, "SIGUSR2")`, { wrapper });
  readSnapshot((await inside.output(wrote))[1]);
});

test('signals while one runs leave exactly one more', async (t) => {
  const agent = await startAgent(t);
  await agent.call(({ stillheap, send, keep }) => {
    keep.objects = Array.from({ length: 300_000 }, (_, n) => ({ n }));
    stillheap.on('snapshot', ({ file }) => send('snapshot', file));
  });
  // The temporary file appears when the first request has been taken up; V8 then works for a while.
  const running = new Promise((resolve) => {
    const watcher = watch(agent.cwd, (_event, name) => name.endsWith('.tmp') && resolve());
    afterwards(t, () => watcher.close());
  });
  agent.kill('SIGUSR2');
  await running;
  for (let n = 0; n < 50; n++) agent.kill('SIGUSR2');
  const files = [await agent.event('snapshot'), await agent.event('snapshot')];
  await agent.call(({ stillheap }) => stillheap.capture({ file: 'barrier' }));
  await agent.call(({ stillheap }) => stillheap.stop());
  assert.equal(agent.untaken('snapshot'), 1, 'the barrier alone');
  assert.deepEqual(
    readdirSync(agent.cwd).sort(),
    ['barrier', ...files.map((file) => path.basename(file))].sort(),
  );
});

test('a signal during a capture() is served after it', async (t) => {
  const agent = await startAgent(t);
  const triggers = await agent.call(async ({ stillheap }) => {
    const seen = [];
    const both = new Promise((resolve) => {
      stillheap.on('snapshot', ({ trigger }) => seen.push(trigger) === 2 && resolve());
    });
    const onProgress = ({ phase }) => {
      if (phase === 'serializing') process.kill(process.pid, 'SIGUSR2');
    };
    await stillheap.capture({ onProgress });
    await both;
    return seen.sort();
  });
  assert.deepEqual(triggers, ['call', 'signal']);
});

test('a storm of signals: the service answers, every file is whole', async (t) => {
  const agent = await startAgent(t);
  await agent.call(({ stillheap, keep }) => {
    keep.count = 0;
    stillheap.on('snapshot', () => keep.count++);
  });
  for (let round = 0; round < 20; round++) {
    for (let n = 0; n < 200; n++) agent.kill('SIGUSR2');
    assert.equal(await agent.call(() => 6 * 7), 42);
  }
  await agent.call(({ stillheap }) => stillheap.stop());
  await agent.call(({ stillheap }) => stillheap.capture({ file: 'barrier' }));
  const { count, files } = await agent.call(({ keep, files }) => ({ count: keep.count, files: files() }));
  assert.ok(count >= 1);
  for (const file of files) if (!file.endsWith('.tmp')) readSnapshot(path.join(agent.cwd, file));
  assert.deepEqual(await agent.release(), { code: 0, signal: null });
  assert.ok(readdirSync(agent.cwd).every((name) => !name.endsWith('.tmp')));
});

test('STILLHEAP_SIGNAL and configure({ signal }): another one, which does not kill either', async (t) => {
  for (const signal of ['SIGUSR1', 'SIGHUP', 'SIGQUIT']) {
    const child = await startScript(t, 'setInterval(() => {}, 2 ** 30); console.log("ready")', {
      env: { STILLHEAP_SIGNAL: signal },
    });
    await dump(child, signal);
    child.kill('SIGUSR2');
    assert.equal((await child.ended).signal, 'SIGUSR2', 'which is not ours then');
  }
  const agent = await startAgent(t);
  await agent.call(({ stillheap }) => stillheap.configure({ signal: 'SIGHUP' }));
  await dump(agent, 'SIGHUP');
  agent.kill('SIGUSR2');
  assert.equal((await agent.ended).signal, 'SIGUSR2');
});
