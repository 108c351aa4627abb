'use strict';

// Nobody reads the service's stderr, and its pipe is full: the service goes on.

const assert = require('node:assert/strict');
const { execFileSync, spawn } = require('node:child_process');
const { closeSync, constants, existsSync, openSync, readSync, readdirSync, writeSync } = require('node:fs');
const { once } = require('node:events');
const path = require('node:path');
const { cleanEnvironment, root, startNode, temporaryDirectory } = require('./support/child.js');
const { afterwards, test, testIf } = require('./support/test.js');

for (const mode of ['inline', 'auto']) {
  test(`a signal's line that nobody reads keeps neither stop() nor the next capture waiting: ${mode}`, async (t) => {
    const cwd = temporaryDirectory(t);
    const source = `
      const stillheap = require(${JSON.stringify(root)});
      // Writes until it waits, and is ended then: the pipe stays full.
      require('node:child_process').spawnSync('timeout', ['1', 'dd', 'if=/dev/zero', 'bs=512'], { stdio: ['ignore', 2, 'ignore'] });
      setInterval(() => {}, 1000);
      process.on('message', async (what) => {
        if (what === 'signal') process.kill(process.pid, 'SIGUSR2');
        else if (what === 'stop') { stillheap.stop(); process.send('stopped'); }
        else process.send((await stillheap.capture({ file: 'called' })).file);
      });
      process.send('ready');`;
    const child = spawn(process.execPath, ['-e', source], {
      cwd,
      env: cleanEnvironment({ STILLHEAP_MODE: mode }),
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    });
    afterwards(t, () => child.kill('SIGKILL'));
    const answer = async (what) => {
      const said = once(child, 'message');
      if (what !== undefined) child.send(what);
      return (await said)[0];
    };
    assert.equal(await answer(), 'ready');
    child.stderr.pause();
    child.send('signal');
    while (!readdirSync(cwd).some((name) => name.endsWith('.heapsnapshot'))) {
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    assert.equal(await answer('stop'), 'stopped');
    assert.ok(existsSync(await answer('capture')));
  });
}

const pipeTest = testIf(process.platform !== 'win32', 'there are no named pipes on Windows');

/** A named pipe with no room left, whose one reader does not read. */
function fullPipe(t) {
  const name = path.join(temporaryDirectory(t), 'stderr');
  execFileSync('mkfifo', [name]);
  const descriptor = openSync(name, constants.O_RDWR | constants.O_NONBLOCK);
  afterwards(t, () => closeSync(descriptor));
  const page = Buffer.alloc(4096, '.');
  assert.throws(
    () => {
      for (;;) writeSync(descriptor, page);
    },
    { code: 'EAGAIN' },
  );
  return { name, descriptor };
}

/** What a pipe has, without waiting. */
function drain({ descriptor }) {
  const page = Buffer.alloc(4096);
  let text = '';
  assert.throws(
    () => {
      for (;;) text += page.toString('utf8', 0, readSync(descriptor, page));
    },
    { code: 'EAGAIN' },
  );
  return text;
}

/** Starts a service whose stderr is that pipe. */
function start(t, pipe, args, env) {
  return startNode(t, args, { env, wrapper: ['sh', '-c', 'exec "$@" 2> "$0"', pipe.name] });
}

async function saysAlive(child) {
  assert.deepEqual(await child.ended, { code: 0, signal: null }, child.describe('ended otherwise'));
  assert.equal(child.stdout, 'alive\n');
}

const complains = { STILLHEAP_MODE: 'no mode' };

for (const [name, flags] of Object.entries({ 'with the addon': [], 'without it': ['--no-addons'] })) {
  pipeTest(`a preload that complains does not wait, ${name}`, async (t) => {
    const source = 'setTimeout(() => { console.log("alive"); process.exit(); }, 100)';
    await saysAlive(start(t, fullPipe(t), [...flags, '-r', root, '-e', source], complains));
  });
}

pipeTest("a signal's line that nobody reads, without the addon", async (t) => {
  const source = `
    const { readdirSync } = require('node:fs');
    const files = () => readdirSync('.').filter((file) => file.endsWith('.heapsnapshot')).length;
    const next = (count) => {
      if (files() < count) return setTimeout(next, 20, count);
      if (count === 2) { console.log('alive'); process.exit(); }
      process.kill(process.pid, 'SIGUSR2');
      setTimeout(next, 20, count + 1);
    };
    next(0);`;
  await saysAlive(start(t, fullPipe(t), ['--no-addons', '-r', root, '-e', source]));
});

pipeTest('a line is written as soon as there is room', async (t) => {
  const pipe = fullPipe(t);
  const source = `console.log('alive'); setInterval(() => {}, 1000);`;
  const child = start(t, pipe, ['-r', root, '-e', source], complains);
  await child.output(/alive/, 'stdout');
  let text = '';
  while (!text.includes('STILLHEAP_MODE')) {
    text += drain(pipe);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
});
