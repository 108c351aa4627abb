'use strict';

// What a leak makes the watch do: which snapshots, when, how many stay. Here with a clock and captures of the
// test's own.

const assert = require('node:assert/strict');
const { spawnSync } = require('node:child_process');
const { EventEmitter } = require('node:events');
const fs = require('node:fs');
const path = require('node:path');
const { attach, host } = require('../lib/watch-captures.js');
const { temporaryDirectory } = require('./support/child.js');
const { test } = require('./support/test.js');

const megabyte = 2 ** 20;

/** A watch that the test speaks for. */
function setUp(t, options = {}) {
  const directory = temporaryDirectory(t);
  const watch = new EventEmitter();
  const state = {
    directory,
    watch,
    now: 0,
    taken: [],
    events: [],
    failures: [],
    waiting: [],
    fail: undefined,
  };
  const capture = async (request) => {
    assert.equal(state.running ?? false, false, 'never two at once');
    state.running = true;
    // As long as the test wants.
    if (state.hold) await new Promise((resolve) => state.waiting.push(resolve));
    state.running = false;
    if (state.fail) throw state.fail;
    const number = String(state.taken.length).padStart(3, '0');
    const name = request.name?.startsWith('heapdump-leak')
      ? `heapdump-leak-20261122T171500.${number}Z-${host}-${process.pid}-0.heapsnapshot`
      : `${request.name}-${number}.heapsnapshot`;
    const file = path.join(directory, name);
    fs.writeFileSync(file, Buffer.alloc(state.bytes ?? 10));
    state.taken.push(file);
    return { file, bytes: state.bytes ?? 10 };
  };
  const compare = async (before, after) => [{ name: 'Leaked', before, after }];
  attach(watch, { capture, compare, now: () => state.now }, options);
  watch.on('captured', (event) => state.events.push(event));
  watch.on('captureFailed', (error) => state.failures.push(error));
  state.settle = async () => {
    for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve));
  };
  state.leak = async (level, what = 'heap') => {
    watch.emit('leak', { what, level, growth: level / 2, velocity: 1 });
    await state.settle();
  };
  state.stats = async (used, { after = 120_000, growing = ['heap'], external = 0 } = {}) => {
    state.now += after;
    watch.emit('stats', { used, growing, memory: { external } });
    await state.settle();
  };
  return state;
}

test('one at the leak, one after measurable growth, then no more for a while', async (t) => {
  const state = setUp(t);
  await state.stats(50 * megabyte);
  assert.equal(state.taken.length, 0, 'nothing without a leak');
  await state.leak(50 * megabyte);
  assert.equal(state.taken.length, 1);
  assert.deepEqual(
    state.events.map(({ complete, files }) => [complete, files.length]),
    [[false, 1]],
  );
  await state.stats(57 * megabyte);
  assert.equal(state.taken.length, 1, 'not enough growth');
  await state.stats(59 * megabyte);
  assert.equal(state.taken.length, 2);
  assert.equal(state.events[1].complete, true);
  assert.deepEqual(
    state.events[1].files.map(({ file }) => file),
    state.taken,
  );
  assert.equal(state.events[1].leak.level, 50 * megabyte);
  await state.stats(200 * megabyte);
  await state.leak(200 * megabyte);
  assert.equal(state.taken.length, 2, 'the pause between two leaks');
  state.now += 3_600_000;
  await state.leak(300 * megabyte);
  assert.equal(state.taken.length, 3);
});

test('growth of large heaps is measured by their size, and snapshots keep their distance', async (t) => {
  const state = setUp(t);
  await state.leak(1000 * megabyte);
  await state.stats(1050 * megabyte);
  assert.equal(state.taken.length, 1);
  await state.stats(1101 * megabyte, { after: 1 });
  assert.equal(state.taken.length, 2, 'two minutes after the first');
  const hasty = setUp(t, { minInterval: 500_000 });
  await hasty.leak(50 * megabyte);
  await hasty.stats(90 * megabyte);
  assert.equal(hasty.taken.length, 1);
  await hasty.stats(95 * megabyte, { after: 500_000 });
  assert.equal(hasty.taken.length, 2);
});

test('a baseline at the start is the first of them', async (t) => {
  const state = setUp(t, { baseline: 'start', compare: true });
  await state.stats(20 * megabyte, { growing: [] });
  assert.equal(state.taken.length, 1);
  assert.equal(state.events[0].leak, null);
  await state.stats(40 * megabyte, { growing: [] });
  assert.equal(state.taken.length, 1, 'growth alone is no leak');
  await state.leak(50 * megabyte);
  await state.stats(51 * megabyte);
  assert.equal(state.taken.length, 2);
  assert.deepEqual(state.events[1].classes, [
    { name: 'Leaked', before: state.taken[0], after: state.taken[1] },
  ]);
});

test('never two at once, whatever comes meanwhile', async (t) => {
  const state = setUp(t, { minInterval: 0, capture: 3 });
  state.hold = true;
  await state.leak(50 * megabyte);
  await state.stats(100 * megabyte);
  await state.leak(100 * megabyte);
  assert.equal(state.waiting.length, 1);
  state.hold = false;
  state.waiting[0]();
  await state.settle();
  await state.stats(150 * megabyte);
  assert.equal(state.taken.length, 2);
});

/** The number of a process that has ended. */
const gone = spawnSync(process.execPath, ['-e', '']).pid;

test("other processes' snapshots stay, those that have ended excepted", async (t) => {
  const state = setUp(t, { capture: 2, pause: 0, minInterval: 0, maxFiles: 2 });
  const leave = (name, mtime = new Date()) => {
    const file = path.join(state.directory, `heapdump-leak-20251122T171500.${name}-0.heapsnapshot`);
    fs.writeFileSync(file, 'evidence');
    fs.utimesSync(file, mtime, mtime);
    return file;
  };
  const staying = [
    leave(`000Z-${host}-${process.ppid}`),
    leave(`001Z-another.pod-${gone}`),
    leave(`002Z-another.pod-${process.pid}`, new Date(0)),
    // A second watch of this process.
    leave(`003Z-${host}-${process.pid}`),
  ];
  const going = [leave(`004Z-${host}-${gone}`), leave(`005Z-${host}-${process.pid}`, new Date(0))];
  for (let n = 0; n < 2; n++) {
    await state.leak(50 * megabyte);
    await state.stats(100 * megabyte);
  }
  assert.equal(state.taken.length, 4);
  for (const file of staying) assert.ok(fs.existsSync(file), file);
  for (const file of [...going, ...state.taken.slice(0, -2)]) assert.ok(!fs.existsSync(file), file);
  for (const file of state.taken.slice(-2)) assert.ok(fs.existsSync(file), file);
});

test('the oldest files go, by number and by size, and nobody else does', async (t) => {
  const state = setUp(t, { capture: 2, pause: 0, minInterval: 0, maxFiles: 3 });
  const old = path.join(
    state.directory,
    `heapdump-leak-20251122T171500.000Z-${host}-${gone}-0.heapsnapshot.gz`,
  );
  const foreign = path.join(state.directory, 'heapdump-20201122T171500.000Z-99-0.heapsnapshot');
  const link = path.join(
    state.directory,
    `heapdump-leak-20241122T171500.000Z-${host}-${gone}-0.heapsnapshot`,
  );
  fs.writeFileSync(old, 'of a process that is gone');
  fs.writeFileSync(foreign, 'somebody asked for it');
  fs.symlinkSync(foreign, link);
  for (let n = 0; n < 4; n++) {
    await state.leak(50 * megabyte);
    await state.stats(100 * megabyte);
  }
  assert.equal(state.taken.length, 8);
  const left = fs.readdirSync(state.directory).map((name) => path.join(state.directory, name));
  assert.deepEqual(left.sort(), [foreign, link, ...state.taken.slice(-3)].sort());
  const large = setUp(t, { capture: 2, pause: 0, minInterval: 0, maxBytes: 250 });
  large.bytes = 100;
  for (let n = 0; n < 3; n++) {
    await large.leak(50 * megabyte);
    await large.stats(100 * megabyte);
  }
  assert.equal(fs.readdirSync(large.directory).length, 2);
  const named = setUp(t, { name: 'svc', capture: 2, pause: 0, minInterval: 0, maxFiles: 2 });
  fs.writeFileSync(path.join(named.directory, 'svc-other.heapsnapshot'), 'not known to be ours');
  for (let n = 0; n < 3; n++) {
    await named.leak(50 * megabyte);
    await named.stats(100 * megabyte);
  }
  assert.equal(fs.readdirSync(named.directory).length, 3);
});

test('failures are told, tried again later, and given up', async (t) => {
  const state = setUp(t);
  state.fail = new Error('no room');
  await state.leak(50 * megabyte);
  assert.deepEqual(state.failures, [state.fail]);
  await state.stats(50 * megabyte);
  await state.stats(50 * megabyte);
  await state.stats(50 * megabyte);
  assert.equal(state.failures.length, 3, 'three times');
  const recovering = setUp(t);
  recovering.fail = new Error('no room');
  await recovering.leak(50 * megabyte);
  recovering.fail = undefined;
  await recovering.stats(51 * megabyte);
  assert.equal(recovering.taken.length, 1);
});

test('what is outside of the heap: buffers by their own growth, native memory not at all', async (t) => {
  const state = setUp(t);
  await state.leak(50 * megabyte, 'native');
  assert.equal(state.taken.length, 0);
  await state.leak(50 * megabyte, 'external');
  await state.stats(500 * megabyte, { external: 51 * megabyte });
  assert.equal(state.taken.length, 1);
  await state.stats(5 * megabyte, { external: 61 * megabyte });
  assert.equal(state.taken.length, 2);
});

test('a leak that has stopped is followed up when it goes on, and the callback has every event', async (t) => {
  const seen = [];
  const state = setUp(t, { callback: (event) => seen.push(event) });
  await state.leak(50 * megabyte);
  state.watch.emit('settled', { what: 'heap' });
  await state.stats(100 * megabyte);
  assert.equal(state.taken.length, 1);
  // It goes on: the second one completes the first.
  await state.leak(100 * megabyte);
  await state.stats(110 * megabyte);
  assert.equal(state.taken.length, 2);
  assert.equal(seen.at(-1).complete, true);
  assert.deepEqual(seen, state.events);
});
