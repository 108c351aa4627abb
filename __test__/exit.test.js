'use strict';

// The process ends while something is under way: a file is whole or absent, and the status is the service's.

const assert = require('node:assert/strict');
const { readdirSync } = require('node:fs');
const path = require('node:path');
const { root, runSource, startNode } = require('./support/child.js');
const { readSnapshot } = require('./support/snapshot.js');
const { atFullLength, test } = require('./support/test.js');

/** No temporary file is left, and what there is can be read. */
function allWhole(child) {
  const names = readdirSync(child.directory);
  for (const name of names) {
    assert.doesNotMatch(name, /\.tmp$/, child.describe('left a temporary file'));
    readSnapshot(path.join(child.directory, name));
  }
  return names.length;
}

/** Whole files, and each one that the process said it wrote is there; at most one came of one signal. */
function told(child) {
  const written = [...child.stderr.matchAll(/stillheap: wrote (\S+)/g)].map(([, file]) =>
    path.basename(file),
  );
  const names = readdirSync(child.directory);
  assert.ok(allWhole(child) <= 1, child.describe('wrote more files than it had signals'));
  for (const name of written) assert.ok(names.includes(name), child.describe(`${name} is not there`));
}

async function ends(t, source, expected = { code: 0, signal: null }, options = {}) {
  const { temporaryDirectory } = require('./support/child.js');
  const cwd = temporaryDirectory(t);
  const child = await runSource(t, source, { cwd, nodeArgs: ['-r', root], ...options });
  child.directory = cwd;
  assert.deepEqual(child.outcome, expected, child.describe('ended otherwise than expected'));
  return child;
}

const load = `const stillheap = require(${JSON.stringify(root)});`;
const large = 'globalThis.kept = Array.from({ length: 100_000 }, (_, n) => ({ text: "text " + n }));';

test('nothing asked for: the module keeps no process alive', async (t) => {
  assert.equal(allWhole(await ends(t, '')), 0);
  assert.equal(allWhole(await ends(t, `${load} stillheap.on('snapshot', () => {}); stillheap.start()`)), 0);
});

for (const compress of ['none', 'gzip']) {
  test(`process.exit() while a signal's file is being finished (${compress})`, async (t) => {
    const source = `${load} ${large}
      process.kill(process.pid, 'SIGUSR2');
      // The interrupt is served within this loop; the file then is the signal thread's.
      const fs = require('node:fs');
      while (!fs.readdirSync('.').some((name) => name.includes('.heapsnapshot'))) {}
      process.exit(7);`;
    const env = { STILLHEAP_COMPRESS: compress };
    const child = await ends(t, source, { code: 7, signal: null }, { env });
    assert.equal(allWhole(child), 1, child.describe('wrote no file'));
  });

  test(`process.exit() while capture() finishes its file (${compress})`, async (t) => {
    const source = `${load} ${large}
      stillheap.capture({
        compress: '${compress}',
        onProgress: ({ phase }) => { if (phase === 'writing') process.nextTick(() => process.exit(7)); },
      });`;
    const child = await ends(t, source, { code: 7, signal: null });
    assert.equal(allWhole(child), 1);
  });
}

test('process.exit() at every phase of capture(): nothing half', async (t) => {
  for (const at of ['generating', 'serializing', 'writing', 'done']) {
    const source = `${load} ${large}
      stillheap.capture({ onProgress: ({ phase }) => { if (phase === '${at}') process.exit(7); } });`;
    const child = await ends(t, source, { code: 7, signal: null });
    const count = allWhole(child);
    // Finished files stay, unfinished ones go; at `writing` both can be.
    const expected = { generating: [0], serializing: [0], writing: [0, 1], done: [1] }[at];
    assert.ok(expected.includes(count), child.describe(`at ${at}: left ${count} files`));
  }
});

test('a natural end waits for capture(), and for a signal that came before', async (t) => {
  const called = await ends(t, `${load} ${large} stillheap.capture();`);
  assert.equal(allWhole(called), 1);
  const source = `${load} ${large} process.kill(process.pid, 'SIGUSR2'); for (let n = 0; n < 1e8; n++) {}`;
  told(await ends(t, source));
});

test('an uncaught exception while a file is being finished', async (t) => {
  const source = `${load} ${large}
    stillheap.capture({ onProgress: ({ phase }) => {
      if (phase === 'writing') process.nextTick(() => { throw new Error('the end'); });
    } });`;
  const child = await ends(t, source, { code: 1, signal: null });
  assert.match(child.stderr, /Error: the end/);
  assert.ok(allWhole(child) <= 1);
  const signalled = `${load} ${large} process.kill(process.pid, 'SIGUSR2');
    for (let n = 0; n < 1e8; n++) {}
    throw new Error('the end');`;
  const other = await ends(t, signalled, { code: 1, signal: null });
  assert.match(other.stderr, /Error: the end/);
  told(other);
});

test('signals in an exit handler, and captures there', async (t) => {
  const source = `${load}
    process.on('exit', () => {
      process.kill(process.pid, 'SIGUSR2');
      if (!stillheap.writeSnapshot('sync.heapsnapshot')) process.exitCode = 3;
      stillheap.capture({ file: 'never.heapsnapshot' });
      process.kill(process.pid, 'SIGUSR2');
    });`;
  const child = await ends(t, source);
  allWhole(child);
  assert.ok(readdirSync(child.directory).includes('sync.heapsnapshot'));
});

test('a storm of signals while the process ends, again and again', async (t) => {
  const shared = `
    const { Worker } = require('node:worker_threads');
    // A thread that does not stop sending.
    new Worker('for (;;) process.kill(process.pid, "SIGUSR2")', { eval: true });`;
  const ways = ['process.exit(0)', 'process.reallyExit(0)', 'setImmediate(() => process.exit(0))'];
  for (const end of atFullLength ? ways : ways.slice(0, 1)) {
    const source = `${load} ${shared} stillheap.once('snapshot', () => { ${end}; });`;
    const child = await ends(t, source, { code: 0, signal: null }, { env: { STILLHEAP_QUIET: '1' } });
    assert.ok(allWhole(child) >= 1);
  }
});

test('SIGKILL and SIGTERM in the middle: never half a file under a final name', async (t) => {
  const { temporaryDirectory } = require('./support/child.js');
  for (const signal of ['SIGKILL', 'SIGTERM']) {
    const cwd = temporaryDirectory(t);
    const source = `${load} ${large}
      stillheap.capture({ onProgress: ({ phase }) => { if (phase === 'writing') console.log('writing'); } });`;
    const child = startNode(t, ['-e', source], { cwd });
    await child.output(/writing/, 'stdout');
    child.kill(signal);
    await child.ended;
    // A process that is killed can't tidy up: what it leaves has a dot in front and .tmp at its end.
    for (const name of readdirSync(cwd)) {
      if (!/^\..*\.tmp$/.test(name)) readSnapshot(path.join(cwd, name));
    }
  }
});
