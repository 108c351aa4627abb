'use strict';

// The reader of the service's stderr, or of the command line's output, has gone: nothing ends for that, and no file is
// lost.

const assert = require('node:assert/strict');
const { spawn } = require('node:child_process');
const { once } = require('node:events');
const { readdirSync } = require('node:fs');
const path = require('node:path');
const { cleanEnvironment, root, temporaryDirectory } = require('./support/child.js');
const { readSnapshot } = require('./support/snapshot.js');
const { afterwards, test } = require('./support/test.js');

const fixture = path.join(root, 'crates/cli/tests/fixtures/leak.heapsnapshot');

/** Runs a command whose `streams` nobody reads; resolves to how it ended, and to what it wrote to the other ones. */
async function unread(t, streams, args, { cwd = temporaryDirectory(t), env } = {}) {
  const child = spawn(process.execPath, args, {
    cwd,
    env: cleanEnvironment(env),
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  afterwards(t, () => child.kill('SIGKILL'));
  const output = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr']) {
    if (streams.includes(name)) child[name].destroy();
    else child[name].setEncoding('utf8').on('data', (text) => (output[name] += text));
  }
  const [code, signal] = await once(child, 'close');
  return { code, signal, ...output };
}

for (const flag of ['--expose-gc', '--no-addons']) {
  test(`a preload that complains does not end the service: ${flag}`, async (t) => {
    const args = [flag, '-r', root, '-e', 'setTimeout(() => console.log("alive"), 200)'];
    const { code, stdout } = await unread(t, ['stderr'], args, { env: { STILLHEAP_MODE: 'no mode' } });
    assert.deepEqual([code, stdout], [0, 'alive\n']);
  });
}

for (const mode of ['inline', 'auto']) {
  test(`signals, and an exit with a capture under way: ${mode}`, async (t) => {
    const cwd = temporaryDirectory(t);
    const source = `
      const stillheap = require(${JSON.stringify(root)});
      const { readdirSync } = require('node:fs');
      process.kill(process.pid, 'SIGUSR2');
      const timer = setInterval(() => {
        if (!readdirSync('.').some((name) => name.endsWith('.heapsnapshot'))) return;
        clearInterval(timer);
        stillheap.capture({ file: 'last' }).then(() => {}, () => {});
        setTimeout(() => { console.log('leaves'); process.exit(); }, 30);
      }, 20);`;
    const { code, stdout } = await unread(t, ['stderr'], ['-e', source], {
      cwd,
      env: { STILLHEAP_MODE: mode },
    });
    assert.deepEqual([code, stdout], [0, 'leaves\n']);
    const names = readdirSync(cwd);
    assert.ok(names.length >= 1 && names.every((name) => !name.startsWith('.')), `${names}`);
    for (const name of names) readSnapshot(path.join(cwd, name));
  });
}

test('the command line', async (t) => {
  const cli = path.join(root, 'bin/stillheap.js');
  const answers = await unread(t, ['stdout'], [cli, 'summary', fixture, '--json']);
  assert.deepEqual([answers.code, answers.signal, answers.stderr], [0, null, '']);
  const fails = await unread(t, ['stdout', 'stderr'], [cli, 'summary', 'nothing', '--json']);
  assert.deepEqual([fails.code, fails.signal], [2, null]);
  const refused = await unread(t, ['stderr'], [cli, 'no-such-command']);
  assert.deepEqual([refused.code, refused.signal], [2, null]);
});

test('a failure of assertNoLeak() that nobody reads does not end the tests', async (t) => {
  const source = `
    const { leakError } = require(${JSON.stringify(path.join(root, 'lib/leak-error.js'))});
    const options = { iterations: 1, rounds: 3, annotate: 'github' };
    for (let n = 0; n < 3; n++) leakError([], undefined, [], options);
    setTimeout(() => console.error('alive'), 200);
  `;
  const { code, stderr } = await unread(t, ['stdout'], ['-e', source]);
  assert.deepEqual([code, stderr], [0, 'alive\n']);
});
