'use strict';

// memwatch's surface: the same names and payloads.

const assert = require('node:assert/strict');
const { writeFileSync } = require('node:fs');
const path = require('node:path');
const { root, startAgent, temporaryDirectory, runSource } = require('./support/child.js');
const { atFullLength, test } = require('./support/test.js');

const memwatchModule = path.join(root, 'memwatch.js');

async function startMemwatch(t, options) {
  const agent = await startAgent(t, options);
  await agent.call((tools, file) => {
    tools.memwatch = tools.require(file);
  }, memwatchModule);
  return agent;
}

test("stats have memwatch's fields", async (t) => {
  const agent = await startMemwatch(t);
  const all = await agent.call(async ({ memwatch, require }) => {
    const { once } = require('node:events');
    const all = [];
    for (let i = 0; i < 4; i++) {
      const told = once(memwatch, 'stats');
      memwatch.gc();
      all.push((await told)[0]);
    }
    return all;
  });
  const names = 'num_full_gc,num_inc_gc,heap_compactions,usage_trend,estimated_base,current_base,min,max';
  for (const [n, stats] of all.entries()) {
    assert.equal(Object.keys(stats).join(), names);
    assert.ok(Object.values(stats).every(Number.isFinite), JSON.stringify(stats));
    assert.ok(n === 0 || stats.num_full_gc > all[n - 1].num_full_gc);
  }
  const { min, max, current_base } = all[3];
  assert.ok(min > 1e6 && min <= current_base && max >= current_base);
  assert.equal(all[0].min, 0);
});

test("leak: memwatch's five in a row, and its sentence", async (t) => {
  const agent = await startMemwatch(t);
  const leak = await agent.call(async ({ memwatch, keep, require }) => {
    // What starting left behind goes first: its release would count against the growth. V8 drops bytecode only after
    // several collections without a call.
    for (let n = 0; n < 20; n++) memwatch.gc();
    memwatch.configure({ strategy: 'consecutive', warmup: 0 });
    const told = require('node:events').once(memwatch, 'leak');
    keep.list = [];
    const growing = setInterval(() => {
      // Much larger than what V8 may drop meanwhile (300 kB were seen on a loaded machine).
      keep.list.push(new Array(500_000).fill(1.5));
      memwatch.gc();
    }, 20);
    const [leak] = await told;
    clearInterval(growing);
    return { ...leak, dates: [leak.start instanceof Date, leak.end instanceof Date] };
  });
  assert.match(leak.reason, /^heap growth over 5 consecutive GCs \(\d+s\) - [\d.]+ mb\/hr$/);
  assert.ok(
    Number.isInteger(leak.growth) && leak.growth > 5 * 3_800_000 && leak.growth < 5 * 4_600_000,
    leak.growth,
  );
  assert.deepEqual(leak.dates, [true, true]);
});

const shape = {
  before: ['nodes', 'time', 'size_bytes', 'size'],
  after: ['nodes', 'time', 'size_bytes', 'size'],
  change: ['size_bytes', 'size', 'freed_nodes', 'allocated_nodes', 'details'],
};

function checkShape(diff) {
  for (const [part, names] of Object.entries(shape)) {
    for (const name of names) assert.ok(name in diff[part], `${part}.${name}`);
  }
  for (const detail of diff.change.details) {
    assert.deepEqual(Object.keys(detail).sort(), ['+', '-', 'size', 'size_bytes', 'what'].sort());
  }
}

for (const mode of ['fork', 'inline']) {
  test(`HeapDiff finds what leaks (${mode})`, { timeout: 120_000 }, async (t) => {
    const agent = await startMemwatch(t);
    const { sync, later, open } = await agent.call(async ({ memwatch, keep, fs }, mode) => {
      class LeakingClass {}
      keep.list = [];
      const leak = (count) => {
        for (let i = 0; i < count; i++) keep.list.push(new LeakingClass());
      };
      const count = () => fs.readdirSync('/proc/self/fd').length;
      const files = count();
      const first = new memwatch.HeapDiff({ mode });
      leak(9998);
      const sync = first.end();
      const second = new memwatch.HeapDiff({ mode });
      leak(5000);
      const later = await second.endAsync();
      let again;
      try {
        first.end();
      } catch (error) {
        again = error.code;
      }
      return { sync, later, open: [count() - files, again] };
    }, mode);
    for (const [diff, count] of [
      [sync, 9998],
      [later, 5000],
    ]) {
      checkShape(diff);
      const detail = diff.change.details.find(({ what }) => what === 'LeakingClass');
      assert.deepEqual([detail['+'], detail['-']], [count, 0]);
      assert.ok(detail.size_bytes >= count * 12);
      assert.match(detail.size, /^[\d.]+ (kb|mb)$/);
      assert.ok(diff.change.allocated_nodes >= count);
      assert.equal(diff.change.size_bytes, diff.after.size_bytes - diff.before.size_bytes);
      assert.equal(diff.before.mode, mode);
      assert.equal(diff.change.matchedBy, mode === 'fork' ? 'class' : 'id');
      assert.ok(diff.change.classes.some((row) => row.class === 'LeakingClass' && row.countDelta === count));
    }
    // The analysis may have been loaded meanwhile, which opens nothing that stays.
    assert.deepEqual(open, [0, 'ERR_STILLHEAP_ENDED']);
  });
}

const links = atFullLength ? 1_000_000 : 200_000;

test(`HeapDiff: a linked list of ${links}, of such as the old one crashed on`, {
  timeout: 180_000,
}, async (t) => {
  const agent = await startMemwatch(t);
  const diff = await agent.call(({ memwatch, keep }, count) => {
    class Link {}
    const diff = new memwatch.HeapDiff();
    for (let i = 0; i < count; i++) keep.head = Object.assign(new Link(), { next: keep.head });
    return diff.end();
  }, links);
  const added = diff.change.details.find(({ what }) => what === 'Link');
  assert.equal(added['+'], links);
  assert.ok(added.size_bytes > 16 * links, String(added.size_bytes));
});

test('a HeapDiff that is never ended leaves neither file nor child', async (t) => {
  const directory = temporaryDirectory(t);
  const agent = await startMemwatch(t, { nodeArgs: ['--expose-gc'] });
  const left = await agent.call(async ({ memwatch, fs, require }, dir) => {
    const files = () => fs.readdirSync('/proc/self/fd').length;
    const before = files();
    (() => new memwatch.HeapDiff({ dir }))();
    const { setTimeout: wait } = require('node:timers/promises');
    while (files() > before) {
      globalThis.gc();
      await wait(10);
    }
    return fs.readdirSync(dir);
  }, directory);
  assert.deepEqual(left, []);
});

test('wrong arguments, and the shim that replaces the package', async (t) => {
  const agent = await startMemwatch(t);
  for (const wrong of [{ mode: 'spoon' }, { mode: 1 }, { dir: 5 }, { what: 1 }, 7]) {
    await assert.rejects(
      agent.call(({ memwatch }, wrong) => new memwatch.HeapDiff(wrong), wrong),
      /must be/,
    );
  }
  const directory = temporaryDirectory(t);
  const shim = path.join(directory, 'memwatch-next.js');
  writeFileSync(shim, `module.exports = require(${JSON.stringify(memwatchModule)});\n`);
  const file = JSON.stringify(path.join(root, 'memwatch.mjs'));
  const child = await runSource(
    t,
    `const memwatch = require(${JSON.stringify(shim)});
     memwatch.on('leak', () => {});
     memwatch.on('stats', () => {});
     import(${file}).then((esm) => console.log(typeof memwatch.gc, typeof memwatch.HeapDiff, Object.keys(esm).join()));`,
  );
  assert.equal(child.outcome.code, 0, child.describe('with the shim'));
  assert.match(child.stdout, /^function function HeapDiff,configure,default,gc,off,on,once/);
});
