// Core files of real processes: what our reader finds in the memory is what V8's own snapshot of it has.

const assert = require('node:assert/strict');
const {
  copyFileSync,
  openSync,
  readFileSync,
  statSync,
  truncateSync,
  writeFileSync,
  writeSync,
} = require('node:fs');
const path = require('node:path');
const { root, startNode, temporaryDirectory } = require('./support/child.js');
const { awaitFutex, writeCore } = require('./support/core.js');
const { compare, contents } = require('./support/fidelity.js');
const { test } = require('./support/test.js');

const bin = path.join(root, 'bin/stillheap.js');
const frozen = path.join(__dirname, 'children/frozen.js');

async function stillheap(t, ...args) {
  const child = startNode(t, [bin, ...args.map(String)]);
  const { code } = await child.ended;
  return { code, stdout: child.stdout, stderr: child.stderr };
}

async function json(t, ...args) {
  const { code, stdout, stderr } = await stillheap(t, ...args, '--json');
  assert.equal(code, 0, stderr);
  return JSON.parse(stdout);
}

/** A process that waits, its core and V8's own snapshot. */
async function freeze(t, ...args) {
  const directory = temporaryDirectory(t);
  const snapshot = path.join(directory, 'v8.heapsnapshot');
  const child = startNode(t, [frozen, snapshot, ...args]);
  await child.output(/frozen/, 'stdout');
  awaitFutex(child.pid);
  const core = path.join(directory, `core.${child.pid}`);
  writeCore(child.pid, core);
  await child.reap();
  return { directory, core, snapshot, pid: child.pid };
}

test('a core is the snapshot that V8 would have taken', { timeout: 120_000 }, async (t) => {
  const { directory, core, snapshot, pid } = await freeze(t);
  const output = path.join(directory, 'core.heapsnapshot');
  const converted = await json(t, 'convert', core, '-o', output);
  assert.equal(statSync(output).mode & 0o777, 0o600);
  assert.equal((await stillheap(t, 'verify', output)).code, 0);

  const [truth, found] = [contents(snapshot), contents(output)];
  for (const what of ['count', 'links']) {
    const { share, over, different } = compare(truth[what], found[what]);
    // In V8 11.3 the size of machine code isn't known, so numbers that only it refers to are not found.
    const least = what === 'count' && process.versions.v8.startsWith('11.3') ? 0.999 : 0.9995;
    assert.ok(
      share >= least && over <= 0.0005,
      `${what}: ${share} ${over}\n${different.slice(0, 40).join('\n')}`,
    );
  }
  const places = compare(truth.places, found.places);
  assert.ok(
    places.share >= 0.995 && places.over <= 0.005,
    `positions: ${places.share} ${places.over}\n${places.different.slice(0, 40).join('\n')}`,
  );
  for (const name of ['Message', 'Mail', 'Old', 'Promise', 'Float64Array', 'Map', 'WeakMap', 'Error']) {
    const of = (contents) => [...contents.count].filter(([key]) => key.startsWith(`object ${name} `)).sort();
    assert.deepEqual(of(found), of(truth), name);
  }

  // Every command takes the core itself, with the same numbers as of the converted file.
  const [fromCore, fromFile] = [await json(t, 'summary', core), await json(t, 'summary', output)];
  assert.deepEqual(fromCore.classes, fromFile.classes);
  assert.equal(fromCore.totals?.nodes ?? converted.nodes, fromFile.totals?.nodes ?? converted.nodes);
  const own = await json(t, 'summary', snapshot, '--limit', '0');
  const all = await json(t, 'summary', core, '--limit', '0');
  const retained = (answer, name) => answer.classes.find((one) => one.name === name)?.retainedSize;
  for (const name of ['Message', 'Mail', 'Old', 'Promise', 'Map']) {
    const [expected, size] = [retained(own, name), retained(all, name)];
    assert.ok(
      expected > 0 && Math.abs(size - expected) <= expected / 1000,
      `${name}: ${size} instead of ${expected}`,
    );
  }

  const info = await json(t, 'info', core);
  assert.deepEqual(
    { pid: info.pid, node: info.node, v8: info.v8, main: info.isolates.map((isolate) => isolate.main) },
    { pid, node: process.version, v8: process.versions.v8, main: [true] },
  );
  assert.equal(info.arguments[1], frozen);
  assert.deepEqual(info.commandLine, [process.execPath, frozen, snapshot]);
  // The program was started a moment ago, and waits in its own timer's call.
  assert.ok(Math.abs(info.startedMs - Date.now()) < 110_000, String(info.startedMs));
  assert.deepEqual(info.why, undefined);

  const [stack] = (await json(t, 'stack', core)).stacks;
  const frames = stack.frames.map(({ function: name, script, line, column }) => ({
    name,
    at: script && `${path.basename(script)}:${line}:${column}`,
  }));
  assert.ok(stack.main);
  const lines = readFileSync(frozen, 'utf8').split('\n');
  const place = (text, part) => {
    const line = lines.findIndex((one) => one.includes(text));
    return `frozen.js:${line + 1}:${lines[line].indexOf(part) + 1}`;
  };
  const named = frames.filter(({ name }) => ['stop', 'each', 'start', 'timer'].includes(name));
  assert.deepEqual(named, [
    { name: 'stop', at: place('Atomics.wait(cell', 'wait') },
    { name: 'each', at: place('stop(name)', 'stop') },
    { name: 'start', at: place('[file].forEach', 'forEach') },
    { name: 'timer', at: place('service.start(process.argv[2]);', 'start') },
  ]);
});

test('workers are isolates of their own', { timeout: 120_000 }, async (t) => {
  const { core, snapshot } = await freeze(t, 'worker');
  const { isolates } = await json(t, 'info', core);
  assert.deepEqual(
    isolates.map((isolate) => isolate.main),
    [true, false],
  );
  const count = async (file, ...args) => {
    const { classes } = await json(t, 'summary', file, '--limit', '0', ...args);
    const number = (name) => classes.find((one) => one.name === name)?.count ?? 0;
    return { main: number('Message'), worker: number('InWorker') };
  };
  const expected = await count(snapshot);
  assert.ok(expected.main >= 3000 && expected.worker === 0);
  assert.deepEqual(await count(core), expected);
  assert.deepEqual(await count(core, '--isolate', '1'), { main: 0, worker: 1234 });
  const none = await stillheap(t, 'summary', core, '--isolate', '7');
  assert.equal(none.code, 2);
  assert.match(none.stderr, /there is no isolate 7: the process has 2/);
});

test('what can not be read is refused with what to do', { timeout: 120_000 }, async (t) => {
  const { directory, core } = await freeze(t);
  const file = (name, make) => {
    const target = path.join(directory, name);
    make(target);
    return target;
  };
  const copy = (name, change) =>
    file(name, (target) => {
      copyFileSync(core, target);
      change(target);
    });
  const write = (target, at, bytes) => {
    const fd = openSync(target, 'r+');
    writeSync(fd, Buffer.from(bytes), 0, bytes.length, at);
  };
  const cases = [
    [
      [copy('no-memory', (target) => truncateSync(target, 20_000))],
      /program of this core was not found|no page of a V8/,
    ],
    // Where a cut falls decides what is missing, and at which step it is noticed.
    ...[1, 2, 3, 4, 6].map((megabytes) => [
      [copy(`cut-${megabytes}`, (target) => truncateSync(target, megabytes * 1_000_000))],
      /truncated|no page of a V8|was not found/,
    ]),
    [[copy('32-bit', (target) => write(target, 4, [1]))], /32-bit/],
    [[copy('a-program', (target) => write(target, 16, [3, 0]))], /a program or a library, not a core/],
    [[copy('riscv', (target) => write(target, 18, [243, 0]))], /another machine/],
    [[core, '--node', '/bin/sh'], /is not the program of this core/],
    [[core, '--node', path.join(directory, 'gone')], /could not open/],
    [[file('text', (target) => writeFileSync(target, 'no core')), '--isolate', '0'], /is not a core file/],
  ];
  for (const [args, expected] of cases) {
    const { code, stdout, stderr } = await stillheap(t, 'summary', ...args);
    assert.deepEqual({ code, stdout }, { code: 2, stdout: '' }, `${args}: ${stderr}`);
    assert.match(stderr, expected, `${args}: ${stderr}`);
    assert.doesNotMatch(stderr, /panicked/);
  }
});
