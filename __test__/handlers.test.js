'use strict';

// The application's own handlers beside ours, and what stop() leaves.

const assert = require('node:assert/strict');
const { readdirSync } = require('node:fs');
const { startAgent } = require('./support/child.js');
const { readSnapshot } = require('./support/snapshot.js');
const { test } = require('./support/test.js');

const snapshots = (agent) =>
  readdirSync(agent.cwd).filter((name) => /^heapdump-.*\.heapsnapshot$/.test(name));

/** Forwards the two things that may happen on a signal. */
const listen = ({ stillheap, send, keep }) => {
  keep.own = () => send('own');
  stillheap.on('snapshot', (result) => result.trigger === 'signal' && send('snapshot', result.file));
};

/** Sends one signal; both the application and we must see it, once. */
async function bothServe(agent, signal = 'SIGUSR2') {
  const before = snapshots(agent).length;
  agent.kill(signal);
  const [, file] = await Promise.all([agent.event('own'), agent.event('snapshot')]);
  readSnapshot(file);
  // Whatever else the signal might have set off is done before this.
  await agent.call(({ stillheap }) => stillheap.capture({ file: 'barrier', overwrite: true }));
  assert.equal(agent.untaken('own') + agent.untaken('snapshot'), 0, 'once each');
  assert.equal(snapshots(agent).length, before + 1);
}

async function onlyWeServe(agent) {
  agent.kill('SIGUSR2');
  readSnapshot(await agent.event('snapshot'));
  await agent.call(({ stillheap }) => stillheap.capture({ file: 'barrier', overwrite: true }));
  assert.equal(agent.untaken('own') + agent.untaken('snapshot'), 0);
}

test('registered after us: both run, one dump', async (t) => {
  const agent = await startAgent(t);
  await agent.call(listen);
  await agent.call(({ keep }) => process.on('SIGUSR2', keep.own));
  await bothServe(agent);
  await bothServe(agent);
});

test('registered before us: both run, one dump', async (t) => {
  const agent = await startAgent(t, { load: false });
  await agent.call((tools, root) => {
    tools.keep.own = () => tools.send('own');
    process.on('SIGUSR2', tools.keep.own);
    tools.stillheap = tools.require(root);
    tools.stillheap.on(
      'snapshot',
      (result) => result.trigger === 'signal' && tools.send('snapshot', result.file),
    );
  }, require('./support/child.js').root);
  await bothServe(agent);
  await bothServe(agent);
});

for (const [how, remove] of [
  ['removeListener', ({ keep }) => process.removeListener('SIGUSR2', keep.own)],
  ['removeAllListeners of the signal', () => process.removeAllListeners('SIGUSR2')],
]) {
  test(`registered and removed again by ${how}: the next signal is ours and kills nobody`, async (t) => {
    const agent = await startAgent(t);
    await agent.call(listen);
    for (let round = 0; round < 2; round++) {
      await agent.call(({ keep }) => {
        process.on('SIGUSR2', keep.own);
      });
      await bothServe(agent);
      await agent.call(remove);
      await onlyWeServe(agent);
    }
  });
}

test('process.removeAllListeners(): the next signal is ours and kills nobody', async (t) => {
  const agent = await startAgent(t);
  await agent.call(listen);
  await agent.call(({ keep }) => {
    process.on('SIGUSR2', keep.own);
  });
  await bothServe(agent);
  await agent.call(() => {
    // Node counts the listeners that keep a channel open by events that it then misses.
    setInterval(() => {}, 2 ** 30);
    const [listener] = process.listeners('message');
    process.removeAllListeners();
    process.on('message', listener);
  });
  await onlyWeServe(agent);
  await onlyWeServe(agent);
});

test('registered before us, removed after: the next signal is ours', async (t) => {
  const agent = await startAgent(t, { load: false });
  await agent.call((tools, root) => {
    process.on('SIGUSR2', () => {});
    tools.stillheap = tools.require(root);
    process.removeAllListeners('SIGUSR2');
    tools.stillheap.on(
      'snapshot',
      (result) => result.trigger === 'signal' && tools.send('snapshot', result.file),
    );
  }, require('./support/child.js').root);
  await onlyWeServe(agent);
  await onlyWeServe(agent);
});

test("once: the application's handler goes after its one signal, ours stays", async (t) => {
  const agent = await startAgent(t);
  await agent.call(listen);
  await agent.call(({ keep }) => {
    process.once('SIGUSR2', keep.own);
  });
  await bothServe(agent);
  await onlyWeServe(agent);
});

test('a handler that throws is the application’s affair; ours is done', async (t) => {
  const agent = await startAgent(t);
  await agent.call(listen);
  await agent.call(({ send }) => {
    process.on('uncaughtException', (error) => send('caught', error.message));
    process.on('SIGUSR2', () => {
      throw new Error('theirs');
    });
  });
  agent.kill('SIGUSR2');
  const [file, caught] = await Promise.all([agent.event('snapshot'), agent.event('caught')]);
  readSnapshot(file);
  assert.equal(caught, 'theirs');
});

test('a listener for an event of stillheap that throws reaches uncaughtException, and nothing else breaks', async (t) => {
  const agent = await startAgent(t);
  await agent.call(({ stillheap, send }) => {
    process.on('uncaughtException', (error) => send('caught', error.message));
    stillheap.on('snapshot', () => {
      throw new Error('in a listener');
    });
  });
  for (let n = 0; n < 2; n++) {
    agent.kill('SIGUSR2');
    assert.equal(await agent.event('caught'), 'in a listener');
  }
  assert.equal(snapshots(agent).length, 2);
});

test('stop(): the signal does its default again, which ends the process', async (t) => {
  const agent = await startAgent(t);
  await agent.call(({ stillheap }) => stillheap.stop());
  agent.kill('SIGUSR2');
  assert.deepEqual(await agent.ended, { code: null, signal: 'SIGUSR2' });
  assert.deepEqual(snapshots(agent), []);
});

for (const [when, load] of [
  ['before', false],
  ['after', true],
]) {
  test(`stop(): the application's handler, registered ${when} us, runs alone`, async (t) => {
    const agent = await startAgent(t, { load: false });
    await agent.call(
      (tools, { load, root }) => {
        const register = () => process.on('SIGUSR2', () => tools.send('own'));
        if (!load) register();
        tools.stillheap = tools.require(root);
        if (load) register();
        tools.stillheap.stop();
      },
      { load, root: require('./support/child.js').root },
    );
    for (let n = 0; n < 3; n++) {
      agent.kill('SIGUSR2');
      await agent.event('own');
    }
    await agent.call(({ stillheap }) => stillheap.capture({ file: 'barrier' }));
    assert.deepEqual(readdirSync(agent.cwd), ['barrier']);
  });
}

test('stop(), the application registers and removes: the default again', async (t) => {
  const agent = await startAgent(t);
  await agent.call(async ({ stillheap, send }) => {
    stillheap.stop();
    process.on('SIGUSR2', () => send('own'));
  });
  agent.kill('SIGUSR2');
  await agent.event('own');
  await agent.call(() => {
    process.removeAllListeners('SIGUSR2');
  });
  agent.kill('SIGUSR2');
  assert.deepEqual(await agent.ended, { code: null, signal: 'SIGUSR2' });
  assert.deepEqual(snapshots(agent), []);
});

test('start() after stop(), as often as one likes; both are idempotent', async (t) => {
  const agent = await startAgent(t);
  await agent.call(listen);
  for (let round = 0; round < 3; round++) {
    await agent.call(({ stillheap }) => {
      stillheap.stop();
      stillheap.stop();
      stillheap.start();
      stillheap.start();
    });
    await onlyWeServe(agent);
  }
  await agent.call(({ keep }) => {
    process.on('SIGUSR2', keep.own);
  });
  await bothServe(agent);
  await agent.call(({ stillheap }) => {
    stillheap.stop();
    stillheap.start();
  });
  await bothServe(agent);
});

test('start({ signal }) moves the handler and back', async (t) => {
  const agent = await startAgent(t);
  await agent.call(listen);
  for (const signal of ['SIGHUP', 'SIGUSR2', 'SIGHUP']) {
    await agent.call(({ stillheap }, signal) => stillheap.start({ signal }), signal);
    agent.kill(signal);
    readSnapshot(await agent.event('snapshot'));
  }
});
