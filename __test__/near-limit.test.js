'use strict';

// At the heap limit: a process that ends for lack of memory leaves its snapshot, or at least its report.

const assert = require('node:assert/strict');
const fs = require('node:fs');
const path = require('node:path');
const { cgroupTest, groupWrapper } = require('./support/cgroup.js');
const { root, runSource, startAgent, temporaryDirectory } = require('./support/child.js');
const { classCounts, readSnapshot } = require('./support/snapshot.js');
const { test } = require('./support/test.js');

/** Grows in one way or another until the process ends. */
function growing(kind, options) {
  const ways = {
    objects: 'for (let i = 0; i < 5000; i++) keep.push(new Small(i))',
    strings: "keep.push(Buffer.alloc(100_000, 97).toString('latin1') + keep.length)",
    array: 'for (let i = 0; i < 50_000; i++) keep.push(i + 0.5)',
  };
  return `
    const stillheap = require(${JSON.stringify(root)});
    ${options === null ? '' : `stillheap.captureNearHeapLimit(${JSON.stringify(options)});`}
    class Small { constructor(i) { this.i = i; this.next = { i }; } }
    const keep = [];
    for (;;) { ${ways[kind]} }
  `;
}

/** What a process left that grew until it ended. */
async function grow(t, kind, { options = {}, megabytes = 25, env = {}, ...rest } = {}) {
  const cwd = temporaryDirectory(t);
  const child = await runSource(t, growing(kind, options), {
    cwd,
    env: { NODE_HEAPDUMP_OPTIONS: 'nosignal', ...env },
    nodeArgs: [`--max-old-space-size=${megabytes}`],
    ...rest,
  });
  assert.notEqual(child.outcome.code, 0, 'it ran out of memory');
  const names = fs.readdirSync(cwd).sort();
  const snapshots = names.filter((name) => name.includes('.heapsnapshot'));
  const reports = names.filter((name) => name.endsWith('.json'));
  const read = (name) => JSON.parse(fs.readFileSync(path.join(cwd, name), 'utf8'));
  return { child, cwd, names, snapshots, reports, report: reports.length > 0 ? read(reports[0]) : undefined };
}

for (const kind of ['objects', 'strings', 'array']) {
  test(`a synchronous loop that fills the heap with ${kind} leaves its snapshot`, async (t) => {
    const { child, cwd, names, snapshots, report } = await grow(t, kind);
    assert.equal(snapshots.length, 1, child.describe(`left ${names}`));
    assert.equal(names.length, 2, String(names));
    const parsed = readSnapshot(path.join(cwd, snapshots[0]));
    if (kind === 'objects') assert.ok(classCounts(parsed).get('Small') > 50_000);
    const { result } = report.snapshot;
    assert.equal(result.trigger, 'near-heap-limit');
    assert.equal(result.file, path.join(cwd, snapshots[0]));
    assert.match(child.stderr, /the heap has reached its limit of \d+ MB/);
    assert.match(child.stderr, /stillheap: wrote \S+\.heapsnapshot /);
    assert.ok(report.statistics.used > 10e6 && report.statistics.nativeContexts >= 1);
    assert.ok(report.statistics.code > 0 && report.statistics.bytecode > 0);
    // One shot, one raise.
    assert.equal(child.stderr.match(/reached its limit/g).length, 1);
    assert.equal(report.heapLimit.raised - report.heapLimit.current, 64 * 1024 * 1024);
  });
}

test('in the process itself, where that is asked for', async (t) => {
  const { child, cwd, names, snapshots, report } = await grow(t, 'objects', { options: { mode: 'inline' } });
  assert.equal(snapshots.length, 1, child.describe(`left ${names}`));
  readSnapshot(path.join(cwd, snapshots[0]));
  assert.equal(report.snapshot.result.mode, 'inline');
});

test('the environment asks for it, too; without it nothing is left', async (t) => {
  const env = { STILLHEAP_NEAR_HEAP_LIMIT: '1', STILLHEAP_COMPRESS: 'gzip' };
  const asked = await grow(t, 'array', { options: null, env });
  assert.match(asked.snapshots[0] ?? '', /^heapdump-.*\.heapsnapshot\.gz$/);
  readSnapshot(path.join(asked.cwd, asked.snapshots[0]));
  assert.deepEqual((await grow(t, 'array', { options: null })).names, []);
});

test('a child that needs no parent finishes although the process ends', async (t) => {
  const cwd = temporaryDirectory(t);
  const source = growing('objects', { hold: false });
  const child = await runSource(t, source, {
    cwd,
    env: { NODE_HEAPDUMP_OPTIONS: 'nosignal' },
    nodeArgs: ['--max-old-space-size=25'],
  });
  const [report] = fs.readdirSync(cwd).filter((name) => name.endsWith('.json'));
  assert.ok(report, child.describe('left no report'));
  // Nobody tells us when a grandchild ends: its file is waited for, which has its name when it is whole.
  const done = () => fs.readdirSync(cwd).find((name) => name.endsWith('.heapsnapshot'));
  while (done() === undefined && fs.readdirSync(cwd).some((name) => name.endsWith('.tmp')));
  assert.ok(done(), child.describe('left no snapshot'));
  readSnapshot(path.join(cwd, done()));
});

test('a process that recovers goes on, has its event, and its old limit back', async (t) => {
  const agent = await startAgent(t, {
    env: { NODE_HEAPDUMP_OPTIONS: 'nosignal' },
    nodeArgs: ['--max-old-space-size=50', '--expose-gc'],
  });
  const outcome = await agent.call(async ({ stillheap, require }) => {
    const { getHeapStatistics } = require('node:v8');
    const limit = () => getHeapStatistics().heap_size_limit;
    const before = limit();
    const watched = stillheap.captureNearHeapLimit({ raise: 100e6 });
    const armed = watched.armed;
    const snapshot = new Promise((resolve) => stillheap.once('snapshot', resolve));
    let keep = [];
    // Large enough to come to the limit, too large to be freed by mistake.
    while (watched.armed) keep.push(new Array(10_000).fill(keep.length));
    const raised = limit();
    keep = null;
    for (let i = 0; i < 5; i++) globalThis.gc();
    const { trigger, report } = await snapshot;
    return { armed, before, raised, after: limit(), trigger, report, again: watched.cancel() };
  });
  assert.equal(outcome.armed, true);
  assert.equal(outcome.raised - outcome.before, 100e6);
  assert.equal(outcome.after, outcome.before, 'no ratchet');
  assert.equal(outcome.trigger, 'near-heap-limit');
  assert.ok(fs.existsSync(outcome.report));
  assert.equal(outcome.again, false, 'there is nothing left to cancel');
});

cgroupTest(
  'in a container that is too small for it, the working memory goes to disk',
  { timeout: 180_000 },
  async (t) => {
    // The generator takes a multiple of this heap, more than there is.
    const { child, cwd, names, snapshots, report } = await grow(t, 'objects', {
      wrapper: groupWrapper(t, 256e6),
    });
    assert.equal(snapshots.length, 1, child.describe(`left ${names}`));
    readSnapshot(path.join(cwd, snapshots[0]));
    const { memory } = report.snapshot.result;
    assert.ok(memory.disk > 200e6, JSON.stringify(memory));
    assert.ok(report.cgroups.length > 0);
  },
);

cgroupTest("V8's own limit in a container is where the watch says it is", async (t) => {
  const cwd = temporaryDirectory(t);
  // V8 takes half of the group for its old generation; no flag says so.
  const source = `
    const stillheap = require(${JSON.stringify(root)});
    console.log(stillheap.watch().limit);
    stillheap.captureNearHeapLimit({ mode: 'fork', timeLimit: 1, quiet: true });
    const keep = [];
    for (;;) keep.push(new Array(131_072).fill(1.5));
  `;
  const env = { NODE_HEAPDUMP_OPTIONS: 'nosignal' };
  const child = await runSource(t, source, { cwd, env, wrapper: groupWrapper(t, 600 * 1024 * 1024) });
  const [name] = fs.readdirSync(cwd);
  assert.ok(name, child.describe('left no report'));
  const { heapLimit } = JSON.parse(fs.readFileSync(path.join(cwd, name), 'utf8'));
  assert.equal(Number(child.stdout), heapLimit.initial);
});

cgroupTest('a process that V8 would have ended is not killed for the raise', async (t) => {
  // The array's next doubling, which the whole raise would allow, wouldn't fit into the group.
  const { child, snapshots, report } = await grow(t, 'array', {
    megabytes: 100,
    wrapper: groupWrapper(t, 272e6),
  });
  assert.equal(snapshots.length, 1, child.describe('left no snapshot'));
  assert.equal(child.outcome.signal, 'SIGABRT', child.describe('did not end by V8'));
  assert.ok(report.heapLimit.raised - report.heapLimit.current < 64 * 1024 * 1024);
});

cgroupTest('where not even that is possible, the report says why there is no snapshot', async (t) => {
  const { child, names, report } = await grow(t, 'objects', {
    options: { scratch: 'memory' },
    wrapper: groupWrapper(t, 160e6),
  });
  assert.equal(names.length, 1, child.describe(`left ${names}`));
  assert.equal(report.snapshot.error.code, 'ERR_STILLHEAP_MEMORY');
  assert.ok(report.spaces.find(({ name }) => name === 'old_space').used > 10e6);
  assert.match(child.stderr, /no heap snapshot was written: /);
});

test('sampled allocations say who allocated what lives, also where there is no snapshot', async (t) => {
  const cwd = temporaryDirectory(t);
  // Nothing can be captured in so short a time.
  const source = `
    require(${JSON.stringify(root)}).captureNearHeapLimit({ sample: 65536, mode: 'fork', timeLimit: 1 });
    const keep = [];
    function some() { for (let i = 0; i < 10; i++) keep.push({ i, next: { i } }); }
    function most() { for (let i = 0; i < 1000; i++) keep.push([i, i, i]); }
    function garbage() { for (let i = 0; i < 50; i++) new Array(10).fill(i); }
    function handle() { some(); most(); garbage(); }
    for (;;) handle();
  `;
  const child = await runSource(t, source, {
    cwd,
    env: { NODE_HEAPDUMP_OPTIONS: 'nosignal' },
    nodeArgs: ['--max-old-space-size=30'],
  });
  const [name, ...others] = fs.readdirSync(cwd);
  assert.deepEqual(others, [], child.describe(`left ${name} and`));
  const { allocations, snapshot } = JSON.parse(fs.readFileSync(path.join(cwd, name), 'utf8'));
  assert.equal(snapshot.error.code, 'ERR_STILLHEAP_TIME_LIMIT');
  const [{ stack, bytes, count }] = allocations.places;
  assert.deepEqual(
    stack.slice(0, 2).map(({ function: name }) => name),
    ['most', 'handle'],
  );
  const { script, line, column } = stack[0];
  assert.deepEqual([script, line > 0, column > 0], ['[eval]', true, true]);
  assert.ok(bytes > 0.8 * allocations.bytes && count > 1000, JSON.stringify({ bytes, count }));
  // Scaled from samples: what V8 itself counts, more or less.
  assert.ok(allocations.bytes > 15e6 && allocations.bytes < 80e6, String(allocations.bytes));
  // But for the little that no collection has come to yet.
  const garbage = allocations.places.filter(({ stack }) => stack[0]?.function === 'garbage');
  assert.ok(garbage.reduce((sum, { bytes }) => sum + bytes, 0) < 0.1 * allocations.bytes);
  assert.match(child.stderr, /live objects were allocated by most \(\[eval\]:5\) [89]\d %/);
});

test('sampling ends with what it was for, and leaves that of others alone', async (t) => {
  const agent = await startAgent(t, { env: { NODE_HEAPDUMP_OPTIONS: 'nosignal' } });
  const states = await agent.call(async ({ stillheap, require }) => {
    const { Session } = require('node:inspector');
    const session = new Session();
    session.connect();
    const post = (method) =>
      new Promise((resolve) => session.post(`HeapProfiler.${method}`, (error) => resolve(!error)));
    // There is one sampler per isolate: DevTools' protocol tells whether it is at work.
    const sampling = () => post('getSamplingProfile');
    const states = { before: await sampling() };
    const first = stillheap.captureNearHeapLimit({ sample: true });
    states.asked = await sampling();
    first.cancel();
    states.cancelled = await sampling();
    stillheap.configure({ nearHeapLimit: { sample: 1e6 } });
    states.configured = await sampling();
    stillheap.configure({ nearHeapLimit: { sample: false, redact: false } });
    states.reconfigured = await sampling();
    stillheap.configure({ nearHeapLimit: false });
    await post('startSampling');
    stillheap.captureNearHeapLimit({ sample: true }).cancel();
    states.others = await sampling();
    await post('stopSampling');
    states.after = await sampling();
    return states;
  });
  assert.deepEqual(states, {
    before: false,
    asked: true,
    cancelled: false,
    configured: true,
    reconfigured: false,
    others: true,
    after: false,
  });
});

test('cancelled, nothing is left; a worker comes and goes', async (t) => {
  const agent = await startAgent(t, { env: { NODE_HEAPDUMP_OPTIONS: 'nosignal' } });
  const states = await agent.call(({ stillheap }) => {
    const first = stillheap.captureNearHeapLimit();
    stillheap.configure({ nearHeapLimit: { hold: false } });
    const states = [first.armed, first.cancel(), first.armed, first.cancel()];
    stillheap.configure({ nearHeapLimit: true });
    states.push(first.armed);
    stillheap.configure({ nearHeapLimit: false });
    states.push(first.armed);
    return states;
  });
  assert.deepEqual(states, [true, true, false, false, true, false]);
  const ended = await agent.call(async ({ require }, root) => {
    const { Worker } = require('node:worker_threads');
    const source = `
      require(${JSON.stringify(root)}).captureNearHeapLimit({ quiet: true, sample: true });
      const keep = [];
      if (require('node:worker_threads').workerData) for (;;) keep.push({ i: keep.length, next: { i: 1 } });
    `;
    const run = (grow) =>
      new Promise((resolve) => {
        const worker = new Worker(source, {
          eval: true,
          workerData: grow,
          resourceLimits: { maxOldGenerationSizeMb: 30 },
        });
        const outcome = {};
        worker.once('error', (error) => (outcome.error = error.code));
        worker.once('exit', () => resolve(outcome));
      });
    return [await run(false), await run(true)];
  }, root);
  // After our callback Node's own ends the worker, and the process lives.
  assert.deepEqual(ended, [{}, { error: 'ERR_WORKER_OUT_OF_MEMORY' }]);
  const names = await agent.call(({ files }) => files());
  assert.equal(names.filter((name) => name.endsWith('.heapsnapshot')).length, 1, String(names));
});

test('wrong options are named', async (t) => {
  const agent = await startAgent(t, { env: { NODE_HEAPDUMP_OPTIONS: 'nosignal' } });
  for (const [options, name] of [
    [{ raise: 0 }, 'raise'],
    [{ raise: '1' }, 'raise'],
    [{ hold: 1 }, 'hold'],
    [{ mode: 'never' }, 'mode'],
    [{ sample: 0 }, 'sample'],
    [{ sample: '1' }, 'sample'],
    [{ file: 'a' }, 'captureNearHeapLimit'],
    [{ keepObjectIds: true }, 'captureNearHeapLimit'],
    [7, 'captureNearHeapLimit'],
  ]) {
    const error = await agent
      .call(({ stillheap }, options) => void stillheap.captureNearHeapLimit(options), options)
      .catch((error) => error);
    assert.equal(error.isTypeError, true, JSON.stringify(options));
    assert.match(error.message, new RegExp(name));
  }
  const error = await agent
    .call(({ stillheap }) => stillheap.configure({ nearHeapLimit: 'yes' }))
    .catch((error) => error);
  assert.match(error.message, /nearHeapLimit/);
});
