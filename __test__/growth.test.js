'use strict';

// Many captures of a small heap: nothing stays behind in memory.

const assert = require('node:assert/strict');
const { existsSync } = require('node:fs');
const { startAgent, temporaryDirectory } = require('./support/child.js');
const { test } = require('./support/test.js');

const captures = 400;

/**
 * RSS may go up and down by what V8's and malloc's pools keep; this much more than after the first thirty
 * captures is a leak, of 45 kB per capture. A snapshot of this heap has 4 to 7 MB of JSON and ten times that in
 * V8's memory, so even one that is forgotten per hundred would show. After 1,000 captures 0.5 MB more were measured.
 */
const bound = 16 * 2 ** 20;

/** Runs the captures; gives RSS after the first thirty, and the least of the last ten. */
const repeat = async ({ stillheap, keep, require }, { captures, file, leak }) => {
  const { rss } = process.memoryUsage;
  const collect = () => {
    globalThis.gc();
    return rss();
  };
  keep.leaked = [];
  let base = 0;
  let last = Number.POSITIVE_INFINITY;
  for (let n = 0; n < captures; n++) {
    if (n % 2 === 0) await stillheap.capture({ file, overwrite: true, compress: n % 4 ? 'gzip' : 'none' });
    else {
      stillheap.configure({ overwrite: true });
      if (!stillheap.writeSnapshot(file)) throw new Error('writeSnapshot');
    }
    if (leak > 0) keep.leaked.push(Buffer.alloc(leak, n));
    if (n === 29) base = collect();
    if (n >= captures - 10) last = Math.min(last, collect());
  }
  return { base, last, fds: require('node:fs').readdirSync('/proc/self/fd').length };
};

async function growth(t, argument) {
  const shm = existsSync('/dev/shm') ? '/dev/shm' : undefined;
  const file = `${temporaryDirectory(t, shm)}/a.heapsnapshot`;
  const agent = await startAgent(t, { nodeArgs: ['--expose-gc', '--max-old-space-size=64'] });
  const fds = await agent.call(({ fs }) => fs.readdirSync('/proc/self/fd').length);
  const threads = await agent.call(({ fs }) => fs.readdirSync('/proc/self/task').length);
  const { base, last, fds: after } = await agent.call(repeat, { file, leak: 0, ...argument });
  assert.ok(after <= fds + 1, `${after} descriptors, ${fds} before`);
  const left = await agent.call(({ fs }) => fs.readdirSync('/proc/self/task').length);
  // The pool's four, which the first capture() starts.
  assert.ok(left <= threads + 4, `${left} threads, ${threads} before`);
  return last - base;
}

test(`${captures} captures of a small heap without growth`, { timeout: 900_000 }, async (t) => {
  const grown = await growth(t, { captures });
  t.diagnostic(`RSS grew by ${(grown / 2 ** 20).toFixed(1)} MB over ${captures - 30} captures`);
  assert.ok(grown < bound, `RSS grew by ${grown} bytes`);
});

// Tests the test above.
test('a leak of half a megabyte per capture would be noticed', { timeout: 300_000 }, async (t) => {
  const grown = await growth(t, { captures: 80, leak: 2 ** 19 });
  assert.ok(grown > bound, `RSS grew by ${grown} bytes`);
});
