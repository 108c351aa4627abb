'use strict';

// STILLHEAP_* and NODE_HEAPDUMP_OPTIONS, right and wrong. A mistake there never keeps a service from starting.

const assert = require('node:assert/strict');
const { mkdirSync, readdirSync } = require('node:fs');
const path = require('node:path');
const { startAgent, temporaryDirectory, withMount } = require('./support/child.js');
const { readSnapshot } = require('./support/snapshot.js');
const { test } = require('./support/test.js');

const capture = ({ stillheap }) => stillheap.capture();

test('STILLHEAP_DIR and STILLHEAP_NAME, for calls, heapdump and the signal', async (t) => {
  const dir = temporaryDirectory(t);
  const env = { STILLHEAP_DIR: dir, STILLHEAP_NAME: 'svc-{pid}-{seq}' };
  const agent = await startAgent(t, { env });
  const called = await agent.call(({ stillheap }) => {
    const names = [];
    stillheap.writeSnapshot((_error, name) => names.push(name));
    return stillheap.capture().then(({ file }) => [...names, file]);
  });
  agent.kill('SIGUSR2');
  const [, file] = await agent.output(/stillheap: wrote (\S+)/);
  const expected = [1, 2, 3].map((n) => path.join(dir, `svc-${agent.pid}-${n}.heapsnapshot`));
  assert.deepEqual([...called, file], expected);
  assert.deepEqual(readdirSync(agent.cwd), []);
});

test('options count more than the environment', async (t) => {
  const env = { STILLHEAP_DIR: temporaryDirectory(t), STILLHEAP_NAME: 'a', STILLHEAP_COMPRESS: 'gzip' };
  const agent = await startAgent(t, { env });
  const results = await agent.call(async ({ stillheap }) => [
    await stillheap.capture({ dir: '.', name: 'b', compress: 'none' }),
    await stillheap.capture({ file: 'c.heapsnapshot' }),
  ]);
  assert.deepEqual(
    results.map(({ file, compress }) => [path.relative(agent.cwd, file), compress]),
    [
      ['b.heapsnapshot', 'none'],
      ['c.heapsnapshot', 'none'],
    ],
  );
});

test('STILLHEAP_COMPRESS, STILLHEAP_OBJECT_IDS, STILLHEAP_OVERWRITE', async (t) => {
  const env = { STILLHEAP_COMPRESS: 'zstd', STILLHEAP_OBJECT_IDS: 'keep', STILLHEAP_OVERWRITE: '1' };
  const agent = await startAgent(t, { env });
  const results = await agent.call(async ({ stillheap }) => [
    await stillheap.capture(),
    await stillheap.capture({ file: 'same.heapsnapshot' }),
    await stillheap.capture({ file: 'same.heapsnapshot', keepObjectIds: false }),
  ]);
  assert.deepEqual(
    results.map(({ compress, objectIds }) => [compress, objectIds]),
    [
      ['zstd', 'kept'],
      ['none', 'kept'],
      ['none', 'cleared'],
    ],
  );
});

test('STILLHEAP_QUIET: no line, but the file', async (t) => {
  const agent = await startAgent(t, { env: { STILLHEAP_QUIET: 'yes' } });
  await agent.call(({ stillheap, send }) => stillheap.on('snapshot', () => send('snapshot')));
  await agent.call(({ stillheap }) => {
    stillheap.removeAllListeners('snapshot');
  });
  agent.kill('SIGUSR2');
  await agent.call(({ stillheap }) => stillheap.capture({ file: 'barrier' }));
  await agent.call(({ stillheap, send }) => stillheap.on('snapshot', () => send('snapshot')));
  agent.kill('SIGUSR2');
  await agent.event('snapshot');
  assert.ok(readdirSync(agent.cwd).length >= 2);
  assert.equal(agent.stderr, '');
});

test('wrong values: one line each, named; the service starts and all else holds', async (t) => {
  const env = {
    STILLHEAP_DIR: temporaryDirectory(t),
    STILLHEAP_NAME: '../x',
    STILLHEAP_COMPRESS: 'brotli',
    STILLHEAP_OBJECT_IDS: 'yes',
    STILLHEAP_OVERWRITE: 'maybe',
    STILLHEAP_QUIET: '2',
    STILLHEAP_SIGNAL: 'SIGKILL',
    STILLHEAP_THREADS: 'some',
  };
  const agent = await startAgent(t, { env });
  const result = await agent.call(capture);
  assert.match(path.relative(env.STILLHEAP_DIR, result.file), /^heapdump-[^/]*\.heapsnapshot$/);
  const lines = agent.stderr.trim().split('\n');
  const { STILLHEAP_DIR: _right, ...wrong } = env;
  assert.equal(lines.length, Object.keys(wrong).length, agent.stderr);
  for (const name of Object.keys(wrong)) {
    const line = lines.find((line) => line.startsWith(`stillheap: ${name} must be `));
    assert.match(line, /; given: .*; it is ignored$/);
  }
  // The default signal is in force.
  agent.kill('SIGUSR2');
  await agent.output(/stillheap: wrote/);
});

test('empty variables count as not set', async (t) => {
  const names = [
    'DIR',
    'FALLBACK_DIR',
    'NAME',
    'COMPRESS',
    'OBJECT_IDS',
    'OVERWRITE',
    'QUIET',
    'SIGNAL',
    'THREADS',
  ];
  const env = Object.fromEntries(names.map((name) => [`STILLHEAP_${name}`, '']));
  const agent = await startAgent(t, { env });
  const { file } = await agent.call(capture);
  assert.equal(path.dirname(file), agent.cwd);
  assert.equal(agent.stderr, '');
});

test("NODE_HEAPDUMP_OPTIONS: heapdump's words, its message for others", async (t) => {
  const agent = await startAgent(t, { env: { NODE_HEAPDUMP_OPTIONS: 'signal,bogus, inline ,,other' } });
  assert.equal(
    agent.stderr,
    'node-heapdump: unrecognized option: bogus\nnode-heapdump: unrecognized option: other\n',
  );
  agent.kill('SIGUSR2');
  await agent.output(/stillheap: wrote/);
});

test('NODE_HEAPDUMP_OPTIONS=nosignal: the signal is left alone; start() takes it', async (t) => {
  const env = { NODE_HEAPDUMP_OPTIONS: 'nosignal' };
  const dying = await startAgent(t, { env });
  dying.kill('SIGUSR2');
  assert.deepEqual(await dying.ended, { code: null, signal: 'SIGUSR2' });
  assert.deepEqual(readdirSync(dying.cwd), []);

  const started = await startAgent(t, { env });
  await started.call(({ stillheap }) => stillheap.start());
  started.kill('SIGUSR2');
  const [, file] = await started.output(/stillheap: wrote (\S+)/);
  readSnapshot(file);
});

test('STILLHEAP_SIGNAL=none is nosignal, too', async (t) => {
  const agent = await startAgent(t, { env: { STILLHEAP_SIGNAL: 'none' } });
  agent.kill('SIGUSR2');
  assert.deepEqual(await agent.ended, { code: null, signal: 'SIGUSR2' });
});

test('STILLHEAP_ENGINE=node: through node:v8, and the result says so', async (t) => {
  const agent = await startAgent(t, { env: { STILLHEAP_ENGINE: 'node' } });
  const outcome = await agent.call(async ({ stillheap, files }) => {
    const { engine, engineReason } = stillheap;
    const wrote = stillheap.writeSnapshot('sync.heapsnapshot');
    const phases = [];
    const onProgress = ({ phase }) => phases.push(phase);
    const result = await stillheap.capture({ compress: 'gzip', file: 'async.heapsnapshot.gz', onProgress });
    return { engine, engineReason, wrote, phases, result, files: files() };
  });
  assert.equal(outcome.engine, 'node');
  assert.match(outcome.engineReason, /STILLHEAP_ENGINE/);
  assert.equal(outcome.wrote, true);
  assert.deepEqual(outcome.files, ['async.heapsnapshot.gz', 'sync.heapsnapshot']);
  const { engine, engineReason, objectIds, objectIdsReason, nodeCount, mode } = outcome.result;
  assert.deepEqual([engine, objectIds, nodeCount, mode], ['node', 'kept', null, 'inline']);
  assert.match(engineReason, /STILLHEAP_ENGINE/);
  assert.match(objectIdsReason, /node:v8/);
  for (const file of outcome.files) readSnapshot(path.join(agent.cwd, file));
  await agent.call(({ stillheap, send }) => stillheap.on('snapshot', (result) => send('snapshot', result)));
  agent.kill('SIGUSR2');
  const signalled = await agent.event('snapshot');
  assert.deepEqual([signalled.engine, signalled.trigger], ['node', 'signal']);
  readSnapshot(signalled.file);
  assert.equal(readdirSync(agent.cwd).length, 3);
});

test('STILLHEAP_ENGINE=node: a full disk is an error, and nothing is left', async (t) => {
  const dir = temporaryDirectory(t);
  const env = { STILLHEAP_ENGINE: 'node' };
  const agent = await startAgent(t, { env, wrapper: withMount(dir, 'size=3m') });
  const outcome = await agent.call(async ({ stillheap, describe, files }, dir) => {
    const error = await stillheap.capture({ dir }).catch(describe);
    return { error, files: files(dir) };
  }, dir);
  assert.match(outcome.error.code, /^(ENOSPC|ERR_STILLHEAP_V8)$/);
  assert.deepEqual(outcome.files, []);
});

test('STILLHEAP_FALLBACK_DIR: the second choice, also beside STILLHEAP_DIR', async (t) => {
  const base = temporaryDirectory(t);
  const fallback = path.join(base, 'fallback');
  mkdirSync(fallback);
  const env = { STILLHEAP_DIR: path.join(base, 'missing'), STILLHEAP_FALLBACK_DIR: fallback };
  const agent = await startAgent(t, { env });
  const { file, fallbackDir } = await agent.call(capture);
  assert.equal(path.dirname(file), fallback);
  assert.equal(fallbackDir.wanted, env.STILLHEAP_DIR);
  assert.match(fallbackDir.reason, /^ENOENT/);
});
