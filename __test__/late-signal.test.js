'use strict';

// A signal shortly before its process or thread ends: a file is written, or stderr and the status page say why not.

const assert = require('node:assert/strict');
const { execFileSync } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');
const { root, runSource, startNode, temporaryDirectory } = require('./support/child.js');
const { readSnapshot } = require('./support/snapshot.js');
const { test, testIf } = require('./support/test.js');

const load = `require(${JSON.stringify(root)});`;
const signalAtExit = `process.on('exit', () => process.kill(process.pid, 'SIGUSR2'));`;

/** How it ends: the source text, and the status. */
const ways = {
  'process.exit()': [`${load} ${signalAtExit} process.exit(7)`, 7],
  'a natural end': [`${load} ${signalAtExit}`, 0],
  'an uncaught exception': [`${load} ${signalAtExit} throw new Error('on purpose')`, 1],
  "a worker's end": [
    `new (require('node:worker_threads').Worker)(${JSON.stringify(load + signalAtExit)}, { eval: true })`,
    0,
  ],
  "a worker's process.exit()": [
    `new (require('node:worker_threads').Worker)(
      ${JSON.stringify(`${load} ${signalAtExit} process.exit(3)`)}, { eval: true })`,
    0,
  ],
};

for (const [name, [source, code]] of Object.entries(ways)) {
  test(`a signal right before ${name} is not lost without a word`, async (t) => {
    for (const STILLHEAP_MODE of ['inline', 'auto']) {
      const cwd = temporaryDirectory(t);
      const child = await runSource(t, source, { cwd, env: { STILLHEAP_MODE } });
      assert.equal(child.outcome.code, code, child.describe('ended otherwise'));
      const files = fs.readdirSync(cwd);
      for (const file of files) readSnapshot(path.join(cwd, file));
      if (files.length === 0) {
        assert.match(
          child.stderr,
          /stillheap: no heap snapshot was written: .*end|before the heap could be frozen|before \d+ forked heap/,
          child.describe(`says nothing (${STILLHEAP_MODE})`),
        );
      } else {
        assert.match(child.stderr, /stillheap: wrote /, child.describe('wrote without a word'));
      }
    }
  });
}

test('quiet: nothing is said', async (t) => {
  const child = await runSource(t, `${load} ${signalAtExit} process.exit(7)`, {
    env: { STILLHEAP_QUIET: '1' },
  });
  assert.equal(child.stderr, '');
});

/** Returns when a process's status page says that a signal has come. */
async function signalled(pid) {
  const descriptors = `/proc/${pid}/fd`;
  const page = fs
    .readdirSync(descriptors)
    .map((name) => path.join(descriptors, name))
    .find((name) => fs.readlinkSync(name).includes('stillheap-status'));
  while (!/"signals":[1-9]/.test(fs.readFileSync(page, 'latin1'))) {
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

testIf(process.platform === 'linux', 'the addon of this test is built on Linux')(
  'stillheap dump tells that the process has ended before',
  async (t) => {
    const cwd = temporaryDirectory(t);
    const addon = path.join(cwd, 'exit.node');
    execFileSync('cc', ['-shared', '-fPIC', '-O1', '-o', addon, path.join(__dirname, 'support/exit.c')]);
    const source = `
      ${load}
      require('node:fs').writeSync(1, 'waiting');
      require(${JSON.stringify(addon)})('arrived');
    `;
    for (const [mode, said] of [
      ['inline', /no heap snapshot was written: the signal came shortly before the process ended/],
      ['auto', /no heap snapshot was written: the thread ended before its heap could be captured/],
    ]) {
      fs.rmSync(path.join(cwd, 'arrived'), { force: true });
      const child = startNode(t, ['-e', source], { cwd, env: { STILLHEAP_MODE: mode } });
      await child.output(/waiting/, 'stdout');
      const dump = startNode(t, [path.join(root, 'bin/stillheap.js'), 'dump', String(child.pid), '--json']);
      await signalled(child.pid);
      fs.writeFileSync(path.join(cwd, 'arrived'), '');
      await dump.ended;
      await child.ended;
      assert.equal(dump.outcome.code, 1, dump.describe('went well'));
      assert.equal(JSON.parse(dump.stdout).error.code, 'ERR_STILLHEAP_EXITING', dump.stdout);
      assert.deepEqual(child.outcome, { code: 7, signal: null });
      assert.match(child.stderr, said);
    }
  },
);
