'use strict';

// watch(): what it sees, what it says, and that it leaves nothing behind.

const assert = require('node:assert/strict');
const path = require('node:path');
const { cgroupTest, groupWrapper } = require('./support/cgroup.js');
const { root, runSource, startAgent, startNode } = require('./support/child.js');
const { test } = require('./support/test.js');

const program = path.join(root, 'benchmark/watch/child.js');
const worker = path.join(root, '__test__/children/watch-worker.js');

/** In a child: a watch, and a promise of its next event. */
const withWatch = (tools, options) => {
  const { once } = tools.require('node:events');
  tools.keep.watch = tools.stillheap.watch(options);
  tools.next = async (name) => (await once(tools.keep.watch, name))[0];
};

async function agentWithWatch(t, options, rest) {
  const agent = await startAgent(t, rest);
  await agent.call(withWatch, options);
  return agent;
}

test('stats after a full collection: what lives, and where memory is', async (t) => {
  const agent = await agentWithWatch(t, {});
  const { before, stats, heap } = await agent.call(async ({ keep, next, require }) => {
    // V8 may collect more than once; what counts is what the last collection left.
    const collect = async () => {
      const told = next('stats');
      keep.watch.gc();
      await told;
      await require('node:timers/promises').setImmediate();
      return keep.watch.stats;
    };
    const before = await collect();
    keep.live = new Array(2e6).fill(1.5);
    keep.buffer = new Uint8Array(30e6).fill(1);
    const stats = await collect();
    return { before, stats, heap: require('node:v8').getHeapStatistics() };
  });
  assert.ok(Math.abs(stats.used - before.used - 16e6) < 1e6, JSON.stringify([before.used, stats.used]));
  assert.ok(stats.memory.external - before.memory.external >= 29e6);
  assert.ok(stats.memory.arrayBuffers >= 30e6);
  assert.ok(stats.limit < heap.heap_size_limit && stats.limit > heap.heap_size_limit * 0.9);
  assert.ok(stats.collections.full > before.collections.full);
  const { rss, native, external, heap: committed, code } = stats.memory;
  assert.equal(rss, native + external + committed);
  assert.ok(code > 0 && code < committed);
  assert.equal(stats.velocity, null);
  assert.ok(Math.abs(new Date(stats.at) - Date.now()) < 60_000);
});

test('gc: every collection while somebody listens, with what was before and after', async (t) => {
  const agent = await agentWithWatch(t, {});
  const { seen, spaces, after } = await agent.call(async ({ keep, next }) => {
    const seen = [];
    const note = (gc) => seen.push(gc);
    keep.watch.on('gc', note);
    const done = next('stats');
    keep.garbage = Array.from({ length: 500_000 }, (_, i) => ({ i }));
    keep.garbage = undefined;
    keep.watch.gc();
    await done;
    keep.watch.off('gc', note);
    const count = seen.length;
    const last = next('stats');
    keep.watch.gc();
    await last;
    return { seen, spaces: Object.keys(seen[0].before.spaces), after: seen.length - count };
  });
  const kinds = new Set(seen.map(({ kind }) => kind));
  assert.ok(kinds.has('minor') && kinds.has('major'), [...kinds].join());
  const major = seen.findLast(({ kind }) => kind === 'major');
  assert.ok(major.duration > 0 && major.before.used > major.after.used, JSON.stringify(major));
  const sum = Object.values(major.after.spaces).reduce((total, { used }) => total + used, 0);
  assert.ok(Math.abs(sum / major.after.used - 1) < 0.2, `${sum} of ${major.after.used}`);
  assert.ok(spaces.includes('old_space') && spaces.includes('new_space'), spaces.join());
  assert.equal(after, 0, 'and none when nobody does');
});

test('collections are counted by kind, with their durations', async (t) => {
  const agent = await agentWithWatch(t, {});
  const { counted, stopped } = await agent.call(async ({ keep, next }) => {
    const done = next('stats');
    keep.watch.gc();
    await done;
    const counted = keep.watch.collections;
    keep.watch.stop();
    keep.watch.stop();
    return { counted, stopped: [keep.watch.running, keep.watch.collections] };
  });
  const { count, totalMs, longestMs, buckets } = counted.major;
  assert.ok(count >= 1 && totalMs >= longestMs && longestMs > 0);
  assert.ok(
    buckets.every(
      ([bound, below], n) => n === 0 || (bound > buckets[n - 1][0] && below >= buckets[n - 1][1]),
    ),
  );
  assert.deepEqual(stopped, [false, {}]);
});

test('a watch keeps no process alive, and survives its end in the middle of things', async (t) => {
  const watching = `const stillheap = require(${JSON.stringify(root)}); const watch = stillheap.watch({ interval: 10 });`;
  const idle = await runSource(t, watching);
  assert.equal(idle.outcome.code, 0, idle.describe('idle'));
  const busy = `${watching} watch.on('gc', () => {}); const keep = [];
    for (let i = 0; i < 3e5; i++) keep.push({ i });`;
  const ends = ['', 'process.exit(0)', 'watch.stop()', 'watch.gc()', "process.on('exit', () => watch.gc())"];
  const children = await Promise.all(ends.map((end) => runSource(t, `${busy} ${end}`)));
  for (const child of children) assert.equal(child.outcome.code, 0, child.describe('busy'));
});

test('workers come and go, watching', async (t) => {
  const child = startNode(t, [worker, root]);
  await child.succeeded();
  const { ends, stats, rss } = JSON.parse(child.stdout);
  assert.deepEqual(ends, [1, 1, 0, 0, 1, 1, 0, 0, 1, 1, 0, 0]);
  assert.ok(stats > 0);
  assert.deepEqual(rss, [null], "the process's memory is not the worker's");
});

test('without V8 within reach, through perf_hooks', async (t) => {
  const agent = await agentWithWatch(t, { interval: 20 }, { env: { STILLHEAP_ENGINE: 'node' } });
  const { engine, reason, stats, collections } = await agent.call(async ({ keep, next }) => {
    const done = next('stats');
    keep.watch.gc();
    const stats = await done;
    const { engine, engineReason, collections } = keep.watch;
    keep.watch.stop();
    return { engine, reason: engineReason, stats, collections };
  });
  assert.equal(engine, 'perf_hooks');
  assert.match(reason, /STILLHEAP_ENGINE/);
  assert.ok(stats.used > 1e6 && stats.memory.native > 0 && collections.major.count > 0);
});

test('a full collection is asked for when the old generation grows and V8 has had none', async (t) => {
  const options = { warmup: 0, minTime: 200, minGrowth: 1e6, interval: 20 };
  const nodeArgs = ['--max-semi-space-size=1'];
  const agent = await agentWithWatch(t, options, { nodeArgs });
  const { full, used } = await agent.call(async ({ keep, next }) => {
    const told = next('stats');
    keep.list = [];
    const grow = setInterval(() => keep.list.push(new Array(20_000).fill(1.5)), 5);
    const { collections, used } = await told;
    clearInterval(grow);
    return { full: collections.full, used };
  });
  assert.equal(full, 1);
  assert.ok(used > 2e6);
});

test('every wrong option is an error that names it', async (t) => {
  const agent = await startAgent(t);
  const wrong = [
    ['strategy', 'guess'],
    ['strategy', 1],
    ['warmup', -1],
    ['warmup', '1'],
    ['minTime', 99],
    ['minTime', Number.NaN],
    ['minGrowth', -1],
    ['minShare', '0.1'],
    ['minSamples', 3],
    ['minSamples', 8.5],
    ['minSteadiness', 1.1],
    ['minConfidence', -0.1],
    ['minClarity', null],
    ['consecutive', 0],
    ['fullGc', true],
    ['pressureShare', 2],
    ['pressureTime', -1],
    ['interval', 0],
    ['interval', 2 ** 31],
    ['signal', {}],
  ];
  const errors = await agent.call(({ stillheap, describe }, wrong) => {
    const errors = [];
    for (const [name, value] of wrong) {
      try {
        stillheap.watch({ [name]: value });
        errors.push(null);
      } catch (error) {
        errors.push(describe(error));
      }
    }
    return errors;
  }, wrong);
  errors.forEach((error, n) => {
    assert.ok(
      error?.isTypeError && error.message.includes(`'${wrong[n][0]}'`),
      `${wrong[n]}: ${error?.message}`,
    );
  });
  await assert.rejects(
    agent.call(({ stillheap }) => stillheap.watch({ minimumTime: 1 })),
    /keys are among/,
  );
  const stopped = await agent.call(({ stillheap }) => {
    const controller = new AbortController();
    const watch = stillheap.watch({ signal: controller.signal });
    const before = watch.running;
    controller.abort();
    return [before, watch.running, stillheap.watch({ signal: controller.signal }).running];
  });
  assert.deepEqual(stopped, [true, false, false]);
});

test('a listener that throws takes nothing from the others', async (t) => {
  const agent = await agentWithWatch(t, {});
  const { thrown, heard } = await agent.call(async ({ keep, require }) => {
    const other = require('node:events').once(process, 'uncaughtException');
    const heard = [];
    keep.watch.on('gc', () => heard.push('gc'));
    keep.watch.once('gc', () => {
      throw new Error('mine');
    });
    const stats = require('node:events').once(keep.watch, 'stats');
    keep.watch.gc();
    await stats;
    const [error] = await other;
    return { thrown: error.message, heard: heard.length };
  });
  assert.equal(thrown, 'mine');
  assert.ok(heard > 0);
});

/** Runs labelled programs at once; name → the events of each. */
async function observe(t, names, seconds) {
  const children = names.map((name) => startNode(t, [program, root, name, String(seconds)]));
  await Promise.all(children.map((child) => child.succeeded()));
  return children.map(({ stdout }) =>
    stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line)),
  );
}

test('what leaks is told, at the right speed; what merely moves is not', { timeout: 120_000 }, async (t) => {
  const names = ['growing Map', 'detached buffers', 'cache that fills evenly, then replaces'];
  const [map, buffers, cache] = await observe(t, names, 20);
  for (const [events, what, slack] of [
    [map, 'heap', 0.15],
    [buffers, 'external', 0.15],
  ]) {
    const leak = events.find((event) => event.event === 'leak' && event.what === what);
    assert.ok(leak, JSON.stringify(events));
    const { rate, full } = events.at(-1);
    assert.ok(full > 20, `only ${full} full collections`);
    // Twenty seconds of a shared machine; benchmark/watch measures it exactly.
    assert.ok(
      Math.abs(leak.velocity / 3600 / rate - 1) < slack,
      `${leak.velocity / 3600} instead of ${rate}`,
    );
    assert.ok(leak.growth > 0 && leak.confidence > 0.5 && new Date(leak.end) > new Date(leak.start));
    assert.equal(events.filter((event) => event.event === 'leak' && event.what === what).length, 1);
  }
  assert.deepEqual(
    cache.filter((event) => event.event === 'leak'),
    [],
  );
});

test('pressure: told once, before the limit is reached', async (t) => {
  const nodeArgs = ['--max-old-space-size=80'];
  const agent = await agentWithWatch(t, { interval: 20, pressureShare: 0.6 }, { nodeArgs });
  const { told, limit } = await agent.call(async ({ keep, next, require }) => {
    const told = [];
    keep.watch.on('pressure', (pressure) => told.push(pressure));
    keep.list = [];
    while (told.length === 0) {
      keep.list.push(new Array(250_000).fill(1.5));
      const stats = next('stats');
      keep.watch.gc();
      await stats;
      await require('node:timers/promises').setImmediate();
    }
    for (let i = 0; i < 3; i++) keep.watch.gc();
    await next('stats');
    return { told, limit: keep.watch.limit };
  });
  assert.equal(limit, 80 * 1024 * 1024);
  assert.equal(told.length, 1);
  const [{ limitedBy, used, headroom, share, reason }] = told;
  assert.equal(limitedBy, 'heap');
  assert.equal(used + headroom, limit);
  assert.ok(share >= 0.6 && share < 0.75, String(share));
  assert.match(reason, /of V8's limit of .* are in use/);
});

cgroupTest("pressure: a control group's limit comes near, and when it will be reached", async (t) => {
  const limit = 384 * 1024 * 1024;
  const options = { interval: 20, warmup: 0, minTime: 400, pressureShare: 0.6, pressureTime: 0 };
  const agent = await agentWithWatch(t, options, { wrapper: groupWrapper(t, limit) });
  const { told, kept } = await agent.call(async ({ keep, next, require }) => {
    const told = [];
    keep.watch.on('pressure', (pressure) => told.push(pressure));
    keep.buffers = [];
    const grow = async (bytes) => {
      keep.buffers.push(Buffer.alloc(bytes, 1));
      const stats = next('stats');
      keep.watch.gc();
      const { externalVelocity } = await stats;
      await require('node:timers/promises').setTimeout(1);
      return externalVelocity;
    };
    // Slowly until its speed is known, then until it is told.
    while (!((await grow(250_000)) > 0)) if (told.length > 0) throw new Error('told too early');
    while (told.length === 0) await grow(2_000_000);
    const kept = keep.buffers.reduce((sum, { length }) => sum + length, 0);
    // Once per approach.
    for (let i = 0; i < 5; i++) await grow(2_000_000);
    return { told, kept };
  });
  assert.equal(told.length, 1, JSON.stringify(told));
  const [{ limitedBy, used, headroom, share, velocity, timeToLimit, reason, ...pressure }] = told;
  assert.equal(limitedBy, 'group');
  assert.equal(pressure.limit, limit);
  assert.equal(used + headroom, limit);
  assert.ok(used >= kept && share >= 0.6 && share < 0.8, JSON.stringify({ used, kept, share }));
  assert.ok(velocity > 0, String(velocity));
  assert.ok(Math.abs(timeToLimit / ((headroom / velocity) * 3_600_000) - 1) < 0.001, String(timeToLimit));
  assert.match(
    reason,
    /of the control group's limit of 402\.7 MB are in use \(6\d %\); .* it is reached in /,
  );
});
