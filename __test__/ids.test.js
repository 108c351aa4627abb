'use strict';

// Object ids: cleared, kept, and other tools' left alone.

const assert = require('node:assert/strict');
const path = require('node:path');
const { startAgent } = require('./support/child.js');
const { greatestId, idsOf, readSnapshot } = require('./support/snapshot.js');
const { test } = require('./support/test.js');

/** Ten objects to recognise, and a way to use ids up. */
const prepare = ({ keep }) => {
  class Known {}
  class Passing {}
  keep.known = Array.from({ length: 10 }, () => new Known());
  keep.churn = () => {
    keep.passing = Array.from({ length: 50_000 }, () => new Passing());
  };
};

/** Three captures with garbage in between; the snapshots. */
async function series(agent, options) {
  const files = await agent.call(async ({ stillheap, keep }, options) => {
    const files = [];
    for (let n = 0; n < 3; n++) {
      keep.churn();
      files.push((await stillheap.capture(options)).file);
    }
    return files;
  }, options);
  return files.map((file) => readSnapshot(path.resolve(agent.cwd, file)));
}

test('cleared by default: every snapshot numbers from the start, so V8 follows nothing in between', async (t) => {
  const agent = await startAgent(t);
  await agent.call(prepare);
  for (const snapshot of await series(agent, {})) {
    assert.equal(snapshot.snapshot.stillheap.objectIds, 'cleared');
    // V8 gives odd numbers one after the other; a map that lived on would have gone far beyond.
    const limit = 2 * snapshot.snapshot.node_count + 10_000;
    assert.ok(greatestId(snapshot) < limit, `${greatestId(snapshot)} of ${limit}`);
  }
});

test('kept: the same objects have the same ids, new ones go on', async (t) => {
  const agent = await startAgent(t);
  await agent.call(prepare);
  const [first, second, third] = await series(agent, { keepObjectIds: true });
  assert.equal(idsOf(first, 'Known').length, 10);
  assert.deepEqual(idsOf(second, 'Known'), idsOf(first, 'Known'));
  assert.deepEqual(idsOf(third, 'Known'), idsOf(first, 'Known'));
  assert.ok(greatestId(second) >= greatestId(first) + 2 * 50_000);
  const spaces = [first, second, third].map(({ snapshot }) => snapshot.stillheap.processId);
  assert.equal(new Set(spaces).size, 1);
});

test('kept, then cleared: full speed again, and another id space', async (t) => {
  const agent = await startAgent(t);
  await agent.call(prepare);
  const [kept] = await series(agent, { keepObjectIds: true });
  await series(agent, {});
  const [after] = await series(agent, {});
  assert.ok(greatestId(after) < 2 * after.snapshot.node_count + 10_000);
  assert.notEqual(after.snapshot.stillheap.processId, kept.snapshot.stillheap.processId);
});

test('kept, then a forked capture: V8 forgets them in the service, too', async (t) => {
  const agent = await startAgent(t);
  await agent.call(prepare);
  const [kept] = await series(agent, { keepObjectIds: true });
  const forked = await agent.call(({ stillheap }) => stillheap.capture({ mode: 'fork' }));
  assert.equal(forked.objectIds, 'cleared');
  const header = readSnapshot(path.resolve(agent.cwd, forked.file)).snapshot.stillheap;
  assert.notEqual(header.processId, kept.snapshot.stillheap.processId);
  // A map that lived on would number from where it was, far beyond.
  const [after, later] = await series(agent, { keepObjectIds: true });
  assert.ok(greatestId(after) < 2 * after.snapshot.node_count + 10_000, `${greatestId(after)}`);
  assert.notEqual(after.snapshot.stillheap.processId, kept.snapshot.stillheap.processId);
  assert.notEqual(after.snapshot.stillheap.processId, header.processId);
  assert.equal(later.snapshot.stillheap.processId, after.snapshot.stillheap.processId);
});

test('a forked capture leaves ids alone that node:v8 began', async (t) => {
  const agent = await startAgent(t);
  await agent.call(prepare);
  await agent.call(async ({ stillheap, require }) => {
    const v8 = require('node:v8');
    v8.writeHeapSnapshot('before');
    await stillheap.capture({ mode: 'fork' });
    v8.writeHeapSnapshot('after');
  });
  const [before, after] = ['before', 'after'].map((name) => readSnapshot(path.join(agent.cwd, name)));
  assert.deepEqual(idsOf(after, 'Known'), idsOf(before, 'Known'));
});

test('ids that node:v8 began are left alone', async (t) => {
  const agent = await startAgent(t);
  await agent.call(prepare);
  const outcome = await agent.call(async ({ stillheap, require }) => {
    const v8 = require('node:v8');
    const before = v8.writeHeapSnapshot('before');
    const result = await stillheap.capture({ file: 'ours' });
    const after = v8.writeHeapSnapshot('after');
    return { before, after, result };
  });
  assert.equal(outcome.result.objectIds, 'kept');
  assert.match(outcome.result.objectIdsReason, /another tool/);
  const [before, ours, after] = ['before', 'ours', 'after'].map((name) =>
    readSnapshot(path.join(agent.cwd, name)),
  );
  assert.deepEqual(idsOf(ours, 'Known'), idsOf(before, 'Known'));
  assert.deepEqual(idsOf(after, 'Known'), idsOf(before, 'Known'));
});

/** A session of the inspector, as DevTools has one. */
const connect = ({ keep, require }) => {
  const { Session } = require('node:inspector');
  keep.session = new Session();
  keep.session.connect();
  keep.post = (method, params) =>
    new Promise((resolve, reject) => {
      keep.session.post(method, params, (error, result) => (error ? reject(error) : resolve(result)));
    });
  keep.snapshot = async () => {
    const chunks = [];
    const listener = ({ params }) => chunks.push(params.chunk);
    keep.session.on('HeapProfiler.addHeapSnapshotChunk', listener);
    await keep.post('HeapProfiler.takeHeapSnapshot');
    keep.session.off('HeapProfiler.addHeapSnapshotChunk', listener);
    return chunks.join('');
  };
};

test('a recording of allocations that runs already is left alone', async (t) => {
  const agent = await startAgent(t);
  await agent.call(prepare);
  await agent.call(connect);
  const outcome = await agent.call(async ({ stillheap, keep, fs }) => {
    await keep.post('HeapProfiler.enable');
    await keep.post('HeapProfiler.startTrackingHeapObjects', { trackAllocations: true });
    const results = [];
    for (let n = 0; n < 3; n++) {
      keep.churn();
      results.push((await stillheap.capture({ name: `during-${n}` })).objectIds);
    }
    process.kill(process.pid, 'SIGUSR2');
    await new Promise((resolve) => stillheap.once('snapshot', resolve));
    await keep.post('HeapProfiler.stopTrackingHeapObjects');
    fs.writeFileSync('devtools', await keep.snapshot());
    return results;
  });
  assert.deepEqual(outcome, ['kept', 'kept', 'kept']);
  readSnapshot(path.join(agent.cwd, 'devtools'));
  const ids = ['during-0', 'during-2'].map((name) =>
    idsOf(readSnapshot(path.join(agent.cwd, `${name}.heapsnapshot`)), 'Known'),
  );
  assert.deepEqual(ids[0], ids[1]);
});

test('a recording that begins after a kept capture survives a clearing one', async (t) => {
  const agent = await startAgent(t);
  await agent.call(prepare);
  await agent.call(connect);
  await agent.call(async ({ stillheap, keep, fs }) => {
    await stillheap.capture({ keepObjectIds: true });
    await keep.post('HeapProfiler.enable');
    await keep.post('HeapProfiler.startTrackingHeapObjects', { trackAllocations: true });
    keep.churn();
    await stillheap.capture({ keepObjectIds: false });
    for (let n = 0; n < 5; n++) {
      keep.churn();
      await stillheap.capture();
    }
    await keep.post('HeapProfiler.stopTrackingHeapObjects');
    fs.writeFileSync('devtools', await keep.snapshot());
    keep.session.disconnect();
  });
  readSnapshot(path.join(agent.cwd, 'devtools'));
  agent.release();
  assert.deepEqual(await agent.ended, { code: 0, signal: null });
});

test('an inspector session that is open, and its snapshot during a capture', async (t) => {
  const agent = await startAgent(t);
  await agent.call(prepare);
  await agent.call(connect);
  const codes = await agent.call(async ({ stillheap, keep, fs }) => {
    await keep.post('Runtime.enable');
    await keep.post('HeapProfiler.enable');
    const inside = [];
    await stillheap.capture({
      file: 'ours',
      onProgress: ({ phase }) => {
        if (phase === 'serializing') inside.push(keep.snapshot());
      },
    });
    fs.writeFileSync('theirs', (await Promise.all(inside))[0]);
    return inside.length;
  });
  assert.equal(codes, 1);
  for (const name of ['ours', 'theirs']) {
    assert.equal(idsOf(readSnapshot(path.join(agent.cwd, name)), 'Known').length, 10);
  }
});
