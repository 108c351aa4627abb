'use strict';

// Commands on processes that nobody prepared, through bin/stillheap.js, against a real service under load.

const assert = require('node:assert/strict');
const { spawn } = require('node:child_process');
const { readdirSync, readFileSync } = require('node:fs');
const { Agent, get } = require('node:http');
const { createServer } = require('node:net');
const path = require('node:path');
const { isDeepStrictEqual } = require('node:util');
const { root, startNode, startProgram, temporaryDirectory } = require('./support/child.js');
const { afterwards, atFullLength, test } = require('./support/test.js');

const bin = path.join(root, 'bin/stillheap.js');
const script = path.join(__dirname, 'children/unprepared.js');
const supported = process.platform === 'linux' && process.arch === 'x64';
const skip = supported ? false : 'attaching is for Linux on x86-64';

async function stillheap(t, args, options = {}) {
  const child = startNode(t, [bin, ...args.map(String)], options);
  const { code, signal } = await child.ended;
  return { code, signal, stdout: child.stdout, stderr: child.stderr };
}

async function json(t, ...args) {
  const { code, stdout, stderr } = await stillheap(t, [...args, '--json']);
  assert.equal(code, 0, `${stderr}${stdout}`);
  return JSON.parse(stdout);
}

async function start(t, { args = [], nodeArgs = [] } = {}) {
  const service = startNode(t, [...nodeArgs, script, ...args], { ipc: true });
  service.port = await service.event('port');
  service.agent = new Agent({ keepAlive: true });
  afterwards(t, () => service.agent.destroy());
  return service;
}

function ask(service, url = '/') {
  return new Promise((resolve, reject) => {
    const request = get(
      { port: service.port, path: url, agent: service.agent, timeout: 30_000 },
      (response) => {
        let text = '';
        response.setEncoding('utf8').on('data', (data) => {
          text += data;
        });
        response.on('end', () => resolve(JSON.parse(text)));
      },
    );
    request.on('error', reject).on('timeout', () => request.destroy(new Error('no answer')));
  });
}

/** The process ids of the children of all of its threads. */
function childrenOf(pid) {
  return readdirSync(`/proc/${pid}/task`).flatMap((thread) =>
    readFileSync(`/proc/${pid}/task/${thread}/children`, 'utf8').split(' ').filter(Boolean),
  );
}

/** What an attach must leave as it was. */
function traces(pid) {
  const read = (name) => readFileSync(`/proc/${pid}/${name}`, 'utf8');
  return {
    children: childrenOf(pid).length,
    descriptors: readdirSync(`/proc/${pid}/fd`).length,
    threads: readdirSync(`/proc/${pid}/task`).length,
    tracer: /TracerPid:\s*(\d+)/.exec(read('status'))[1],
    blocked: readdirSync(`/proc/${pid}/task`).map(
      (thread) => /SigBlk:\s*(\w+)/.exec(read(`task/${thread}/status`))[1],
    ),
    marked: (read('smaps').match(/^VmFlags:.* dc/gm) ?? []).length,
  };
}

test('dump attaches to a process that has not loaded stillheap, and leaves no trace', { skip }, async (t) => {
  const service = await start(t);
  await ask(service);
  const before = traces(service.pid);
  const directory = temporaryDirectory(t);
  const answer = await json(t, 'dump', service.pid, '--dir', directory);
  const after = traces(service.pid);
  // V8 has its own business with its pages.
  assert.ok(Math.abs(after.marked - before.marked) <= before.marked / 4, `${before.marked} ${after.marked}`);
  assert.deepEqual({ ...after, marked: 0 }, { ...before, marked: 0 });
  assert.equal(path.dirname(answer.file), directory);
  const { mode, pid, pauseMs, pauseParts, reaped, nodeVersion, isMainThread } = answer.result;
  assert.deepEqual(
    { mode, pid, reaped, nodeVersion, isMainThread },
    { mode: 'attach', pid: service.pid, reaped: true, nodeVersion: process.version, isMainThread: true },
  );
  assert.ok(pauseParts.stopMs + pauseParts.forkMs + pauseParts.restoreMs <= pauseMs + 0.01);
  assert.equal((await stillheap(t, ['verify', answer.file])).code, 0);
  const { classes } = await json(t, 'summary', answer.file, '--filter', 'Subscription');
  assert.equal(classes.find(({ name }) => name === 'Subscription').count, 5000);
  assert.equal((await ask(service)).subscriptions, 5000);

  const packed = path.join(directory, 'redacted.heapsnapshot.zst');
  await json(t, 'dump', service.pid, '--output', packed, '--redact');
  const redacted = await json(t, 'strings', packed, '--filter', 'topic 7');
  assert.deepEqual(redacted.strings, []);

  // A command that asks about a file takes the process itself.
  const { classes: live } = await json(t, 'summary', service.pid, '--filter', 'Subscription');
  assert.equal(live.find(({ name }) => name === 'Subscription').count, 5000);
});

test('a service under load answers every request while it is attached to', {
  skip,
  timeout: 600_000,
}, async (t) => {
  const service = await start(t, {
    args: ['--busy', '--workers'],
    nodeArgs: ['--cpu-prof', '--cpu-prof-dir=.'],
  });
  // Workers and their profilers have threads of their own, which are there when they have begun.
  for (let n = 0; n < 100; n++) await ask(service);
  await new Promise((resolve) => setTimeout(resolve, 2000));
  const before = traces(service.pid);
  let running = true;
  let answered = 0;
  const client = async () => {
    while (running) {
      await ask(service);
      answered++;
    }
  };
  const clients = [client(), client(), client()];
  const signals = setInterval(() => service.kill('SIGUSR2'), 4);
  // A failed assertion must not leave them running: the file would never end.
  afterwards(t, () => {
    running = false;
    clearInterval(signals);
    for (const one of clients) one.catch(() => {});
  });
  const outcomes = { ok: 0, refused: 0 };
  const length = Number(process.env.STILLHEAP_TEST_ATTACHES ?? (atFullLength ? 40 : 8));
  const pauses = [];
  for (let n = 0; n < length; n++) {
    const { code, stdout, stderr } = await stillheap(t, ['info', service.pid, '--json']);
    if (code === 0) {
      outcomes.ok++;
      pauses.push(JSON.parse(stdout).pauseMs);
    } else {
      // The process is left alone where it can't be stopped in time.
      assert.match(stderr + stdout, /ERR_STILLHEAP_(BUSY|REFUSED)/);
      outcomes.refused++;
    }
  }
  running = false;
  clearInterval(signals);
  await Promise.all(clients);
  pauses.sort((a, b) => a - b);
  t.diagnostic(
    `${JSON.stringify(outcomes)}, ${answered} requests answered, pause ${pauses[pauses.length >> 1]} ms (longest ${pauses.at(-1)} ms)`,
  );
  assert.ok(outcomes.ok >= length / 2, JSON.stringify(outcomes));
  const counts = service.event('counts');
  service.process.send({});
  const { signals: taken, spawned, failed } = await counts;
  assert.ok(taken > 0 && spawned > 0 && answered > 0);
  assert.equal(failed, 0);
  const expected = { children: 0, tracer: '0', threads: before.threads };
  assert.deepEqual(await settled(service, expected), expected);
});

/** Waits until what a service does by itself (starting programs, with signals blocked meanwhile) is over. */
async function settled(service, expected) {
  const now = () => {
    const all = traces(service.pid);
    return Object.fromEntries(Object.keys(expected).map((key) => [key, all[key]]));
  };
  // What was looked at is what is returned: a moment later it is starting another program.
  let seen = now();
  for (let tries = 0; !isDeepStrictEqual(seen, expected) && tries < 300; tries++) {
    await new Promise((resolve) => setTimeout(resolve, 10));
    seen = now();
  }
  return seen;
}

const steps = [
  ...['before', 'stopped', 'written', 'sent', 'forked', 'back', 'main-gone', 'copied', 'frozen'],
  ...['reaping', 'sent-to-reap'],
];

/** Whether a process has ended and nobody has waited for it; one that is gone meanwhile is none. */
function isZombie(pid) {
  try {
    return / Z /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch (error) {
    if (error.code === 'ENOENT' || error.code === 'ESRCH') return false;
    throw error;
  }
}

test('a tool that is killed at any step leaves the service alive', { skip, timeout: 300_000 }, async (t) => {
  const service = await start(t, { args: ['--busy'] });
  const before = traces(service.pid);
  for (const step of steps) {
    const { signal } = await stillheap(t, ['info', service.pid], { env: { STILLHEAP_TEST_DIE: step } });
    assert.equal(signal, 'SIGKILL', step);
    assert.equal((await ask(service)).subscriptions, 5000, step);
    const expected = { tracer: '0', blocked: before.blocked };
    assert.deepEqual(await settled(service, expected), expected, step);
  }
  // The next runs reap what was left.
  for (let n = 0; n < 4; n++) await json(t, 'info', service.pid);
  const zombies = () =>
    readdirSync(`/proc/${service.pid}/task`)
      .flatMap((thread) => readFileSync(`/proc/${service.pid}/task/${thread}/children`, 'utf8').split(' '))
      .filter((child) => child && isZombie(child));
  // A program that the service has started and not yet waited for is a zombie, too, for a moment.
  for (let tries = 0; zombies().length > 0 && tries < 300; tries++) {
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  assert.deepEqual(zombies(), []);
});

test('a copy that is killed while it is read gives no answer, and the service lives', { skip }, async (t) => {
  const service = await start(t);
  // Reading takes long enough to be met in the middle.
  for (let n = 0; n < 100; n++) await ask(service, '/grow');
  const directory = temporaryDirectory(t);
  const file = path.join(directory, 'a.heapsnapshot');
  const output = ['--output', file];
  for (const args of [
    ['dump', service.pid, ...output],
    ['info', service.pid],
    ['stack', service.pid],
  ]) {
    let killed = 0;
    const seen = new Map();
    // Each copy, a moment after it has appeared.
    const killer = setInterval(() => {
      for (const child of childrenOf(service.pid)) {
        seen.set(child, (seen.get(child) ?? 0) + 1);
        if (seen.get(child) === 20) {
          process.kill(Number(child), 'SIGKILL');
          killed++;
        }
      }
    }, 2);
    afterwards(t, () => clearInterval(killer));
    const { code, stdout, stderr } = await stillheap(t, [...args, '--json']);
    clearInterval(killer);
    assert.ok(killed > 0, `${args[0]} was too quick: ${stdout}${stderr}`);
    assert.equal(code, 2, stdout + stderr);
    assert.match(stderr + stdout, /copy of process \d+ was ended while it was read/);
    assert.deepEqual(readdirSync(directory), []);
    await ask(service);
  }
});

/** Resolves when a command's copy of the service stands. */
async function copyOf(service, command) {
  for (;;) {
    const [child] = childrenOf(service.pid);
    if (child !== undefined) return child;
    if (command.outcome) throw new Error(command.describe('made no copy that was seen'));
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}

/** Whether a port is free. */
function isFree(port) {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}

test('a service that ends while its copy stands does not leave its port taken', { skip }, async (t) => {
  const service = await start(t);
  for (let n = 0; n < 100; n++) await ask(service, '/grow');
  const directory = temporaryDirectory(t);
  const command = startNode(t, [bin, 'dump', String(service.pid), '--dir', directory]);
  await copyOf(service, command);
  // The copy has been made, and is being read, when no thread of the service is traced any more.
  const isTraced = (thread) =>
    !/TracerPid:\s*0\n/.test(readFileSync(`/proc/${service.pid}/task/${thread}/status`, 'utf8'));
  while (readdirSync(`/proc/${service.pid}/task`).some(isTraced)) {
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  service.kill('SIGKILL');
  await service.ended;
  const { code } = await command.ended;
  assert.equal(code, 2, command.describe('did not fail'));
  assert.match(command.stderr, /process \d+ (ended|has just ended)/);
  assert.deepEqual(readdirSync(directory), []);
  assert.equal(await isFree(service.port), true);
});

test('Ctrl-Z stops the command when the process has been let go', { skip }, async (t) => {
  const service = await start(t);
  for (let n = 0; n < 50; n++) await ask(service, '/grow');
  const directory = temporaryDirectory(t);
  const command = startNode(t, [bin, 'dump', String(service.pid), '--dir', directory]);
  await copyOf(service, command);
  command.kill('SIGTSTP');
  const isStopped = () => / T /.test(readFileSync(`/proc/${command.pid}/stat`, 'utf8'));
  while (!isStopped()) await new Promise((resolve) => setTimeout(resolve, 5));
  assert.deepEqual(childrenOf(service.pid), []);
  assert.equal((await ask(service)).subscriptions, 105_000);
  command.kill('SIGCONT');
  assert.equal((await command.ended).code, 0, command.describe('did not go on'));
});

test('stack names the function and the line of a loop that blocks', { skip }, async (t) => {
  const service = await start(t);
  await ask(service, '/spin');
  const line =
    readFileSync(script, 'utf8')
      .split('\n')
      .findIndex((text) => text.includes('for (;;) Math')) + 1;
  const answer = await json(t, 'stack', service.pid, '--watch', '10ms', '--count', '2');
  for (const { stacks } of answer.looks) {
    const frames = stacks.find(({ main }) => main).frames;
    const spin = frames.find((frame) => frame.function === 'spin');
    assert.equal(spin.script, script);
    assert.ok(Math.abs(spin.line - line) <= 1, JSON.stringify(spin));
  }
  assert.match(answer.common.join('\n'), /spin .*unprepared\.js/);
});

test('stack says that JSON.parse is what blocks', { skip }, async (t) => {
  const service = await start(t);
  await ask(service, '/parse');
  const { looks } = await json(t, 'stack', service.pid, '--watch', '50ms', '--count', '8');
  assert.ok(
    looks.some(({ hint }) => hint === 'JSON.parse'),
    JSON.stringify(looks.map(({ hint }) => hint)),
  );
});

test('info says what a process is', { skip }, async (t) => {
  const service = await start(t, { args: ['--workers', '--busy'] });
  const info = await json(t, 'info', service.pid);
  assert.equal(info.node, process.version);
  assert.equal(info.isolates.filter(({ main }) => main).length, 1);
  assert.equal(info.isolates.length, 3);
  assert.ok(info.memory.residentBytes > info.memory.anonymousBytes && info.descriptors > 10);
  const timer = info.timers.find(({ milliseconds }) => milliseconds === 100);
  assert.equal(timer.repeats, true);
  assert.equal(timer.script, script);
  assert.ok(
    info.handles.some(({ class: name, count }) => /TCP/.test(name) && count > 0),
    JSON.stringify(info.handles),
  );
  const { stdout } = await stillheap(t, ['info', service.pid]);
  assert.match(stdout, /timer +1 .*unprepared\.js:\d+:\d+ every 100 ms/);
});

test('watch looks at a process that has not loaded stillheap from outside', { skip }, async (t) => {
  const service = await start(t);
  const args = ['watch', service.pid, '--every', '100ms', '--for', '1500ms'];
  const { code, stdout, stderr } = await stillheap(t, [...args, '--json']);
  assert.equal(code, 0, stderr);
  const samples = stdout.trim().split('\n').map(JSON.parse);
  assert.ok(samples.length > 1, stdout);
  for (const [index, sample] of samples.entries()) {
    const { kind, pid, number, pageBytes, pageResidentBytes, residentBytes } = sample;
    assert.deepEqual({ kind, pid, number }, { kind: 'outside', pid: service.pid, number: index + 1 });
    assert.ok(pageBytes >= pageResidentBytes && pageResidentBytes > 2e6 && residentBytes > pageResidentBytes);
  }
  assert.match((await stillheap(t, args)).stdout, /V8 pages +\d.* since the first\) +rss/);
  const other = startProgram(t, 'sleep', ['100']);
  const refused = await stillheap(t, ['watch', other.pid]);
  assert.equal(refused.code, 2);
  assert.match(refused.stderr, /has no V8 heap/);
});

test('leaks of a process names the variable and the line', { skip, timeout: 120_000 }, async (t) => {
  const service = await start(t);
  const growing = setInterval(() => ask(service, '/grow').catch(() => {}), 100);
  afterwards(t, () => clearInterval(growing));
  const { code, stdout, stderr } = await stillheap(t, ['leaks', service.pid, '--every', '1s', '--json']);
  clearInterval(growing);
  assert.equal(code, 1, stderr);
  const text = JSON.stringify(JSON.parse(stdout));
  assert.match(text, /subscriptions/);
  assert.match(text, /unprepared\.js/);
});

test('what is not known to work is left alone', { skip }, async (t) => {
  const refused = async (pid, pattern, options) => {
    const { code, stderr } = await stillheap(t, ['dump', pid, '--how', 'attach'], options);
    assert.equal(code, 2, stderr);
    assert.match(stderr, pattern);
  };
  const other = startProgram(t, 'sleep', ['100']);
  await refused(other.pid, /is not Node\.js/);
  await refused(4_000_000, /there is no process 4000000/);

  const service = await start(t);
  const thread = readdirSync(`/proc/${service.pid}/task`).find((id) => Number(id) !== service.pid);
  await refused(thread, /is a thread of process/);
  service.kill('SIGSTOP');
  for (
    let tries = 0;
    !/ T /.test(readFileSync(`/proc/${service.pid}/stat`, 'utf8')) && tries < 500;
    tries++
  ) {
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
  await refused(service.pid, /has been stopped by a signal; continue it first/);
  service.kill('SIGCONT');
  assert.equal((await ask(service)).subscriptions, 5000);

  // A zombie: its parent never asks.
  const parent = spawn('sh', ['-c', 'sleep 0 & exec sleep 100'], { stdio: 'ignore' });
  afterwards(t, () => parent.kill('SIGKILL'));
  let zombie;
  for (let tries = 0; zombie === undefined && tries < 500; tries++) {
    await new Promise((resolve) => setTimeout(resolve, 5));
    const [child] = readFileSync(`/proc/${parent.pid}/task/${parent.pid}/children`, 'utf8').split(' ');
    if (child && isZombie(child)) zombie = child;
  }
  await refused(zombie, /has ended/);
});
