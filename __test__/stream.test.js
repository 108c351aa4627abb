'use strict';

// captureStream(): the bytes, and what is left when it goes wrong.

const assert = require('node:assert/strict');
const { readdirSync, readFileSync } = require('node:fs');
const path = require('node:path');
const { startAgent, temporaryDirectory, withMount } = require('./support/child.js');
const { readSnapshot } = require('./support/snapshot.js');
const { test } = require('./support/test.js');

/** How many descriptors the agent has open on regular files (deleted ones included) in `directory`. */
const openIn = ({ fs }, directory) => {
  let count = 0;
  for (const fd of fs.readdirSync('/proc/self/fd')) {
    try {
      if (fs.readlinkSync(`/proc/self/fd/${fd}`).startsWith(`${directory}/`)) count++;
    } catch {
      // It was the descriptor of the directory that is being read.
    }
  }
  return count;
};

for (const compress of ['none', 'gzip', 'zstd']) {
  test(`the bytes are a file's, compressed: ${compress}`, async (t) => {
    const agent = await startAgent(t);
    const result = await agent.call(async ({ stillheap, require, fs }, compress) => {
      const { pipeline } = require('node:stream/promises');
      const stream = stillheap.captureStream({ compress });
      const seen = [];
      stillheap.on('snapshot', () => seen.push('snapshot'));
      await pipeline(stream, fs.createWriteStream('out'));
      const result = await stream.result;
      return { ...result, isDate: result.startTime instanceof Date, keys: Object.keys(result), seen };
    }, compress);
    const file = path.join(agent.cwd, 'out');
    const bytes = readFileSync(file);
    assert.equal(result.bytes, bytes.length);
    assert.equal(result.compress, compress);
    assert.equal(result.isDate, true);
    assert.ok(!result.keys.includes('fd') && !result.keys.includes('file'));
    const zlib = require('node:zlib');
    if (compress === 'zstd') assert.deepEqual([...bytes.subarray(0, 4)], [0x28, 0xb5, 0x2f, 0xfd]);
    const undo = { none: (b) => b, gzip: zlib.gunzipSync, zstd: zlib.zstdDecompressSync }[compress];
    const raw = undo?.(bytes);
    if (raw) {
      assert.equal(raw.length, result.rawBytes);
      readSnapshot(raw);
    }
  });
}

test('nothing has a name while it flows, and no descriptor is left', async (t) => {
  const spool = temporaryDirectory(t);
  const agent = await startAgent(t);
  const outcome = await agent.call(
    new Function(
      'tools',
      'spool',
      `return (async () => {
        const openIn = ${openIn};
        const stream = tools.stillheap.captureStream({ dir: spool });
        await stream.result;
        const during = { open: openIn(tools, spool), names: tools.files(spool) };
        let bytes = 0;
        for await (const chunk of stream) bytes += chunk.length;
        if (!stream.closed) await new Promise((resolve) => stream.once('close', resolve));
        // A descriptor is closed on a thread of the pool: wait for that.
        for (let turn = 0; turn < 1000 && openIn(tools, spool) > 0; turn++) {
          await tools.fs.promises.stat(spool);
        }
        return { during, bytes, open: openIn(tools, spool), names: tools.files(spool) };
      })();`,
    ),
    spool,
  );
  assert.deepEqual(outcome.during, { open: 1, names: [] });
  assert.ok(outcome.bytes > 1e6);
  assert.deepEqual([outcome.open, outcome.names], [0, []]);
});

test('destroyed at any time: no file, no descriptor, no rejection that nobody handles', async (t) => {
  const spool = temporaryDirectory(t);
  const agent = await startAgent(t);
  const outcome = await agent.call(
    new Function(
      'tools',
      'spool',
      `return (async () => {
        const openIn = ${openIn};
        const { stillheap } = tools;
        const closed = (stream) => stream.closed || new Promise((resolve) => stream.once('close', resolve));
        const outcomes = [];
        const watch = (stream) => stream.result.then(() => outcomes.push('result'), (e) => outcomes.push(e.name));
        // At once.
        let stream = stillheap.captureStream({ dir: spool });
        let settled = watch(stream);
        stream.destroy();
        await closed(stream);
        await settled;
        // At each phase.
        for (const at of ['generating', 'serializing', 'writing', 'done']) {
          stream = stillheap.captureStream({ dir: spool, onProgress: ({ phase }) => phase === at && stream.destroy() });
          settled = watch(stream);
          await closed(stream);
          await settled;
        }
        // After the first chunk.
        stream = stillheap.captureStream({ dir: spool });
        await new Promise((resolve) => stream.once('data', resolve));
        stream.destroy();
        await closed(stream);
        // Nobody looks at the result or listens to anything.
        stillheap.captureStream({ dir: spool }).destroy();
        await stillheap.capture({ file: 'barrier' });
        for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
        // A descriptor is closed on a thread of the pool: wait for that.
        for (let turn = 0; turn < 1000 && openIn(tools, spool) > 0; turn++) {
          await tools.fs.promises.stat(spool);
        }
        return { outcomes, open: openIn(tools, spool), names: tools.files(spool) };
      })();`,
    ),
    spool,
  );
  assert.equal(outcome.outcomes.length, 5);
  assert.deepEqual([outcome.open, outcome.names], [0, []]);
  assert.equal(agent.stderr, '');
});

test('an error destroys the stream with it', async (t) => {
  const agent = await startAgent(t);
  const outcome = await agent.call(async ({ stillheap, describe }) => {
    const stream = stillheap.captureStream({ dir: 'no/such' });
    const error = await new Promise((resolve) => stream.once('error', resolve));
    const same = await stream.result.catch((reason) => reason === error);
    const abort = new AbortController();
    const aborted = stillheap.captureStream({ signal: abort.signal });
    abort.abort(new Error('enough'));
    const reason = await new Promise((resolve) => aborted.once('error', resolve));
    return { error: describe(error), same, reason: reason.message };
  });
  assert.equal(outcome.error.code, 'ENOENT');
  assert.equal(outcome.same, true);
  assert.equal(outcome.reason, 'enough');
});

test('a full disk destroys the stream', async (t) => {
  const spool = temporaryDirectory(t);
  const agent = await startAgent(t, { wrapper: withMount(spool, 'size=3m') });
  const error = await agent.call(async ({ stillheap, describe }, dir) => {
    const stream = stillheap.captureStream({ dir });
    return new Promise((resolve) => stream.once('error', (error) => resolve(describe(error))));
  }, spool);
  assert.equal(error.code, 'ENOSPC');
  assert.deepEqual(readdirSync(spool), []);
});

test('a consumer that is slow keeps memory small: the spool waits, not the heap', async (t) => {
  const agent = await startAgent(t);
  const outcome = await agent.call(async ({ stillheap, keep }) => {
    keep.strings = Array.from({ length: 400_000 }, (_, n) => ({ text: `string number ${n}` }));
    const stream = stillheap.captureStream();
    const { bytes } = await stream.result;
    for (let turn = 0; turn < 50; turn++) await new Promise((resolve) => setImmediate(resolve));
    const buffered = stream.readableLength + stream.writableLength;
    stream.destroy();
    return { bytes, buffered };
  });
  assert.ok(outcome.bytes > 20e6, String(outcome.bytes));
  assert.ok(outcome.buffered <= 256 * 1024, String(outcome.buffered));
});
