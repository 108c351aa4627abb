'use strict';

// What `npm run build:release` has made, in dist/: which C library it needs, and the command line in an empty root.

const assert = require('node:assert/strict');
const { copyFileSync, existsSync, mkdirSync, readFileSync, statSync, writeFileSync } = require('node:fs');
const path = require('node:path');
const { gzipSync } = require('node:zlib');
const { root, startProgram, temporaryDirectory } = require('./support/child.js');
const { testIf } = require('./support/test.js');

const dist = path.join(root, 'dist');
const program = path.join(dist, 'stillheap-linux-x64');
const binaries = ['stillheap.linux-x64-gnu.node', 'stillheap-analysis.linux-x64-gnu.node'];

const built = testIf(existsSync(program), 'no release build (npm run build:release)');
const inEmptyRoot =
  !existsSync(program) || process.getuid() === 0 ? built : testIf(false, 'chroot needs root');

built("binaries need no newer glibc than Node's own", async () => {
  const { glibcNeeded } = await import('../scripts/glibc.mjs');
  const { OLDEST_GLIBC } = await import('../scripts/release.mjs');
  const newer = (version) => version.localeCompare(OLDEST_GLIBC, 'en', { numeric: true }) > 0;
  for (const name of binaries) {
    const needed = glibcNeeded(path.join(dist, name));
    assert.ok(!newer(needed), `${name} needs glibc ${needed}, and may need ${OLDEST_GLIBC}`);
  }
  // The test can fail: this Node is linked against something.
  assert.ok(glibcNeeded(process.execPath) > '2');
});

// Bytes: what the binaries had before the crates were split. A service maps the first.
const budgets = {
  'stillheap.linux-x64-gnu.node': 2_628_480,
  'stillheap-analysis.linux-x64-gnu.node': 10_896_240,
  'stillheap-linux-x64': 10_554_976,
};

built('no binary is larger than its budget', () => {
  for (const [name, budget] of Object.entries(budgets)) {
    const { size } = statSync(path.join(dist, name));
    assert.ok(size <= budget, `${name} has ${size} bytes, and may have ${budget}`);
  }
});

built('the command line needs no library and no loader', async () => {
  const { versionsNeeded } = await import('../scripts/glibc.mjs');
  const bytes = readFileSync(program);
  assert.deepEqual(versionsNeeded(bytes), []);
  assert.ok(!bytes.includes('/ld-linux-x86-64.so.2\0'), 'it names an interpreter');
});

inEmptyRoot('the command line answers in an empty root', async (t) => {
  const empty = temporaryDirectory(t);
  copyFileSync(program, path.join(empty, 'stillheap'));
  const run = async (...args) => {
    const child = startProgram(t, 'chroot', [empty, '/stillheap', ...args]);
    await child.succeeded();
    return child.stdout;
  };
  const { version } = require('../package.json');
  assert.ok((await run('--version')).includes(version));
  const node = startProgram(t, process.execPath, [
    '-e',
    `require('node:v8').writeHeapSnapshot(${JSON.stringify(path.join(empty, 'a.heapsnapshot'))})`,
  ]);
  await node.succeeded();
  mkdirSync(path.join(empty, 'packed'));
  writeFileSync(
    path.join(empty, 'packed/a.heapsnapshot.gz'),
    gzipSync(readFileSync(path.join(empty, 'a.heapsnapshot'))),
  );
  const plain = JSON.parse(await run('summary', '/a.heapsnapshot', '--json'));
  const packed = JSON.parse(await run('summary', '/packed/a.heapsnapshot.gz', '--json'));
  assert.ok(plain.totals.nodes > 1000, JSON.stringify(plain.totals));
  assert.deepEqual(packed.totals, plain.totals);
});
