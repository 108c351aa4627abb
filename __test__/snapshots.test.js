'use strict';

// What is in a snapshot: the same as in node:v8's of the same heap.

const assert = require('node:assert/strict');
const os = require('node:os');
const path = require('node:path');
const { startAgent } = require('./support/child.js');
const { classCounts, nodes, readSnapshot } = require('./support/snapshot.js');
const { test } = require('./support/test.js');

/** Counts per node type. */
function typeCounts(parsed) {
  const counts = {};
  for (const { type } of nodes(parsed)) counts[type] = (counts[type] ?? 0) + 1;
  return counts;
}

test('node and class counts are those of v8.writeHeapSnapshot', async (t) => {
  const agent = await startAgent(t);
  await agent.call(async ({ stillheap, keep, require }) => {
    const v8 = require('node:v8');
    class Account {}
    class Order {
      lines = [1, 2, 3];
      note = `note ${Math.random()}`;
    }
    class Session extends Map {}
    const make = {
      accounts: (n) => Array.from({ length: n }, () => new Account()),
      orders: (n) => Array.from({ length: n }, () => new Order()),
      sessions: (n) => Array.from({ length: n }, (_, k) => new Session([[k, { k }]])),
      closures: (n) => Array.from({ length: n }, (_, k) => () => k),
    };
    keep.heap = { ...make, a: make.accounts(1111), o: make.orders(2222), s: make.sessions(333) };
    keep.heap.c = make.closures(444);
    // Both ways once before the comparison, so that what they compile and load is there for both.
    await stillheap.capture({ file: 'warm' });
    v8.writeHeapSnapshot('warm-node');
    v8.writeHeapSnapshot('node-before');
    await stillheap.capture({ file: 'ours' });
    v8.writeHeapSnapshot('node-after');
  });
  const [before, ours, after] = ['node-before', 'ours', 'node-after'].map((name) =>
    readSnapshot(path.join(agent.cwd, name)),
  );
  // The classes of the program: exactly.
  for (const [name, count] of Object.entries({
    Account: 1111,
    Order: 2222,
    Session: 333,
  })) {
    for (const each of [before, ours, after]) assert.equal(classCounts(each).get(name), count, name);
  }
  // Everything: what runs between two snapshots (a promise, a string, feedback that V8 allocates) is noise of
  // some hundred nodes; node's own two snapshots, before and after ours, differ by as much.
  const counts = [before, ours, after].map((each) => each.snapshot.node_count);
  const spread = Math.max(Math.abs(counts[0] - counts[2]), counts[0] / 100);
  assert.ok(counts[1] > Math.min(counts[0], counts[2]) - spread, counts.join());
  assert.ok(counts[1] < Math.max(counts[0], counts[2]) + spread, counts.join());
  const [typesBefore, types] = [typeCounts(before), typeCounts(ours)];
  assert.deepEqual(Object.keys(types).sort(), Object.keys(typesBefore).sort());
  for (const type of ['object', 'closure', 'array', 'native', 'regexp']) {
    const difference = Math.abs(types[type] - typesBefore[type]);
    assert.ok(difference <= 60 + typesBefore[type] / 100, `${type}: ${typesBefore[type]} and ${types[type]}`);
  }
  // And the same form, but for what we add to the header.
  const { stillheap, ...header } = ours.snapshot;
  assert.deepEqual(header.meta, before.snapshot.meta);
  assert.deepEqual(Object.keys(header).sort(), Object.keys(before.snapshot).sort());
  assert.deepEqual(Object.keys(ours), Object.keys(before));
  assert.equal(stillheap.pid, agent.pid);
});

test('the header says whose snapshot it is', async (t) => {
  const agent = await startAgent(t);
  const result = await agent.call(({ stillheap }) => stillheap.capture({ file: 'a', mode: 'inline' }));
  const { stillheap } = readSnapshot(result.file).snapshot;
  const { processId, startTime, residentBytes, allocatedBytes, externalBytes, mallocedBytes, ...named } =
    stillheap;
  const { host, service, nodeVersion, heapLimitBytes, ...rest } = named;
  assert.deepEqual([host, nodeVersion], [os.hostname(), process.version]);
  assert.equal(service, process.env.OTEL_SERVICE_NAME || process.env.npm_package_name || 'agent.js');
  assert.ok(heapLimitBytes > residentBytes / 10 && Number.isSafeInteger(heapLimitBytes), `${heapLimitBytes}`);
  assert.match(processId, /^[0-9a-f]{16}$/);
  assert.ok(residentBytes > allocatedBytes && allocatedBytes > 0, `${residentBytes}, ${allocatedBytes}`);
  assert.ok(externalBytes > 0 && mallocedBytes > 0, `${externalBytes}, ${mallocedBytes}`);
  assert.deepEqual(rest, {
    mode: 'inline',
    objectIds: 'cleared',
    pid: agent.pid,
    threadId: 0,
    time: result.startTime,
    version: require('../package.json').version,
  });
});

// (V8 itself writes '?' for what is beyond the basic multilingual plane.)
test('strings of every kind survive', async (t) => {
  const agent = await startAgent(t);
  const strings = ['"quoted" \\ back', 'line\nbreak\ttab', 'żółw', '日本語', '\u2028', 'x'.repeat(1000)];
  const { file } = await agent.call(async ({ stillheap, keep }, strings) => {
    keep.strings = strings.map((text) => ({ text }));
    return stillheap.capture({ file: 'a' });
  }, strings);
  const parsed = readSnapshot(file);
  for (const text of strings) {
    const found = parsed.strings.some((one) => one === text || one === Buffer.from(text).toString('latin1'));
    assert.ok(found, JSON.stringify(text));
  }
});
