'use strict';

// Native finalizers run in a forked child, where V8's collection comes before its snapshot. What they do there must
// not reach the world: databases of other processes, files, sockets, shared memory.

const assert = require('node:assert/strict');
const { execFileSync } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');
const { startAgent, temporaryDirectory } = require('./support/child.js');
const { readSnapshot } = require('./support/snapshot.js');
const { test } = require('./support/test.js');

const supported =
  process.platform === 'linux' && Boolean(process.report?.getReport().header.glibcVersionRuntime);
const skip = supported ? false : 'captures are forked on Linux with glibc';
const hasSqlite = Number(process.versions.node.split('.')[0]) >= 22;
const environment = { NODE_HEAPDUMP_OPTIONS: 'nosignal' };

/** Captures right after the last reference to an old object has gone: only a full collection will find it. */
async function forget({ stillheap, keep }, options) {
  globalThis.gc();
  globalThis.gc();
  keep.database = undefined;
  return await stillheap.capture({ mode: 'fork', ...options });
}

test('node:sqlite: a forgotten connection costs no other process its rows', {
  skip: skip || (hasSqlite ? false : 'node:sqlite came with Node 22'),
}, async (t) => {
  const nodeArgs = ['--expose-gc', '--experimental-sqlite', '--no-warnings'];
  const service = await startAgent(t, { env: environment, nodeArgs });
  const other = await startAgent(t, { env: environment, nodeArgs });
  const file = path.join(temporaryDirectory(t), 'a.db');
  await service.call(({ require, keep }, file) => {
    const { DatabaseSync } = require('node:sqlite');
    keep.database = new DatabaseSync(file);
    keep.database.exec('PRAGMA journal_mode = WAL; CREATE TABLE t (n INTEGER)');
    for (let n = 0; n < 100; n++) keep.database.exec(`INSERT INTO t VALUES (${n})`);
    // Nothing is left in the log that a connection would have to bring home before it removes it.
    keep.database.exec('PRAGMA wal_checkpoint');
  }, file);
  const insert = ({ require, keep }, file) => {
    const { DatabaseSync } = require('node:sqlite');
    keep.database ??= new DatabaseSync(file);
    keep.database.prepare('SELECT count(*) FROM t').get();
  };
  await other.call(insert, file);
  const result = await service.call(forget);
  assert.equal(result.mode, 'fork');
  readSnapshot(result.file);
  assert.deepEqual(fs.readdirSync(path.dirname(file)), ['a.db', 'a.db-shm', 'a.db-wal']);
  await other.call(({ keep }) => {
    for (let n = 0; n < 100; n++) keep.database.exec(`INSERT INTO t VALUES (${n})`);
  });
  const third = await startAgent(t, { env: environment, nodeArgs });
  const rows = await third.call(({ require }, file) => {
    const { DatabaseSync } = require('node:sqlite');
    return new DatabaseSync(file).prepare('SELECT count(*) AS rows FROM t').get().rows;
  }, file);
  assert.equal(rows, 200);
  // It was the confinement that saved them.
  assert.ok(
    result.refusedCalls?.some(({ call }) => call === 'fcntl'),
    JSON.stringify(result.refusedCalls),
  );
});

/** The addon of support/finalizer.c, built for this test. */
function build(t) {
  const addon = path.join(temporaryDirectory(t), 'finalizer.node');
  const source = path.join(__dirname, 'support/finalizer.c');
  execFileSync('cc', ['-shared', '-fPIC', '-O1', '-o', addon, source]);
  return addon;
}

for (const outlive of [false, true]) {
  test(`a native finalizer that touches everything (outlive: ${outlive})`, { skip }, async (t) => {
    const addon = build(t);
    const agent = await startAgent(t, { env: environment, nodeArgs: ['--expose-gc'] });
    const directory = agent.cwd;
    fs.writeFileSync(path.join(directory, 'log'), 'a line\n');
    fs.writeFileSync(path.join(directory, 'shared'), 'a'.repeat(4096));
    await agent.call(
      async ({ require, keep }, { addon, directory }) => {
        keep.connections = 0;
        keep.server = require('node:net').createServer(() => keep.connections++);
        keep.server.listen(0, '127.0.0.1');
        await new Promise((resolve) => keep.server.once('listening', resolve));
        keep.database = require(addon).make(directory, keep.server.address().port, 0);
      },
      { addon, directory },
    );
    const result = await agent.call(forget, { outlive });
    const connections = await agent.call(async ({ keep }) => {
      await new Promise((resolve) => keep.server.close(resolve));
      return keep.connections;
    });
    assert.equal(result.mode, 'fork');
    assert.equal(result.attempts, 1, JSON.stringify(result.failedAttempts));
    readSnapshot(result.file);
    const refused = (result.refusedCalls ?? []).map(({ call }) => call);
    // Node 18 to 20 have no such finalizers: nothing was tried there.
    if (refused.length > 0) {
      for (const call of ['unlink', 'rename', 'fcntl', 'flock', 'socket', 'kill']) {
        assert.ok(refused.includes(call), `${call} is not among ${refused}`);
      }
    } else assert.ok(Number(process.versions.node.split('.')[0]) < 22, 'the finalizer ran');
    assert.equal(connections, 0);
    assert.equal(fs.readFileSync(path.join(directory, 'log'), 'utf8'), 'a line\n');
    assert.equal(fs.readFileSync(path.join(directory, 'shared'), 'utf8'), 'a'.repeat(4096));
    assert.deepEqual(fs.readdirSync(directory).sort(), [path.basename(result.file), 'log', 'shared'].sort());
    assert.equal(await agent.call(() => 'alive'), 'alive');
  });
}

test('no JavaScript runs in a child, whatever panics in it', { skip }, async (t) => {
  const agent = await startAgent(t, { env: environment });
  const points = ['forked', 'guest', 'confine', 'start', 'write', 'read', 'complete', 'end'];
  for (const point of points) {
    const result = await agent.call(
      async ({ stillheap, require, fs }, { point, root }) => {
        const native = require(`${root}/lib/native.js`);
        native.injectFault(point, 'panic', 2);
        const log = setInterval(() => fs.appendFileSync('log', `${process.pid}\n`), 1);
        try {
          return await stillheap.capture({ mode: 'fork' });
        } finally {
          clearInterval(log);
          native.injectFault(point, 'panic', 0);
        }
      },
      { point, root: path.dirname(__dirname) },
    );
    readSnapshot(result.file);
    const writers = new Set(fs.readFileSync(path.join(agent.cwd, 'log'), 'utf8').trim().split('\n'));
    assert.deepEqual([...writers], [String(agent.pid)], point);
    assert.deepEqual(
      fs.readdirSync(agent.cwd).filter((name) => name.startsWith('.')),
      [],
      point,
    );
  }
});

test('where no filter can be installed, nothing is forked, and the reason is told', { skip }, async (t) => {
  const wrapper = path.join(temporaryDirectory(t), 'no-filters');
  execFileSync('cc', ['-O1', '-o', wrapper, path.join(__dirname, 'support/no-filters.c')]);
  const agent = await startAgent(t, { env: environment, wrapper: [wrapper] });
  const result = await agent.call(({ stillheap }) => stillheap.capture({ mode: 'auto' }));
  assert.equal(result.mode, 'inline');
  assert.match(result.modeReason, /must be confined by a seccomp filter/);
  readSnapshot(result.file);
  const refused = await agent
    .call(({ stillheap }) => stillheap.capture({ mode: 'fork' }))
    .catch((error) => error);
  assert.equal(refused.code, 'ERR_STILLHEAP_UNSUPPORTED');
});
