'use strict';

// A panic in our code is an error, and nothing else reaches the host.

const assert = require('node:assert/strict');
const { readdirSync } = require('node:fs');
const { root, startAgent } = require('./support/child.js');
const { readSnapshot } = require('./support/snapshot.js');
const { test } = require('./support/test.js');

const arm = ({ require }, root) => require(`${root}/lib/native.js`).injectPanic();

test('in capture(), writeSnapshot() and captureStream()', async (t) => {
  const agent = await startAgent(t);
  const ways = {
    capture: ({ stillheap, describe }) => stillheap.capture().then(() => 'written', describe),
    writeSnapshot: ({ stillheap, describe }) => {
      let said = 'nothing';
      const returned = stillheap.writeSnapshot('a.heapsnapshot', (error) => {
        said = error ? describe(error) : 'written';
      });
      return returned ? 'written' : said;
    },
    captureStream: ({ stillheap, describe }) =>
      new Promise((resolve) => {
        const stream = stillheap.captureStream();
        stream.once('error', (error) => resolve(describe(error)));
        stream.once('end', () => resolve('written'));
        stream.resume();
      }),
  };
  for (const [name, way] of Object.entries(ways)) {
    await agent.call(arm, root);
    const error = await agent.call(way);
    assert.equal(typeof error.message, 'string', `${name}: ${JSON.stringify(error)}`);
    assert.deepEqual(readdirSync(agent.cwd), [], `${name} leaves nothing`);
  }
  for (const [name, way] of Object.entries(ways)) assert.equal(await agent.call(way), 'written', name);
});

test("on the signal: an error event or a line, and the next signal's snapshot", async (t) => {
  const agent = await startAgent(t);
  await agent.call(arm, root);
  agent.kill('SIGUSR2');
  const [line] = await agent.output(/stillheap: no heap snapshot was written: .*\n/);
  assert.match(line, /unexpectedly/);
  assert.deepEqual(readdirSync(agent.cwd), [], 'the line comes when the temporary file is gone');
  assert.equal(await agent.call(() => 'alive'), 'alive');

  await agent.call(({ stillheap, send, describe }) => {
    stillheap.on('error', (error) => send('error', describe(error)));
    stillheap.on('snapshot', ({ file }) => send('snapshot', file));
  });
  await agent.call(arm, root);
  agent.kill('SIGUSR2');
  assert.equal((await agent.event('error')).code, 'ERR_STILLHEAP_INTERNAL');
  agent.kill('SIGUSR2');
  readSnapshot(await agent.event('snapshot'));
  assert.equal(readdirSync(agent.cwd).length, 1);
});

const armAt = ({ require }, { root, entry }) => require(`${root}/lib/native.js`).injectPanic(entry);

test('when an outcome becomes JavaScript: an error, and the next capture is taken', async (t) => {
  const agent = await startAgent(t);
  assert.equal(await agent.call(armAt, { root, entry: 'resolve' }), true);
  const error = await agent.call(({ stillheap, describe }) =>
    stillheap.capture().then(() => 'written', describe),
  );
  assert.equal(typeof error.message, 'string', JSON.stringify(error));
  assert.equal(await agent.call(({ stillheap }) => stillheap.capture().then(() => 'written')), 'written');
});

test("while a signal's file is being finished: told, and the next signal is served", async (t) => {
  const agent = await startAgent(t);
  await agent.call(armAt, { root, entry: 'finish' });
  agent.kill('SIGUSR2');
  await agent.output(/stillheap: no heap snapshot was written: .*unexpectedly.*\n/);
  await agent.call(({ stillheap, send }) => {
    stillheap.on('snapshot', ({ file }) => send('snapshot', file));
  });
  agent.kill('SIGUSR2');
  readSnapshot(await agent.event('snapshot'));
  assert.equal(readdirSync(agent.cwd).length, 1, 'the first left nothing');
});

test('while an environment ends: the process goes on, and signals are served', async (t) => {
  const agent = await startAgent(t);
  await agent.call(armAt, { root, entry: 'cleanUp' });
  const code = await agent.call(({ require }, root) => {
    const { Worker } = require('node:worker_threads');
    const worker = new Worker(`require(${JSON.stringify(root)})`, { eval: true });
    return new Promise((resolve) => worker.once('exit', resolve));
  }, root);
  assert.equal(code, 0);
  await agent.call(({ stillheap, send }) => {
    stillheap.on('snapshot', ({ file }) => send('snapshot', file));
  });
  agent.kill('SIGUSR2');
  readSnapshot(await agent.event('snapshot'));
});
