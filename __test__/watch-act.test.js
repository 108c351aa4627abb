'use strict';

// What a watch does about a leak, and what others see of it: real processes that leak.

const assert = require('node:assert/strict');
const fs = require('node:fs');
const path = require('node:path');
const { root, startAgent, startNode, temporaryDirectory } = require('./support/child.js');
const { readSnapshot } = require('./support/snapshot.js');
const { test } = require('./support/test.js');

const command = path.join(root, 'bin/stillheap.js');

/** Thresholds under which a second's leak is one. */
const hasty = {
  strategy: 'consecutive',
  consecutive: 4,
  warmup: 0,
  minTime: 100,
  minGrowth: 0,
  interval: 20,
};

/** In a child: begins to watch. */
const begin = ({ stillheap, keep }, options) => {
  keep.watch = stillheap.watch(options);
};

/** Leaks, from collection to collection, until both snapshots are taken. */
const leakUntil = async ({ stillheap, keep, require }) => {
  const { setImmediate: turn } = require('node:timers/promises');
  class Leaked {
    constructor(i) {
      this.i = i;
    }
  }
  keep.leaked = [];
  keep.watch.on('captureFailed', (error) => {
    throw error;
  });
  const complete = new Promise((resolve) =>
    keep.watch.on('captured', (told) => told.complete && resolve(told)),
  );
  let taken = 0;
  stillheap.on('snapshot', () => taken++);
  // No longer than it has to, or the collections take all the time that the comparison needs.
  while (taken < 2) {
    for (let i = 0; i < 20_000; i++) keep.leaked.push(new Leaked(i));
    keep.watch.gc();
    await turn();
  }
  const event = await complete;
  const { leak, files, classes, compareError } = event;
  return { leak, files, classes: classes?.slice(0, 5), compareError: compareError?.message };
};

test('a leak is captured twice, and compared', { timeout: 120_000 }, async (t) => {
  const agent = await startAgent(t, { env: { NODE_HEAPDUMP_OPTIONS: 'nosignal' } });
  await agent.call(begin, {
    ...hasty,
    onLeak: { growth: 2e6, share: 0, minInterval: 0, compare: true },
  });
  const { leak, files, classes, compareError } = await agent.call(leakUntil);
  assert.equal(compareError, undefined);
  assert.equal(leak.what, 'heap');
  assert.equal(files.length, 2);
  for (const { file } of files) {
    assert.match(path.basename(file), /^heapdump-leak-.*\.heapsnapshot$/);
    readSnapshot(file);
  }
  const leaked = classes.find(({ name }) => name === 'Leaked');
  assert.ok(leaked?.countDelta >= 20_000, JSON.stringify(classes));
  await agent.call(({ keep }) => keep.watch.stop());
});

test('wrong options of onLeak are named', async (t) => {
  const agent = await startAgent(t, { env: { NODE_HEAPDUMP_OPTIONS: 'nosignal' } });
  for (const [onLeak, name] of [
    [true, 'onLeak'],
    [{ capture: 0 }, 'capture'],
    [{ capture: 3, maxFiles: 2 }, 'maxFiles'],
    [{ baseline: 'never' }, 'baseline'],
    [{ callback: 1 }, 'callback'],
    [{ compare: 'yes' }, 'compare'],
    [{ keepObjectIds: true }, 'onLeak'],
    [{ mode: 'x' }, 'mode'],
  ]) {
    const error = await agent
      .call(({ stillheap }, onLeak) => void stillheap.watch({ onLeak }), onLeak)
      .catch((error) => error);
    assert.equal(error.isTypeError, true, JSON.stringify(onLeak));
    assert.match(error.message, new RegExp(name));
  }
});

test('stillheap watch PID: lines of JSON for samples and events, until the process ends', async (t) => {
  const agent = await startAgent(t, { env: { NODE_HEAPDUMP_OPTIONS: 'nosignal' } });
  const refused = startNode(t, [command, 'watch', String(agent.pid)]);
  assert.equal((await refused.ended).code, 2);
  assert.match(refused.stderr, /does not watch its heap; start it with STILLHEAP_WATCH=1/);
  await agent.call(begin, hasty);
  const watching = startNode(t, [command, 'watch', String(agent.pid), '--json']);
  await agent.call(async ({ keep, require }) => {
    const { once } = require('node:events');
    const leak = once(keep.watch, 'leak');
    let told = false;
    leak.then(() => (told = true));
    keep.all = [];
    while (!told) {
      keep.all.push(...Array.from({ length: 20_000 }, (_, i) => ({ i })));
      keep.watch.gc();
      await require('node:timers/promises').setImmediate();
    }
  });
  await watching.output(/"event":"leak"/, 'stdout');
  await agent.release();
  assert.equal((await watching.ended).code, 0, watching.stderr);
  const lines = watching.stdout.trim().split('\n').map(JSON.parse);
  assert.ok(lines.every(({ schemaVersion, pid }) => schemaVersion === 1 && pid === agent.pid));
  const samples = lines.filter(({ kind }) => kind === 'sample');
  assert.ok(samples.at(-1).used > samples[0].used);
  assert.ok(samples.every(({ number }, at) => at === 0 || number > samples[at - 1].number));
});

test('stillheap watch -- node: starts it with the watch, and ends as it does', async (t) => {
  const script = path.join(temporaryDirectory(t), 'app.js');
  fs.writeFileSync(
    script,
    `console.log('hello');
     const watch = require(${JSON.stringify(root)}).watch();
     const collect = setInterval(() => watch.gc(), 20);
     process.stdin.on('data', () => process.exit(7));
     process.stdin.on('end', () => process.exit(7));`,
  );
  const watching = startNode(t, [command, 'watch', '--', process.execPath, script], {
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  await watching.outputs(/heap +[\d.]+ [kMG]?B.*full/, 2);
  watching.process.stdin.end();
  assert.equal((await watching.ended).code, 7, watching.stderr);
  assert.equal(watching.stdout, 'hello\n');
  const missing = startNode(t, [command, 'watch', '--', '/nonexistent/program']);
  assert.equal((await missing.ended).code, 2);
  assert.match(missing.stderr, /cannot be started/);
});
