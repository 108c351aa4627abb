'use strict';

// Captures in a forked child: equal to inline ones, unnoticed by the service, always with an end.

const assert = require('node:assert/strict');
const { spawnSync } = require('node:child_process');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { cgroupTest, groupWrapper } = require('./support/cgroup.js');
const { startAgent, startNode, root, temporaryDirectory } = require('./support/child.js');
const { readSnapshot, nodes } = require('./support/snapshot.js');
const { atFullLength, testIf } = require('./support/test.js');

const supported =
  process.platform === 'linux' && Boolean(process.report?.getReport().header.glibcVersionRuntime);
const forkTest = testIf(supported, 'forked captures need Linux and glibc');

/** Makes objects that a test can find again. */
function fill({ keep }, count) {
  class Marked {
    constructor(i) {
      this.name = `marked ${i}`;
      this.next = { i };
    }
  }
  keep.marked = Array.from({ length: count }, (_, i) => new Marked(i));
}

/** Nothing of a capture is left among the process's children or in its directory. */
async function leavesNothing(agent) {
  const left = await agent.call(({ files }) => files().filter((name) => name.startsWith('.')));
  assert.deepEqual(left, []);
}

/** Children of a process, from /proc. */
function childrenOf(pid) {
  const text = fs.readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim();
  return text === '' ? [] : text.split(' ').map(Number);
}

forkTest(
  'a forked snapshot of a quiet heap has the classes, counts and sizes of an inline one',
  async (t) => {
    const agent = await startAgent(t, { env: { NODE_HEAPDUMP_OPTIONS: 'nosignal' } });
    await agent.call(fill, 5000);
    const take = (mode) => agent.call(async ({ stillheap }, mode) => await stillheap.capture({ mode }), mode);
    // The first captures of a process bring code and strings into its heap that stay there.
    for (const mode of ['fork', 'inline', 'fork']) await take(mode);
    const [forked, inline] = [await take('fork'), await take('inline')];
    assert.equal(forked.mode, 'fork');
    assert.equal(forked.objectIds, 'cleared');
    const sums = (file) => {
      const classes = new Map();
      for (const { type, name, selfSize } of nodes(readSnapshot(file))) {
        // Strings, numbers and code come and go with every call; what the application made doesn't.
        if (type !== 'object' && type !== 'closure') continue;
        const key = `${type} ${name}`;
        const sum = classes.get(key) ?? { count: 0, size: 0 };
        sum.count += 1;
        sum.size += selfSize;
        classes.set(key, sum);
      }
      return classes;
    };
    const [a, b] = [sums(forked.file), sums(inline.file)];
    assert.deepEqual(a.get('object Marked'), b.get('object Marked'));
    assert.equal(a.get('object Marked').count, 5000);
    let different = 0;
    for (const key of new Set([...a.keys(), ...b.keys()])) {
      const [one, other] = [a.get(key)?.count ?? 0, b.get(key)?.count ?? 0];
      if (Math.abs(one - other) > 20) different += 1;
    }
    assert.equal(different, 0, 'classes that differ by more than what a call leaves behind');
    assert.ok(
      Math.abs(forked.nodeCount / inline.nodeCount - 1) < 0.01,
      `${forked.nodeCount} and ${inline.nodeCount}`,
    );
    const header = readSnapshot(forked.file).snapshot.stillheap;
    assert.deepEqual([header.mode, header.pid, header.objectIds], ['fork', agent.pid, 'cleared']);
    const again = readSnapshot((await take('fork')).file).snapshot.stillheap;
    assert.notEqual(again.processId, header.processId, 'two forked captures never share an id space');
  },
);

forkTest('the result says what the pause was made of, and progress comes in phases', async (t) => {
  const agent = await startAgent(t, { env: { NODE_HEAPDUMP_OPTIONS: 'nosignal' } });
  await agent.call(fill, 100_000);
  const { result, phases } = await agent.call(async ({ stillheap }) => {
    const phases = [];
    const onProgress = ({ phase }) => phases.at(-1) !== phase && phases.push(phase);
    return { result: await stillheap.capture({ mode: 'auto', onProgress }), phases };
  });
  assert.equal(result.mode, 'fork', 'auto takes the best there is');
  const { recheckMs, includeMs, forkMs, restoreMs } = result.pauseParts;
  assert.ok(recheckMs + includeMs + forkMs + restoreMs <= result.pauseMs + 0.01);
  assert.ok(result.pauseMs < result.generateMs, `${result.pauseMs} < ${result.generateMs}`);
  assert.ok(result.memory.estimate > 0 && result.memory.taken > 0);
  const [major, minor] = os.release().split('.').map(Number);
  if (major > 5 || (major === 5 && minor >= 14)) {
    assert.ok(result.thaw.ms > 0 && result.thaw.bytes > 1e7, JSON.stringify(result.thaw));
  } else {
    assert.equal(result.thaw, undefined, 'MADV_POPULATE_WRITE came with Linux 5.14');
  }
  assert.equal(phases.at(-1), 'done');
  assert.ok(phases.includes('generating'), phases.join());
});

forkTest('compression, streams and spools work as inline', async (t) => {
  const agent = await startAgent(t, { env: { NODE_HEAPDUMP_OPTIONS: 'nosignal' } });
  const file = await agent.call(
    async ({ stillheap }) => (await stillheap.capture({ mode: 'fork', file: 'a.heapsnapshot.gz' })).file,
  );
  readSnapshot(file);
  const length = await agent.call(async ({ stillheap, fs }) => {
    const stream = stillheap.captureStream({ mode: 'fork' });
    const out = fs.createWriteStream('streamed.heapsnapshot');
    await new Promise((resolve, reject) => stream.on('error', reject).pipe(out).on('finish', resolve));
    return (await stream.result).bytes;
  });
  assert.equal(fs.statSync(path.join(agent.cwd, 'streamed.heapsnapshot')).size, length);
  readSnapshot(path.join(agent.cwd, 'streamed.heapsnapshot'));
  await leavesNothing(agent);
});

forkTest('a signal forks, also while the event loop is blocked', async (t) => {
  const agent = await startAgent(t, { env: { STILLHEAP_MODE: undefined } });
  await agent.call(fill, 1000);
  const blocked = agent.call(({ fs, send }) => {
    send('blocking');
    // Ends when the snapshot is there: the loop itself never turns.
    while (!fs.readdirSync('.').some((name) => /^heapdump-.*\.heapsnapshot$/.test(name)));
  });
  await agent.event('blocking');
  agent.kill('SIGUSR2');
  await blocked;
  const line = await agent.output(/wrote (\S+) .*paused/);
  const header = readSnapshot(line[1]).snapshot.stillheap;
  assert.equal(header.mode, 'fork');
});

forkTest('by default capture() and streams fork, and writeSnapshot() does not', async (t) => {
  const agent = await startAgent(t, { env: { STILLHEAP_MODE: undefined } });
  const modes = await agent.call(async ({ stillheap, fs }) => {
    stillheap.writeSnapshot('written.heapsnapshot');
    const { mode } = await stillheap.capture();
    const stream = stillheap.captureStream();
    await new Promise((resolve) => stream.pipe(fs.createWriteStream('streamed')).once('close', resolve));
    return [mode, (await stream.result).mode];
  });
  assert.deepEqual(modes, ['fork', 'fork']);
  const written = readSnapshot(path.join(agent.cwd, 'written.heapsnapshot'));
  assert.equal(written.snapshot.stillheap.mode, 'inline');
});

forkTest('NODE_HEAPDUMP_OPTIONS: fork and inline', async (t) => {
  const forking = await startAgent(t, {
    env: { STILLHEAP_MODE: undefined, NODE_HEAPDUMP_OPTIONS: 'nosignal,fork' },
  });
  const { returned, file } = await forking.call(({ stillheap }) => {
    return new Promise((resolve, reject) => {
      const returned = stillheap.writeSnapshot((error, file) =>
        error ? reject(error) : resolve({ returned, file }),
      );
    });
  });
  assert.equal(returned, true);
  assert.equal(readSnapshot(path.join(forking.cwd, file)).snapshot.stillheap.mode, 'fork');
  const inline = await startAgent(t, { env: { STILLHEAP_MODE: undefined, NODE_HEAPDUMP_OPTIONS: 'inline' } });
  inline.kill('SIGUSR2');
  const line = await inline.output(/wrote (\S+) /);
  assert.equal(readSnapshot(line[1]).snapshot.stillheap.mode, 'inline');
});

forkTest('what can not be forked says so, or is captured inline and says why', async (t) => {
  const agent = await startAgent(t, { env: { NODE_HEAPDUMP_OPTIONS: 'nosignal' } });
  const take = (options) =>
    agent.call(async ({ stillheap }, options) => await stillheap.capture(options), options);
  const inline = await take({ mode: 'auto', keepObjectIds: true });
  assert.equal(inline.mode, 'inline');
  assert.match(inline.modeReason, /keepObjectIds/);
  await assert.rejects(take({ mode: 'fork', keepObjectIds: true }), { code: 'ERR_STILLHEAP_UNSUPPORTED' });
  const fallen = await take({ mode: 'fork', keepObjectIds: true, fallback: 'inline' });
  assert.equal(fallen.mode, 'inline');
});

forkTest(
  'the service answers meanwhile, the child holds no socket of it, and its children are its own',
  async (t) => {
    const agent = await startAgent(t, { env: { NODE_HEAPDUMP_OPTIONS: 'nosignal' } });
    await agent.call(fill, 300_000);
    await agent.call(({ require, keep }) => {
      keep.server = require('node:http').createServer((_request, response) => response.end('here'));
      return new Promise((resolve) => keep.server.listen(0, '127.0.0.1', resolve));
    });
    await agent.call(({ stillheap, keep }) => {
      keep.capture = stillheap.capture({ mode: 'fork' });
    });
    // A child of the application that ends while ours runs, and one that we look into.
    const seen = await agent.call(async ({ require, keep, fs, send: _send }) => {
      const { spawn } = require('node:child_process');
      const http = require('node:http');
      const { port } = keep.server.address();
      let done = false;
      keep.capture.then(
        () => (done = true),
        () => (done = true),
      );
      const own = () => fs.readFileSync(`/proc/self/task/${process.pid}/children`, 'utf8').trim().split(' ');
      const ours = () =>
        own().find((pid) => pid && fs.readFileSync(`/proc/${pid}/comm`, 'utf8').startsWith('stillheap'));
      let child;
      while (!done && child === undefined) {
        child = ours();
        await new Promise((resolve) => setImmediate(resolve));
      }
      const descriptors = fs.readdirSync(`/proc/${child}/fd`).map((fd) => {
        try {
          return fs.readlinkSync(`/proc/${child}/fd/${fd}`);
        } catch {
          return 'gone';
        }
      });
      const threads = fs.readdirSync(`/proc/${child}/task`).length;
      const score = fs.readFileSync(`/proc/${child}/oom_score_adj`, 'utf8').trim();
      const code = await new Promise((resolve) => spawn('/bin/sh', ['-c', 'exit 7']).once('close', resolve));
      const answer = await new Promise((resolve, reject) =>
        http
          .get({ port, host: '127.0.0.1' }, (response) =>
            response.resume().once('end', () => resolve(response.statusCode)),
          )
          .once('error', reject),
      );
      const meanwhile = !done;
      const result = await keep.capture;
      await new Promise((resolve) => keep.server.close(resolve));
      return { descriptors, threads, score, code, answer, meanwhile, file: result.file };
    });
    assert.equal(seen.meanwhile, true, 'all of it happened while the child was at work');
    assert.deepEqual([seen.code, seen.answer, seen.threads, seen.score], [7, 200, 1, '1000']);
    const foreign = seen.descriptors.filter((name) => /socket:|anon_inode:|pipe:/.test(name));
    assert.deepEqual(foreign, []);
    readSnapshot(seen.file);
    assert.deepEqual(childrenOf(agent.pid), []);
  },
);

forkTest('an abort, a time limit and a killed child end a capture, and leave nothing', async (t) => {
  const agent = await startAgent(t, { env: { NODE_HEAPDUMP_OPTIONS: 'nosignal' } });
  await agent.call(fill, 300_000);
  const outcome = (body) =>
    agent.call(body).then(
      () => assert.fail('it went well'),
      (error) => error,
    );
  const aborted = await outcome(async ({ stillheap }) => {
    const abort = new AbortController();
    const onProgress = () => abort.abort();
    await stillheap.capture({ mode: 'fork', signal: abort.signal, onProgress });
  });
  assert.equal(aborted.name, 'AbortError');
  const late = await outcome(
    async ({ stillheap }) => await stillheap.capture({ mode: 'fork', timeLimit: 150 }),
  );
  assert.equal(late.code, 'ERR_STILLHEAP_TIME_LIMIT');
  const killed = await outcome(async ({ stillheap, fs }) => {
    const onProgress = () => {
      const children = fs.readFileSync(`/proc/self/task/${process.pid}/children`, 'utf8').trim();
      if (children) process.kill(Number(children.split(' ')[0]), 'SIGKILL');
    };
    await stillheap.capture({ mode: 'fork', onProgress });
  });
  assert.equal(killed.code, 'ERR_STILLHEAP_TERMINATED');
  assert.match(killed.message, /nothing says by whom/);
  assert.deepEqual(await agent.call(({ files }) => files()), []);
  assert.deepEqual(childrenOf(agent.pid), []);
});

forkTest('a child that crashes is forked again', async (t) => {
  const agent = await startAgent(t, { env: { NODE_HEAPDUMP_OPTIONS: 'nosignal' } });
  await agent.call(fill, 200_000);
  const result = await agent.call(async ({ stillheap, fs }) => {
    let shot = false;
    const onProgress = () => {
      const children = fs.readFileSync(`/proc/self/task/${process.pid}/children`, 'utf8').trim();
      if (!children || shot) return;
      shot = true;
      process.kill(Number(children.split(' ')[0]), 'SIGSEGV');
    };
    return await stillheap.capture({ mode: 'fork', onProgress });
  });
  assert.ok(result.attempts >= 2);
  assert.match(result.failedAttempts.join(), /signal 11/);
  readSnapshot(result.file);
  await leavesNothing(agent);
});

forkTest('a child ends with its parent, or finishes without it if that is asked for', async (t) => {
  /** The names that are left when the service has been killed while its child reads, and the child has ended. */
  const killed = async (outlive) => {
    const agent = await startAgent(t, { env: { NODE_HEAPDUMP_OPTIONS: 'nosignal' } });
    await agent.call(fill, 300_000);
    const child = await agent.call(({ stillheap, fs }, outlive) => {
      return new Promise((resolve) => {
        const onProgress = () => {
          const children = fs.readFileSync(`/proc/self/task/${process.pid}/children`, 'utf8').trim();
          if (children) resolve(Number(children.split(' ')[0]));
        };
        stillheap.capture({ mode: 'fork', outlive, onProgress }).catch(() => {});
      });
    }, outlive);
    agent.kill('SIGKILL');
    await agent.ended;
    await reaped(child);
    return fs.readdirSync(agent.cwd).map((name) => path.join(agent.cwd, name));
  };
  assert.deepEqual(await killed(false), []);
  // A child that finds a lock held has nobody who could fork another one. What it leaves is a whole file or none.
  for (let tries = 1; ; tries++) {
    const left = await killed(true);
    assert.ok(left.length <= 1, left.join());
    for (const file of left) readSnapshot(file);
    if (left.length === 1) break;
    assert.ok(tries < 8, 'no child of eight has finished without its parent');
  }
});

/** Nobody tells us when a grandchild ends: it is asked for until it has. */
async function reaped(child) {
  for (;;) {
    try {
      if (/^State:\s+Z/m.test(fs.readFileSync(`/proc/${child}/status`, 'utf8'))) return;
    } catch {
      return;
    }
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

forkTest('too little address space is a refusal with the figures', async (t) => {
  const agent = await startAgent(t, { env: { NODE_HEAPDUMP_OPTIONS: 'nosignal' } });
  await agent.call(fill, 100_000);
  const status = fs.readFileSync(`/proc/${agent.pid}/status`, 'utf8');
  const limit = Number(/VmSize:\s+(\d+)/.exec(status)[1]) * 1024 + 150e6;
  const set = spawnSync('prlimit', [`--pid=${agent.pid}`, `--as=${limit}:`]);
  assert.equal(set.status, 0, String(set.stderr));
  const refused = await agent
    .call(async ({ stillheap }) => await stillheap.capture({ mode: 'auto' }))
    .catch((error) => error);
  assert.equal(refused.code, 'ERR_STILLHEAP_MEMORY');
  assert.match(refused.message, /limit on the address space \(ulimit -v\) has \d+ MB left/);
  assert.equal(await agent.call(() => 6 * 7), 42);
});

/** A process in a memory control group of its own; removed after the test. */
async function limited(t, limit, objects) {
  const wrapper = groupWrapper(t, limit);
  const agent = await startAgent(t, { wrapper, env: { NODE_HEAPDUMP_OPTIONS: 'nosignal' } });
  await agent.call(fill, objects);
  return agent;
}

cgroupTest(
  'a memory control group that is too small: refused; forced, the child dies and the service lives',
  async (t) => {
    const agent = await limited(t, 260e6, 300_000);
    const refused = await agent
      .call(async ({ stillheap }) => await stillheap.capture({ mode: 'auto' }))
      .catch((error) => error);
    assert.equal(refused.code, 'ERR_STILLHEAP_MEMORY');
    assert.match(
      refused.message,
      /may take \d+ MB in the forked child, and the control group \S+ has \d+ MB left/,
    );
    const forced = await agent
      .call(async ({ stillheap }) => await stillheap.capture({ mode: 'fork', force: true }))
      .catch((error) => error);
    assert.equal(forced.code, 'ERR_STILLHEAP_MEMORY', forced.message);
    assert.equal(await agent.call(() => 6 * 7), 42, 'the service is there');
    assert.deepEqual(await agent.call(({ files }) => files()), []);
  },
);

cgroupTest('a memory control group with room: done', async (t) => {
  const agent = await limited(t, 1.5e9, 100_000);
  const result = await agent.call(async ({ stillheap }) => await stillheap.capture({ mode: 'auto' }));
  assert.equal(result.mode, 'fork');
  assert.ok(result.memory.room < 1.5e9, "the room is the group's");
  readSnapshot(result.file);
});

cgroupTest('an inline capture that can not fit is refused with the figures, by every way', async (t) => {
  const agent = await startAgent(t, { wrapper: groupWrapper(t, 260e6) });
  // So many small objects that V8's generator would be the end of the service.
  await agent.call(fill, 400_000);
  const outcomes = await agent.call(async ({ stillheap, describe, files }) => {
    const errors = [await stillheap.capture().catch(describe)];
    stillheap.writeSnapshot('a.heapsnapshot', (error) => errors.push(describe(error)));
    const stream = stillheap.captureStream();
    errors.push(await new Promise((resolve) => stream.once('error', (error) => resolve(describe(error)))));
    const failed = new Promise((resolve) => stillheap.once('error', resolve));
    process.kill(process.pid, 'SIGUSR2');
    errors.push(describe(await failed));
    return { errors, files: files() };
  });
  assert.equal(outcomes.errors.length, 4);
  for (const { code, message } of outcomes.errors) {
    assert.equal(code, 'ERR_STILLHEAP_MEMORY', message);
    assert.match(
      message,
      /this heap's \d+ objects takes \d+ MB at least, and the control group \S+ has \d+ MB left/,
    );
  }
  assert.deepEqual(outcomes.files, []);
  assert.equal(await agent.call(() => 6 * 7), 42, 'the service is there');
  const forced = agent.call(({ stillheap }) => stillheap.capture({ force: true }));
  const [end] = await Promise.allSettled([forced]);
  assert.equal(end.status, 'rejected');
  assert.deepEqual(await agent.ended, { code: null, signal: 'SIGKILL' }, 'force takes the risk');
});

cgroupTest('an inline capture that may fit is begun, and stopped before memory runs out', async (t) => {
  const wrapper = groupWrapper(t, 200e6);
  const agent = await startAgent(t, { wrapper });
  // V8 keeps a kilobyte for each index of an array: far more than so few objects take at least.
  await agent.call(({ keep }) => {
    keep.rows = Array.from({ length: 100 }, (_, i) => Array.from({ length: 15_000 }, () => ({ i })));
  });
  const { error, files } = await agent.call(async ({ stillheap, describe, files }) => ({
    error: await stillheap.capture().catch(describe),
    files: files(),
  }));
  assert.equal(error.code, 'ERR_STILLHEAP_MEMORY', error.message);
  assert.deepEqual(files, []);
  assert.equal(await agent.call(() => 6 * 7), 42, 'the service is there');
});

cgroupTest('an inline capture that fits is not refused', async (t) => {
  const agent = await startAgent(t, { wrapper: groupWrapper(t, 150e6) });
  await agent.call(fill, 20_000);
  const { file } = await agent.call(({ stillheap }) => stillheap.capture());
  readSnapshot(path.resolve(agent.cwd, file));
});

// The scenario 'cluster' keeps every core busy, so that the child, which has the lowest priority, takes minutes on two
// cores: scripts/fork-stress.mjs has it.
const stressed = atFullLength ? '4' : '2';
for (const scenario of ['allocation', 'workers', 'from-workers', 'wasm', 'spawn', 'http']) {
  forkTest(`under stress: ${scenario}`, { timeout: 120_000 }, async (t) => {
    const script = path.join(root, '__test__/children/fork-stress.js');
    const child = startNode(t, [script, scenario, stressed], {
      env: { NODE_HEAPDUMP_OPTIONS: 'nosignal' },
      cwd: temporaryDirectory(t),
    });
    const { code } = await child.ended;
    assert.equal(code, 0, child.describe('had failures'));
    const report = JSON.parse(child.stdout.trim().split('\n').at(-1));
    assert.deepEqual([report.good, report.left], [Number(stressed), []]);
  });
}
