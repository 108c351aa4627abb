'use strict';

// The few things that must hold on every runtime we claim to work on, Node 18 (best effort) included.

const assert = require('node:assert/strict');
const { startAgent } = require('./support/child.js');
const { classCounts, readSnapshot } = require('./support/snapshot.js');
const { test } = require('./support/test.js');

test('a call, heapdump’s call, a stream and a signal', async (t) => {
  const agent = await startAgent(t);
  const files = await agent.call(async ({ stillheap, keep, fs, require }) => {
    class Smoke {}
    keep.objects = Array.from({ length: 77 }, () => new Smoke());
    const { file, engine } = await stillheap.capture();
    if (engine !== 'v8') throw new Error(stillheap.engineReason);
    if (!stillheap.writeSnapshot('sync')) throw new Error('writeSnapshot');
    const { pipeline } = require('node:stream/promises');
    await pipeline(stillheap.captureStream(), fs.createWriteStream('stream'));
    return [file, 'sync', 'stream'];
  });
  agent.kill('SIGUSR2');
  files.push((await agent.output(/stillheap: wrote (\S+)/))[1]);
  for (const file of files) {
    const counts = classCounts(readSnapshot(require('node:path').resolve(agent.cwd, file)));
    assert.equal(counts.get('Smoke'), 77, file);
  }
  agent.release();
  assert.deepEqual(await agent.ended, { code: 0, signal: null });
});
