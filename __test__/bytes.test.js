'use strict';

// A path is bytes: a working directory whose name is not UTF-8.

const assert = require('node:assert/strict');
const fs = require('node:fs');
const path = require('node:path');
const { root, startNode, temporaryDirectory } = require('./support/child.js');
const { readSnapshot } = require('./support/snapshot.js');
const { test } = require('./support/test.js');

const onLinux = process.platform === 'linux' ? {} : { skip: 'names are bytes on Linux' };

test('calls, the signal and heapdump in a directory that is not UTF-8', onLinux, async (t) => {
  const directory = Buffer.concat([
    Buffer.from(path.join(temporaryDirectory(t), 'caf')),
    Buffer.from([0xe9]),
  ]);
  fs.mkdirSync(directory);
  const source = `
    const stillheap = require(${JSON.stringify(root)});
    const told = ({ mode, trigger, fileBytes }) => ({ mode, trigger, file: fileBytes.toString('hex') });
    const alive = setInterval(() => {}, 1000);
    (async () => {
      const results = [];
      for (const mode of ['inline', 'auto']) results.push(told(await stillheap.capture({ mode })));
      for (const mode of ['inline', 'auto']) {
        stillheap.configure({ mode });
        const result = new Promise((resolve) => stillheap.once('snapshot', resolve));
        process.kill(process.pid, 'SIGUSR2');
        results.push(told(await result));
      }
      stillheap.writeSnapshot('named', (error) => results.push(error?.message ?? 'named'));
      const failed = await stillheap.capture({ file: 'named' }).catch(({ code }) => code);
      console.log(JSON.stringify({ results, failed }));
      clearInterval(alive);
    })();`;
  // Node can't be given such a directory, a shell can.
  const wrapper = [
    'sh',
    '-c',
    `cd "$(printf '%s\\351' "$0")" && exec "$@"`,
    directory.subarray(0, -1).toString(),
  ];
  const child = startNode(t, ['-e', source], { wrapper });
  await child.succeeded();
  const { results, failed } = JSON.parse(child.stdout);
  assert.deepEqual([results.length, results[4], failed], [5, 'named', 'EEXIST']);
  for (const { file } of results.slice(0, 4)) readSnapshot(fs.readFileSync(Buffer.from(file, 'hex')));
  const names = fs.readdirSync(directory);
  assert.equal(names.length, 5, `${names}`);
  assert.ok(
    names.every((name) => !name.startsWith('.')),
    'nothing temporary is left',
  );
});
