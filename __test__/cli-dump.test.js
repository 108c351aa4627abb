// `stillheap dump PID` against real processes, through bin/stillheap.js.

const assert = require('node:assert/strict');
const { readFileSync, statSync } = require('node:fs');
const { constants } = require('node:os');
const path = require('node:path');
const { root, startAgent, startNode, temporaryDirectory } = require('./support/child.js');
const { afterwards, test } = require('./support/test.js');

const bin = path.join(root, 'bin/stillheap.js');

async function stillheap(t, ...args) {
  const child = startNode(t, [bin, ...args.map(String)]);
  const { code } = await child.ended;
  return { code, stdout: child.stdout, stderr: child.stderr };
}

test('prints the path, the size and the pause', async (t) => {
  const agent = await startAgent(t);
  const { code, stdout, stderr } = await stillheap(t, 'dump', agent.pid);
  assert.deepEqual({ code, stderr }, { code: 0, stderr: '' });
  const [, file] = stdout.match(
    /^(\/.*\.heapsnapshot)\n {2}[\d.]+ MB, paused \d+ ms\n\nNext: stillheap leaks \S+\n$/,
  );
  assert.equal(path.dirname(file), agent.cwd);
  const verified = await stillheap(t, 'verify', file);
  assert.equal(verified.code, 0, verified.stderr);
});

test('--json has the whole result', async (t) => {
  const agent = await startAgent(t);
  const { code, stdout } = await stillheap(t, 'dump', agent.pid, '--json');
  const answer = JSON.parse(stdout);
  assert.equal(code, 0);
  assert.equal(answer.schemaVersion, 1);
  assert.equal(answer.pid, agent.pid);
  assert.equal(answer.bytes, statSync(answer.file).size);
  assert.equal(answer.pauseMs, answer.result.pauseMs);
  assert.equal(answer.result.trigger, 'signal');
  assert.equal(answer.hostFile, undefined);
});

test('two one after the other are two files', async (t) => {
  const agent = await startAgent(t);
  const first = JSON.parse((await stillheap(t, 'dump', agent.pid, '--json')).stdout);
  const second = JSON.parse((await stillheap(t, 'dump', agent.pid, '--json')).stdout);
  assert.notEqual(first.file, second.file);
});

test('works while the event loop is blocked', async (t) => {
  const agent = await startAgent(t);
  const blocked = agent.event('blocked');
  agent
    .call(({ send }) => {
      send('blocked');
      setImmediate(() => {
        for (;;);
      });
    })
    .catch(() => {});
  await blocked;
  const { code, stdout, stderr } = await stillheap(t, 'dump', agent.pid);
  assert.equal(code, 0, stderr);
  assert.match(stdout, /heapsnapshot/);
});

test('a process that cannot write says why', async (t) => {
  const agent = await startAgent(t, {
    env: { STILLHEAP_DIR: '/nowhere/at/all', STILLHEAP_FALLBACK_DIR: '/nowhere/either' },
  });
  const { code, stdout } = await stillheap(t, 'dump', agent.pid);
  assert.equal(code, 1);
  assert.match(stdout, /could not write a snapshot: ENOENT/);
  const json = await stillheap(t, 'dump', agent.pid, '--json');
  assert.equal(json.code, 1);
  assert.equal(JSON.parse(json.stdout).error.code, 'ENOENT');
});

test('a process without the module is told how to load it', async (t) => {
  const agent = await startAgent(t, { load: false });
  // By itself dump would attach to it.
  const { code, stderr } = await stillheap(t, 'dump', agent.pid, '--how', 'signal');
  assert.equal(code, 2);
  assert.match(stderr, /has not loaded stillheap.*node -r stillheap app\.js/);
  assert.equal(agent.outcome, undefined);
});

test('a process without a signal handler is left alone', async (t) => {
  const agent = await startAgent(t);
  await agent.call(({ stillheap }) => stillheap.stop());
  const { code, stderr } = await stillheap(t, 'dump', agent.pid, '--json');
  assert.equal(code, 2);
  assert.match(stderr, /has no signal handler/);
  assert.equal(await agent.call(() => 'alive'), 'alive');
});

test('no such process', async (t) => {
  const agent = await startAgent(t);
  await agent.release();
  const { code, stderr } = await stillheap(t, 'dump', agent.pid);
  assert.equal(code, 2);
  assert.match(stderr, /there is no process \d+; a process in a container has another PID outside it/);
});

test('a process that does not come to it is not waited for longer than asked', async (t) => {
  const agent = await startAgent(t);
  agent.kill('SIGSTOP');
  afterwards(t, () => agent.kill('SIGCONT'));
  const { code, stderr } = await stillheap(t, 'dump', agent.pid, '--timeout', '200ms');
  assert.equal(code, 1);
  assert.match(stderr, /no snapshot within 0\.2 s.*may still finish it/);
});

/** Whether SIGUSR2 waits to be handled; SIGSTOP itself waits for a moment, too. */
function isSignalled(pid) {
  const [, pending] = readFileSync(`/proc/${pid}/status`, 'utf8').match(/^ShdPnd:\s*([0-9a-f]+)/m);
  return ((BigInt(`0x${pending}`) >> BigInt(constants.signals.SIGUSR2 - 1)) & 1n) === 1n;
}

test('a process that dies meanwhile', async (t) => {
  const agent = await startAgent(t);
  agent.kill('SIGSTOP');
  const dump = startNode(t, [bin, 'dump', String(agent.pid)]);
  while (!isSignalled(agent.pid)) {
    await new Promise(setImmediate);
    assert.equal(dump.outcome, undefined, dump.stderr);
  }
  agent.kill('SIGKILL');
  const { code } = await dump.ended;
  assert.equal(code, 1);
  assert.match(dump.stderr, /ended before the snapshot was complete/);
});

test('the command line installs no handler of its own', async (t) => {
  const directory = temporaryDirectory(t);
  const child = startNode(t, [bin, 'summary', '-'], { cwd: directory, stdio: ['pipe', 'pipe', 'pipe'] });
  const status = () => readFileSync(`/proc/${child.pid}/status`, 'utf8');
  // It is up when it has read the first part of its input.
  await new Promise((resolve, reject) => {
    child.process.stdin.on('error', reject);
    child.process.stdin.write('{'.padEnd(1 << 20), resolve);
  });
  const [, caught] = status().match(/^SigCgt:\s*([0-9a-f]+)/m);
  assert.equal((BigInt(`0x${caught}`) >> 11n) & 1n, 0n, 'SIGUSR2 is not caught');
  child.process.stdin.end();
  assert.equal((await child.ended).code, 2);
});
