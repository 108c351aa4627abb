'use strict';

// Nobody reads the service's stderr, and its pipe is full: the service goes on.

const assert = require('node:assert/strict');
const { spawn } = require('node:child_process');
const { existsSync, readdirSync } = require('node:fs');
const { once } = require('node:events');
const { cleanEnvironment, root, temporaryDirectory } = require('./support/child.js');
const { afterwards, test } = require('./support/test.js');

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
