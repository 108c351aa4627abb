'use strict';

// Paths, arguments, titles and variables are bytes: what happens where they are not UTF-8.

const assert = require('node:assert/strict');
const { once } = require('node:events');
const fs = require('node:fs');
const path = require('node:path');
const { argumentsOf, variable } = require('../lib/bytes.js');
const { root, startNode, startProgram, temporaryDirectory } = require('./support/child.js');
const { readSnapshot } = require('./support/snapshot.js');
const { afterwards, test } = require('./support/test.js');

const onLinux = process.platform === 'linux' ? {} : { skip: 'names are bytes on Linux' };
const cli = path.join(root, 'bin/stillheap.js');
const fixture = path.join(root, 'crates/cli/tests/fixtures/leak.heapsnapshot');

/** `name` with a byte behind it that is not UTF-8. */
const bad = (name) => Buffer.concat([Buffer.from(name), Buffer.from([0xe9])]);

/** A directory of such a name. */
function badDirectory(t) {
  const directory = bad(path.join(temporaryDirectory(t), 'caf'));
  fs.mkdirSync(directory);
  return directory;
}

const inside = (directory, name) => Buffer.concat([directory, Buffer.from(`/${name}`)]);

/**
 * Starts a command through a shell, since Node can't give such arguments, directories and variables: in the text, `BAD`
 * stands for the byte.
 */
function startBad(t, command, { cwd = temporaryDirectory(t), env, ...options } = {}) {
  const text = command.replaceAll('BAD', `"$(printf '\\351')"`);
  return startProgram(t, 'sh', ['-c', text], { cwd, env, ...options });
}

const quote = (text) => `'${text.replaceAll("'", "'\\''")}'`;
const node = quote(process.execPath);

test('calls, the signal and heapdump in a directory that is not UTF-8', onLinux, async (t) => {
  const directory = badDirectory(t);
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
      const opened = await stillheap.open(Buffer.from(results[0].file, 'hex'));
      console.log(JSON.stringify({ results, failed, opened: opened.nodeCount > 1000 }));
      clearInterval(alive);
    })();`;
  const there = directory.subarray(0, -1).toString();
  const child = startBad(t, `cd ${quote(there)}BAD && exec ${node} -e "$SOURCE"`, {
    env: { SOURCE: source },
  });
  await child.succeeded();
  const { results, failed, opened } = JSON.parse(child.stdout);
  assert.deepEqual([results.length, results[4], failed, opened], [5, 'named', 'EEXIST', true]);
  for (const { file } of results.slice(0, 4)) readSnapshot(fs.readFileSync(Buffer.from(file, 'hex')));
  const names = fs.readdirSync(directory);
  assert.equal(names.length, 5, `${names}`);
  assert.ok(
    names.every((name) => !name.startsWith('.')),
    'nothing temporary is left',
  );
});

test('options and variables that name such a directory', onLinux, async (t) => {
  const directory = badDirectory(t);
  const there = directory.subarray(0, -1).toString();
  const source = `
    const stillheap = require(${JSON.stringify(root)});
    const dir = Buffer.from(process.argv[1], 'hex');
    const file = Buffer.concat([dir, Buffer.from('/mine.gz')]);
    (async () => {
      for (const options of [{}, { dir }, { file }]) {
        const { fileBytes, compress } = await stillheap.capture(options);
        console.log(fileBytes.toString('hex'), compress);
      }
    })();`;
  const child = startBad(
    t,
    `STILLHEAP_DIR=${quote(there)}BAD STILLHEAP_NAME=nBAD exec ${node} -e "$SOURCE" ${directory.toString('hex')}`,
    { env: { SOURCE: source } },
  );
  await child.succeeded();
  const lines = child.stdout
    .trim()
    .split('\n')
    .map((line) => line.split(' '));
  for (const [file, compress] of lines) {
    const bytes = Buffer.from(file, 'hex');
    assert.ok(bytes.subarray(0, directory.length).equals(directory), `${bytes}`);
    if (compress === 'none') readSnapshot(fs.readFileSync(bytes));
  }
  assert.deepEqual([lines.length, lines[2][1]], [3, 'gzip']);
  assert.match(child.stderr, /STILLHEAP_NAME must be UTF-8/);
});

test('through node:v8, in such a directory', onLinux, async (t) => {
  const directory = badDirectory(t);
  const there = directory.subarray(0, -1).toString();
  const source = `
    require(${JSON.stringify(root)}).capture().then(({ engine, fileBytes }) =>
      console.log(engine, fileBytes.toString('hex')));`;
  const child = startBad(t, `cd ${quote(there)}BAD && exec ${node} -e "$SOURCE"`, {
    env: { SOURCE: source, STILLHEAP_ENGINE: 'node' },
  });
  await child.succeeded();
  const [engine, file] = child.stdout.trim().split(' ');
  assert.equal(engine, 'node');
  readSnapshot(fs.readFileSync(Buffer.from(file, 'hex')));
  assert.equal(fs.readdirSync(directory).length, 1);
});

test('at the heap limit, in such a directory', onLinux, async (t) => {
  const directory = badDirectory(t);
  const there = directory.subarray(0, -1).toString();
  const source = `
    const stillheap = require(${JSON.stringify(root)});
    stillheap.captureNearHeapLimit({ mode: 'inline' });
    stillheap.once('snapshot', ({ fileBytes, reportBytes }) => {
      console.log(fileBytes.toString('hex'), reportBytes.toString('hex'));
      process.exit();
    });
    const kept = [];
    setInterval(() => { for (let n = 0; n < 20_000; n++) kept.push({ n, text: [n] }); }, 1);`;
  const child = startBad(t, `cd ${quote(there)}BAD && exec ${node} --max-old-space-size=60 -e "$SOURCE"`, {
    env: { SOURCE: source },
  });
  await child.succeeded();
  const [file, report] = child.stdout
    .trim()
    .split(' ')
    .map((digits) => Buffer.from(digits, 'hex'));
  readSnapshot(fs.readFileSync(file));
  assert.equal(JSON.parse(fs.readFileSync(report)).kind, 'near-heap-limit');
});

test('dump and watch of a process whose name is cut within a character', onLinux, async (t) => {
  const directory = badDirectory(t);
  const there = directory.subarray(0, -1).toString();
  const source = `
    process.title = 'm\u00fcllabf\u00fchrpl\u00e4ne';
    require(${JSON.stringify(root)}).watch();
    setInterval(() => {}, 1000);
    console.log('ready');`;
  // The system keeps 15 bytes of the name: with a byte that is not UTF-8 at its end.
  const child = startBad(t, `cd ${quote(there)}BAD && exec ${node} -e "$SOURCE" argumentBAD`, {
    env: { SOURCE: source },
  });
  await child.output(/ready/, 'stdout');
  const name = fs.readFileSync(`/proc/${child.pid}/comm`);
  assert.notEqual(
    Buffer.from(name.toString()).toString('hex'),
    name.toString('hex'),
    'the name is not UTF-8',
  );
  const dumped = startNode(t, [cli, 'dump', String(child.pid), '--json']);
  await dumped.succeeded();
  const { fileBytes } = JSON.parse(dumped.stdout);
  readSnapshot(fs.readFileSync(Buffer.from(fileBytes, 'hex')));
  const shown = startNode(t, [cli, 'dump', String(child.pid)]);
  await shown.succeeded();
  // A shell takes it as it is shown.
  const [, quoted] = shown.stdout.match(/^(\$'.*')$/m);
  const found = startProgram(t, 'bash', ['-c', `test -s ${quoted}`]);
  await found.succeeded();
  const watched = startNode(t, [cli, 'watch', String(child.pid), '--json', '--for', '1s']);
  const { code } = await watched.ended;
  assert.equal(code, 0, watched.describe('failed'));
});

test('the command line takes such arguments', onLinux, async (t) => {
  const directory = badDirectory(t);
  const there = directory.subarray(0, -1).toString();
  fs.copyFileSync(fixture, inside(directory, 'a.heapsnapshot'));
  const file = `${quote(there)}BAD/a.heapsnapshot`;
  const run = async (command) => startBad(t, `exec ${node} ${quote(cli)} ${command}`).succeeded();
  for (const command of ['summary', 'verify', 'leaks', 'strings', 'closures']) {
    const { stdout } = await run(`${command} ${file} --json`);
    assert.ok(JSON.parse(stdout).schemaVersion > 0, command);
  }
  await run(`diff ${file} ${file} --json`);
  const { stdout } = await run(`redact ${file} ${quote(there)}BAD/bBAD.heapsnapshot --json`);
  assert.ok(JSON.parse(stdout).bytes > 0);
  readSnapshot(fs.readFileSync(inside(directory, 'b\u0000.heapsnapshot').map((byte) => byte || 0xe9)));
  await run(`report ${file} --output ${quote(there)}BAD/rBAD.html`);
  await run(`summary ${file} --index`);
  const missing = startBad(t, `exec ${node} ${quote(cli)} summary noneBAD`);
  const { code } = await missing.ended;
  assert.deepEqual([code, missing.stderr.startsWith('stillheap: none')], [2, true], missing.stderr);
});

test('what the system does not have any more is not guessed', onLinux, () => {
  assert.deepEqual(argumentsOf(['a', 'b']), ['a', 'b']);
  // Not an argument of this process.
  assert.deepEqual(argumentsOf(['a', 'caf\ufffd']), ['a', undefined]);
  assert.equal(variable({ NAME: 'caf\ufffd' }, 'NAME'), undefined);
  assert.equal(variable({ NAME: 'plain' }, 'NAME'), 'plain');
  assert.equal(variable({}, 'NAME'), undefined);
});

test('a comparison of files in such a directory', onLinux, async (t) => {
  // The process that compares does not keep this one alive.
  const alive = setInterval(() => {}, 1000);
  afterwards(t, () => clearInterval(alive));
  const { attach } = require('../lib/watch-captures.js');
  const { EventEmitter } = require('node:events');
  const directory = badDirectory(t);
  const watch = new EventEmitter();
  let taken = 0;
  const capture = async () => {
    const fileBytes = inside(directory, `${taken++}.heapsnapshot`);
    fs.copyFileSync(fixture, fileBytes);
    return { file: fileBytes.toString(), fileBytes };
  };
  let time = 0;
  attach(watch, { capture, now: () => (time += 100_000) }, { compare: true, growth: 1, share: 0 });
  watch.emit('leak', { what: 'heap', level: 1 });
  await once(watch, 'captured');
  watch.emit('stats', { used: 100, growing: [], memory: {} });
  const [{ classes, compareError }] = await once(watch, 'captured');
  assert.deepEqual([classes, compareError], [[], undefined]);
});
