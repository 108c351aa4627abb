'use strict';

// What heapdump 0.3.15 does badly, one test per row of the comparison, named after the row.

const assert = require('node:assert/strict');
const { existsSync, readdirSync, statSync, watch } = require('node:fs');
const path = require('node:path');
const { root, startAgent, startNode, temporaryDirectory, withMount } = require('./support/child.js');
const { readSnapshot } = require('./support/snapshot.js');
const { afterwards, test } = require('./support/test.js');

const pattern = /^heapdump-.*\.heapsnapshot$/;

test('install: no install script, a prebuilt Node-API binary', () => {
  const manifest = require('../package.json');
  for (const script of ['preinstall', 'install', 'postinstall', 'prepare']) {
    assert.equal(manifest.scripts[script], undefined, script);
  }
  assert.equal(manifest.gypfile, undefined);
  assert.ok(!existsSync(path.join(root, 'binding.gyp')));
  assert.ok(readdirSync(root).some((name) => /^stillheap\..*\.node$/.test(name)));
});

test('API: true and a synchronous callback, or false and an error with code and path', async (t) => {
  const agent = await startAgent(t);
  const outcome = await agent.call(({ stillheap, describe, files }) => {
    const calls = [];
    const good = stillheap.writeSnapshot('good.heapsnapshot', (...args) => calls.push(args));
    const bad = stillheap.writeSnapshot('missing/bad.heapsnapshot', (error) => calls.push([describe(error)]));
    return { good, bad, calls, files: files() };
  });
  assert.equal(outcome.good, true);
  assert.equal(outcome.bad, false);
  assert.deepEqual(outcome.calls[0], [null, 'good.heapsnapshot']);
  const [error] = outcome.calls[1];
  assert.match(error.message, /^heapdump write error ENOENT/);
  assert.equal(error.code, 'ENOENT');
  assert.equal(error.path, path.join(agent.cwd, 'missing/bad.heapsnapshot'));
  assert.deepEqual(outcome.files, ['good.heapsnapshot']);
});

test('bad arguments: TypeError before anything is written', async (t) => {
  const agent = await startAgent(t);
  const outcome = await agent.call(({ stillheap, describe, files }) => {
    const cases = {
      number: [42],
      object: [{}],
      buffer: [Buffer.from('x')],
      callback: ['file', 'notfn'],
      nul: ['no\0nul'],
    };
    const errors = {};
    for (const [name, args] of Object.entries(cases)) {
      try {
        errors[name] = { returned: stillheap.writeSnapshot(...args) };
      } catch (error) {
        errors[name] = describe(error);
      }
    }
    return { errors, files: files() };
  });
  for (const [name, error] of Object.entries(outcome.errors)) {
    assert.ok(error.isTypeError, `${name}: ${JSON.stringify(error)}`);
    assert.match(error.message, name === 'callback' ? /argument callback/ : /argument filename/, name);
  }
  assert.deepEqual(outcome.files, []);
});

test('name: sorts by time and carries pid and thread, in the pattern heapdump-*.heapsnapshot', async (t) => {
  const agent = await startAgent(t);
  const names = await agent.call(({ stillheap }) => {
    const names = [];
    for (let n = 0; n < 2; n++) stillheap.writeSnapshot((_error, name) => names.push(name));
    return names;
  });
  const [first, second] = names;
  for (const name of names) {
    assert.match(name, pattern);
    assert.match(name, new RegExp(`^heapdump-\\d{8}T\\d{6}\\.\\d{3}Z-${agent.pid}-0\\.heapsnapshot$`));
  }
  assert.ok(first < second);
  assert.deepEqual(readdirSync(agent.cwd).sort(), [first, second]);
});

test('while writing: a temporary name, mode 0600; never follows a link, never clobbers unasked', async (t) => {
  const agent = await startAgent(t);
  const names = new Set();
  const watcher = watch(agent.cwd, (_event, name) => names.add(name));
  afterwards(t, () => watcher.close());
  const appeared = new Promise((resolve) => {
    watcher.on('change', (_event, name) => name === 'a.heapsnapshot' && resolve());
  });
  await agent.call(({ stillheap }) => stillheap.writeSnapshot('a.heapsnapshot'));
  await appeared;
  const [temporary] = [...names].filter((name) => name !== 'a.heapsnapshot');
  assert.match(temporary, /^\.a\.heapsnapshot\.[0-9a-f]{16}\.tmp$/);
  assert.equal(statSync(path.join(agent.cwd, 'a.heapsnapshot')).mode & 0o777, 0o600);
  assert.deepEqual(readdirSync(agent.cwd), ['a.heapsnapshot']);

  const rest = await agent.call(({ stillheap, fs }) => {
    fs.writeFileSync('precious', 'precious');
    fs.symlinkSync('precious', 'link');
    const codes = [];
    for (const name of ['precious', 'link'])
      stillheap.writeSnapshot(name, (error) => codes.push(error?.code));
    return { codes, content: fs.readFileSync('precious', 'utf8') };
  });
  assert.deepEqual(rest, { codes: ['EEXIST', 'EEXIST'], content: 'precious' });
});

test('unwritable directory on SIGUSR2: one line on stderr, an error event, a fallback directory', async (t) => {
  const directory = temporaryDirectory(t);
  const wrapper = withMount(directory, 'ro');
  const fallback = temporaryDirectory(t);
  const falling = await startAgent(t, { wrapper, env: { TMPDIR: fallback } });
  await falling.call((_, directory) => process.chdir(directory), directory);
  falling.kill('SIGUSR2');
  const [line] = await falling.output(/stillheap: wrote .*\n/);
  assert.ok(line.includes(fallback) && line.includes(`not to ${directory}`) && line.includes('EROFS'), line);

  const failing = await startAgent(t, { wrapper, env: { STILLHEAP_DIR: directory } });
  failing.kill('SIGUSR2');
  const [complaint] = await failing.output(/stillheap: no heap snapshot .*\n/);
  assert.match(complaint, /EROFS/);
  await failing.call(({ stillheap, send, describe }) => {
    stillheap.on('error', (error) => send('error', describe(error)));
  });
  failing.kill('SIGUSR2');
  assert.equal((await failing.event('error')).code, 'EROFS');
  assert.equal(failing.stderr, complaint, 'one line for the first signal, none for the second');
});

test('disk full: the first failed write stops it, an error, nothing left', async (t) => {
  const directory = temporaryDirectory(t);
  const agent = await startAgent(t, { wrapper: withMount(directory, 'size=3m') });
  const outcome = await agent.call(({ stillheap, describe, files, path }, directory) => {
    const errors = [];
    const report = (error) => errors.push(describe(error));
    const returned = [
      stillheap.writeSnapshot(path.join(directory, 'a.heapsnapshot'), report),
      stillheap.writeSnapshot('/dev/full', report),
    ];
    return { returned, errors, files: files(directory) };
  }, directory);
  assert.deepEqual(outcome.returned, [false, false]);
  assert.equal(outcome.errors[0].code, 'ENOSPC');
  assert.equal(outcome.errors[0].syscall, 'write');
  assert.equal(outcome.errors[1].code, 'EEXIST', '/dev/full is not a regular file');
  assert.deepEqual(outcome.files, []);
});

test('event loop blocked: works', async (t) => {
  const child = startNode(t, ['-r', root, '-e', 'console.log("blocked"); while (true) {}']);
  await child.output(/blocked/, 'stdout');
  child.kill('SIGUSR2');
  const [, file] = await child.output(/stillheap: wrote (\S+)/);
  readSnapshot(file);
});

test('5 signals at once: coalesced, one running, at most one waiting', async (t) => {
  const agent = await startAgent(t);
  await agent.call(({ stillheap, send }) => {
    stillheap.on('snapshot', (result) => send('snapshot', result.file));
  });
  for (let n = 0; n < 5; n++) agent.kill('SIGUSR2');
  await agent.event('snapshot');
  // What was asked for by a signal comes before this.
  await agent.call(({ stillheap }) => stillheap.capture());
  await agent.call(({ stillheap }) => stillheap.capture());
  const count = await agent.call(({ stillheap, files }) => {
    stillheap.stop();
    return files().length;
  });
  assert.ok(count - 2 >= 1 && count - 2 <= 2, `${count - 2} files for 5 signals`);
});

test('worker threads: works per isolate, a worker may come and go', async (t) => {
  const agent = await startAgent(t, { load: false });
  const code = await agent.call(async ({ require }, root) => {
    const { Worker } = require('node:worker_threads');
    const worker = new Worker(`require(${JSON.stringify(root)})`, { eval: true });
    return new Promise((resolve) => worker.once('exit', resolve));
  }, root);
  assert.equal(code, 0);
  // heapdump: SIGSEGV here.
  agent.kill('SIGUSR2');
  const answered = await agent.call(async ({ require }) => {
    const server = require('node:http').createServer((_request, response) => response.end('hello'));
    await new Promise((resolve) => server.listen(0, resolve));
    const { port } = server.address();
    const response = await fetch(`http://127.0.0.1:${port}`);
    server.close();
    server.closeAllConnections();
    return response.text();
  });
  assert.equal(answered, 'hello');
});

test('loaded twice: one dump per signal', async (t) => {
  const agent = await startAgent(t);
  const same = await agent.call(({ stillheap, require, send }, root) => {
    for (const key of Object.keys(require.cache)) if (key.startsWith(root)) delete require.cache[key];
    const again = require(root);
    again.on('snapshot', () => send('snapshot'));
    return again === stillheap;
  }, root);
  assert.equal(same, true);
  agent.kill('SIGUSR2');
  await agent.event('snapshot');
  await agent.call(({ stillheap }) => stillheap.capture({ file: 'barrier' }));
  assert.equal(readdirSync(agent.cwd).filter((name) => pattern.test(name)).length, 1);
});

test('afterwards: V8 follows no objects any more, unless ids are asked for', async (t) => {
  const agent = await startAgent(t);
  const results = await agent.call(async ({ stillheap }) => {
    const cleared = await stillheap.capture();
    const kept = await stillheap.capture({ keepObjectIds: true });
    return [cleared.objectIds, kept.objectIds];
  });
  assert.deepEqual(results, ['cleared', 'kept']);
});
