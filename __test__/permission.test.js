'use strict';

// Node's permission model: what node:v8 may not write, stillheap does not write either.

const assert = require('node:assert/strict');
const fs = require('node:fs');
const path = require('node:path');
const { root, startNode, temporaryDirectory } = require('./support/child.js');
const { test } = require('./support/test.js');

const flag = process.allowedNodeEnvironmentFlags.has('--permission')
  ? ['--permission']
  : ['--experimental-permission'];
// Node 20 lets a process that has the model load addons; later ones ask.
if (process.allowedNodeEnvironmentFlags.has('--allow-addons')) flag.push('--allow-addons');

/** Runs `body` where only `granted` may be written to; what it says on stdout as JSON, and the directory's files. */
async function ask(t, body, { granted = [], env, args = [] } = {}) {
  const cwd = temporaryDirectory(t);
  const allowed = granted.map((place) => `--allow-fs-write=${place.replace('CWD', cwd)}`);
  const source = `
    const stillheap = require(${JSON.stringify(root)});
    const told = (promise) => promise.then(
      (result) => result?.file ?? 'done',
      ({ code, permission, resource }) => [code, permission, typeof resource],
    );
    Promise.resolve((${body})(stillheap, told)).then((answer) => console.log(JSON.stringify(answer)));`;
  const all = ['--no-warnings', ...flag, '--allow-fs-read=*', '--allow-worker', ...allowed, ...args];
  const child = startNode(t, [...all, '-e', source], { cwd, env: { STILLHEAP_MODE: undefined, ...env } });
  await child.succeeded();
  return { answer: JSON.parse(child.stdout), stderr: child.stderr, cwd, files: fs.readdirSync(cwd) };
}

const denied = ['ERR_ACCESS_DENIED', 'FileSystemWrite', 'string'];

test('every way to capture is refused as node:v8 refuses', async (t) => {
  const body = async (stillheap, told) => {
    const node = await told((async () => require('node:v8').writeHeapSnapshot('a'))());
    const ours = {};
    for (const mode of ['inline', 'fork', 'auto']) {
      ours[mode] = await told(stillheap.capture({ mode }));
      ours[`${mode} to a file`] = await told(stillheap.capture({ mode, file: 'a' }));
      ours[`${mode} elsewhere`] = await told(
        stillheap.capture({ mode, fallbackDir: require('node:os').tmpdir() }),
      );
    }
    ours.disk = await told(stillheap.capture({ mode: 'fork', scratch: 'disk' }));
    ours.stream = await told(stillheap.captureStream().on('error', () => {}).result);
    ours.limit = await told((async () => stillheap.captureNearHeapLimit())());
    ours.heapdump = await new Promise((resolve) =>
      stillheap.writeSnapshot('a', (error) => resolve(error?.code)),
    );
    return { node, ours };
  };
  const { answer, files } = await ask(t, body);
  assert.deepEqual(answer.node, denied);
  const { heapdump, ...rest } = answer.ours;
  assert.equal(heapdump, 'ERR_ACCESS_DENIED');
  for (const [what, outcome] of Object.entries(rest)) assert.deepEqual(outcome, denied, what);
  assert.deepEqual(files, []);
});

test('what is granted works, and nothing beside it', async (t) => {
  const body = async (stillheap, told) => {
    require('node:fs').mkdirSync('granted/other', { recursive: true });
    return [
      await told(stillheap.capture({ dir: 'granted' })),
      await told(stillheap.capture({ dir: 'granted', mode: 'fork' })),
      await told(stillheap.capture()),
      await told(stillheap.capture({ file: 'granted/../a' })),
    ];
  };
  const { answer, cwd, files } = await ask(t, body, { granted: ['CWD/granted/*', 'CWD/granted'] });
  assert.equal(path.dirname(answer[0]), path.join(cwd, 'granted'));
  assert.equal(path.dirname(answer[1]), path.join(cwd, 'granted'));
  assert.deepEqual(answer.slice(2), [denied, denied]);
  assert.deepEqual(files, ['granted']);
});

for (const mode of ['inline', 'auto']) {
  test(`a signal is answered with the refusal: ${mode}`, async (t) => {
    const cwd = temporaryDirectory(t);
    const idle = 'setInterval(() => {}, 2 ** 30); console.log("ready")';
    const args = ['--no-warnings', ...flag, '--allow-fs-read=*', '-r', root, '-e', idle];
    const child = startNode(t, args, { cwd, env: { STILLHEAP_MODE: mode } });
    await child.output(/ready/, 'stdout');
    child.kill('SIGUSR2');
    await child.output(/stillheap: no heap snapshot was written: Access to this API has been restricted/);
    assert.deepEqual(fs.readdirSync(cwd), []);
  });
}

test('the heap limit, asked for by the environment: a line says that it is refused', async (t) => {
  const env = { STILLHEAP_NEAR_HEAP_LIMIT: '1' };
  const { stderr, files } = await ask(t, () => 0, { env });
  assert.match(stderr, /stillheap: Access to this API has been restricted/);
  assert.deepEqual(files, []);
});

test('a worker is refused, too', async (t) => {
  const body = () => {
    const { Worker } = require('node:worker_threads');
    const source = `
      const { parentPort, workerData } = require('node:worker_threads');
      require(workerData).capture().then(({ file }) => file, ({ code }) => code)
        .then((answer) => parentPort.postMessage(answer));`;
    const worker = new Worker(source, { eval: true, workerData: process.env.PACKAGE });
    return new Promise((resolve, reject) => worker.on('message', resolve).on('error', reject));
  };
  const { answer, files } = await ask(t, body, { env: { PACKAGE: root } });
  assert.equal(answer, 'ERR_ACCESS_DENIED');
  assert.deepEqual(files, []);
});

test('open reads and indexes only what is granted', async (t) => {
  const directory = temporaryDirectory(t);
  const file = path.join(directory, 'a.heapsnapshot');
  const writer = startNode(t, [
    '-e',
    `require(${JSON.stringify(root)}).writeSnapshot(${JSON.stringify(file)})`,
  ]);
  await writer.succeeded();
  const body = async (stillheap, told) => {
    const { FILE: file } = process.env;
    return await told(stillheap.open(file, { index: true }).then((snapshot) => ({ file: snapshot.file })));
  };
  const env = { FILE: file };
  const { answer } = await ask(t, body, { env });
  assert.equal(answer, file);
  assert.deepEqual(fs.readdirSync(directory), ['a.heapsnapshot'], 'no index beside it');
  const cwd = temporaryDirectory(t);
  const args = ['--no-warnings', ...flag, `--allow-fs-read=${root}/*`, `--allow-fs-read=${cwd}`];
  const source = `require(${JSON.stringify(root)}).open(${JSON.stringify(file)})
    .then(() => 'read', ({ code, permission }) => code + permission).then(console.log)`;
  const reader = startNode(t, [...args, '-e', source], { cwd });
  await reader.succeeded();
  assert.equal(reader.stdout, 'ERR_ACCESS_DENIEDFileSystemRead\n');
});
