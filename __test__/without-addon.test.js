'use strict';

// Where the addon doesn't load, the service goes on, and captures go through node:v8 with the reason.

const assert = require('node:assert/strict');
const { readdirSync, readFileSync, statSync, symlinkSync, writeFileSync } = require('node:fs');
const path = require('node:path');
const { root, runSource, startNode, temporaryDirectory } = require('./support/child.js');
const { copyPackage } = require('./support/package.js');
const { readSnapshot } = require('./support/snapshot.js');
const { test } = require('./support/test.js');

const binary = readdirSync(root).find((name) => /^stillheap\..*\.node$/.test(name));
const idle = 'setInterval(() => {}, 2 ** 30); console.log("ready")';

/** A package without its binary. */
function bare(t) {
  return copyPackage(path.join(temporaryDirectory(t), 'bare'), { binary: false });
}

/** Runs `body(stillheap, cwd)` in a child that loads the package from there; what it returns. */
async function ask(t, place, body, { args = [], env } = {}) {
  const cwd = temporaryDirectory(t);
  const source = `
    const stillheap = require(${JSON.stringify(place)});
    Promise.resolve((${body})(stillheap)).then((answer) => console.log(JSON.stringify(answer)));`;
  const child = startNode(t, [...args, '-e', source], { cwd, env });
  await child.succeeded();
  return { answer: JSON.parse(child.stdout), stderr: child.stderr, cwd };
}

const reason = ({ engine, engineReason }) => ({ engine, engineReason });

test('no binary: what is missing and what to do', async (t) => {
  const { answer, stderr } = await ask(t, bare(t), reason);
  assert.equal(answer.engine, 'node');
  assert.match(
    answer.engineReason,
    new RegExp(`stillheap for ${process.platform}-${process.arch} is missing`),
  );
  assert.match(answer.engineReason, /npm install --include=optional stillheap/);
  assert.ok(stderr.includes(`stillheap: captures go through node:v8: ${answer.engineReason}`), stderr);
});

test('STILLHEAP_QUIET: no line when the binary is missing', async (t) => {
  const { stderr } = await ask(t, bare(t), reason, { env: { STILLHEAP_QUIET: '1' } });
  assert.equal(stderr, '');
});

/** Writes `by` over every place where `what` stands; both have the same length. */
function overwrite(bytes, what, by) {
  const copy = Buffer.from(bytes);
  for (let at = copy.indexOf(what); at >= 0; at = copy.indexOf(what, at + 1)) by.copy(copy, at);
  return copy;
}

const onLinux = process.platform === 'linux' ? {} : { skip: 'ELF is for Linux' };
test('a binary for another libc or another machine: what the linker says', onLinux, async (t) => {
  const bytes = readFileSync(path.join(root, binary));
  const machine = Buffer.from(bytes);
  // e_machine: EM_S390.
  machine.writeUInt16LE(22, 18);
  const foreign = {
    libc: overwrite(bytes, Buffer.from('\0libc.so.6\0'), Buffer.from('\0libmusl.0\0')),
    machine,
    stub: Buffer.from('not a binary at all'),
  };
  assert.notDeepEqual(foreign.libc, bytes);
  for (const [what, content] of Object.entries(foreign)) {
    const place = bare(t);
    writeFileSync(path.join(place, binary), content);
    const { answer } = await ask(t, place, reason);
    assert.equal(answer.engine, 'node', what);
    const said = /cannot open shared object file|wrong|invalid ELF header|file too short/i;
    assert.match(answer.engineReason, said, what);
    assert.match(answer.engineReason, /is there, and the system does not load it/, what);
    assert.match(answer.engineReason, /npm install --include=optional stillheap/, what);
  }
});

test('a binary that fails when it is called', async (t) => {
  const place = bare(t);
  const stub =
    "exports.isMainThread = () => true; exports.Isolate = class { constructor() { throw new Error('no') } };";
  writeFileSync(path.join(place, 'lib/native.js'), stub);
  const { answer } = await ask(t, place, reason);
  assert.deepEqual(answer, { engine: 'node', engineReason: 'the addon failed: no' });
});

for (const [what, args, expected] of [
  ['--no-addons', ['--no-addons'], 'Node was started with --no-addons'],
  [
    '--permission without --allow-addons',
    [permissionFlag(), '--allow-fs-read=*', '--allow-fs-write=*'],
    'Node was started with --permission and without --allow-addons',
  ],
]) {
  test(`${what}: a preload does not end the service, which answers the signal`, async (t) => {
    const cwd = temporaryDirectory(t);
    const child = startNode(t, ['--no-warnings', ...args, '-r', root, '-e', idle], { cwd });
    await child.output(/ready/, 'stdout');
    child.kill('SIGUSR2');
    const [, file, why] = await child.output(/stillheap: wrote (\S+) .*because (.*)/);
    assert.equal(why, expected);
    readSnapshot(file);
    assert.equal(statSync(file).mode & 0o777, 0o600);
    child.kill('SIGUSR2');
    await child.outputs(/stillheap: wrote/, 2);
    assert.equal(readdirSync(cwd).length, 2, 'nothing else is left');
  });
}

function permissionFlag() {
  return process.allowedNodeEnvironmentFlags.has('--permission')
    ? '--permission'
    : '--experimental-permission';
}

test('calls, streams and events', async (t) => {
  const body = async (stillheap) => {
    const zlib = require('node:zlib');
    const { buffer } = require('node:stream/consumers');
    const events = [];
    stillheap.on('snapshot', (result) => events.push(result.file));
    const plain = await stillheap.capture();
    const gzip = await stillheap.capture({ file: 'a.heapsnapshot.gz' });
    const zstd = zlib.zstdCompressSync ? await stillheap.capture({ file: 'a.heapsnapshot.zst' }) : null;
    const named = await stillheap.capture({ name: 'same' });
    const again = await stillheap.capture({ name: 'same' });
    const stream = stillheap.captureStream({ compress: 'gzip' });
    const [bytes, streamed] = [await buffer(stream), await stream.result];
    require('node:fs').writeFileSync('streamed.heapsnapshot.gz', bytes);
    const sync = [];
    stillheap.writeSnapshot('b.heapsnapshot', (error, file) => sync.push(error?.code ?? file));
    stillheap.writeSnapshot('b.heapsnapshot', (error, file) => sync.push(error?.code ?? file));
    await new Promise((resolve) => setImmediate(resolve));
    return { plain, gzip, zstd, named, again, streamed, sync, events: events.length };
  };
  const { answer, cwd } = await ask(t, bare(t), body, { env: { STILLHEAP_MODE: undefined } });
  const { plain, gzip, zstd, named, again, streamed } = answer;
  for (const result of [plain, gzip, zstd, named, again]) {
    if (result === null) continue;
    readSnapshot(result.file);
    assert.deepEqual(
      [result.mode, result.engine, statSync(result.file).size],
      ['inline', 'node', result.bytes],
    );
  }
  assert.ok(gzip.bytes < gzip.rawBytes / 2);
  assert.match(path.basename(plain.file), /^heapdump-\d{8}T\d{6}\.\d{3}Z-\d+-0\.heapsnapshot$/);
  assert.match(plain.modeReason, /is missing/);
  assert.deepEqual(
    [path.basename(named.file), path.basename(again.file)],
    ['same.heapsnapshot', 'same-1.heapsnapshot'],
  );
  readSnapshot(path.join(cwd, 'streamed.heapsnapshot.gz'));
  assert.equal(streamed.file, undefined);
  assert.deepEqual(answer.sync, ['b.heapsnapshot', 'EEXIST']);
  assert.equal(answer.events, zstd === null ? 5 : 6);
  assert.deepEqual(
    readdirSync(cwd).filter((name) => name.startsWith('.')),
    [],
    'no temporary file',
  );
});

test('what only the addon can do is refused with the reason', async (t) => {
  const body = async (stillheap) => {
    const codes = {};
    for (const [name, call] of Object.entries({
      fork: () => stillheap.capture({ mode: 'fork' }),
      redact: () => stillheap.capture({ redact: true }),
      watch: async () => stillheap.watch(),
    })) {
      codes[name] = await call().then(
        () => 'done',
        ({ code, message }) => [code, /is missing/.test(message)],
      );
    }
    return codes;
  };
  const { answer, cwd } = await ask(t, bare(t), body);
  const refused = ['ERR_STILLHEAP_UNSUPPORTED', true];
  assert.deepEqual(answer, { fork: refused, redact: refused, watch: refused });
  assert.deepEqual(readdirSync(cwd), []);
});

test('files: another directory where the first one cannot be written to, links are not replaced', async (t) => {
  const body = async (stillheap) => {
    const fs = require('node:fs');
    fs.writeFileSync('target', 'precious');
    fs.symlinkSync('target', 'link.heapsnapshot');
    const codes = [];
    for (const overwrite of [false, true]) {
      await stillheap.capture({ file: 'link.heapsnapshot', overwrite }).catch(({ code }) => codes.push(code));
    }
    const { fallbackDir, file } = await stillheap.capture({ dir: 'missing', fallbackDir: '.' });
    const missing = await stillheap.capture({ dir: 'missing' }).catch(({ code }) => code);
    fs.writeFileSync('old.heapsnapshot', 'old');
    const { bytes } = await stillheap.capture({ file: 'old.heapsnapshot', overwrite: true });
    return { codes, fallbackDir, file, missing, precious: fs.readFileSync('target', 'utf8'), bytes };
  };
  const { answer, cwd } = await ask(t, bare(t), body);
  assert.deepEqual(answer.codes, ['EEXIST', 'EEXIST']);
  assert.equal(answer.precious, 'precious');
  assert.match(answer.fallbackDir.reason, /ENOENT/);
  assert.equal(path.dirname(answer.file), cwd);
  assert.equal(answer.missing, 'ENOENT');
  assert.ok(answer.bytes > 1000);
});

test('loaded twice, in a worker, and stopped', async (t) => {
  const place = bare(t);
  const again = path.join(temporaryDirectory(t), 'again');
  symlinkSync(place, again);
  const child = await runSource(
    t,
    `const { Worker, isMainThread, parentPort } = require('node:worker_threads');
    const stillheap = require(${JSON.stringify(place)});
    if (require(${JSON.stringify(again)}) !== stillheap) throw new Error('two copies');
    const worker = new Worker(
      \`const { parentPort } = require('node:worker_threads');
      require(\${JSON.stringify(${JSON.stringify(place)})}).capture({ file: 'worker' })
        .then(({ threadId, isMainThread }) => parentPort.postMessage([threadId, isMainThread]));\`,
      { eval: true },
    );
    worker.on('message', (message) => {
      stillheap.stop();
      console.log(JSON.stringify([...message, process.listenerCount('SIGUSR2')]));
    });`,
  );
  assert.deepEqual(JSON.parse(child.stdout), [1, false, 0]);
});
