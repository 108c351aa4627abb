'use strict';

// `outlive: true`: the forked child finishes its file, however and whenever the service ends; what can't be finished
// leaves nothing under the file's name.

const assert = require('node:assert/strict');
const fs = require('node:fs');
const path = require('node:path');
const { root, startAgent, startNode, temporaryDirectory } = require('./support/child.js');
const { readSnapshot } = require('./support/snapshot.js');
const { atFullLength, testIf } = require('./support/test.js');

const forks = process.platform === 'linux' && Boolean(process.report?.getReport().header.glibcVersionRuntime);
const forkTest = testIf(forks, 'captures are forked on Linux with glibc');

/** Source text: the forked children of a process that are alive, whichever thread has forked them. */
const childrenSource = `() => {
  const fs = require('node:fs');
  const tasks = fs.readdirSync('/proc/self/task');
  const lists = tasks.map((task) => fs.readFileSync('/proc/self/task/' + task + '/children', 'utf8'));
  return lists.join(' ').split(' ').filter(Boolean).map(Number);
}`;

/** Returns when a process has ended that nobody here is the parent of: nobody tells, so it is looked for. */
async function gone(pid) {
  for (;;) {
    let status;
    try {
      status = fs.readFileSync(`/proc/${pid}/status`, 'utf8');
    } catch {
      return;
    }
    if (/^State:\s+[ZX]/m.test(status)) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** How the service ends: the source text that does it, and what the test sees. */
const ways = {
  exit: { end: 'process.exit(7)', outcome: { code: 7, signal: null } },
  throw: {
    end: 'setImmediate(() => { throw new Error("on purpose") })',
    outcome: { code: 1, signal: null },
  },
  SIGTERM: { end: 'process.kill(process.pid, "SIGTERM")', outcome: { code: null, signal: 'SIGTERM' } },
  SIGKILL: { end: 'process.kill(process.pid, "SIGKILL")', outcome: { code: null, signal: 'SIGKILL' } },
  abort: { end: 'process.abort()', outcome: { code: null, signal: 'SIGABRT' } },
  worker: { end: 'process.exit(7)', inWorker: true, outcome: { code: 0, signal: null } },
  // As a container's runtime does it: SIGTERM, and SIGKILL for whatever is left.
  stop: {
    end: 'process.on("SIGTERM", () => {}); process.kill(process.pid, "SIGTERM"); for (const pid of all) process.kill(pid, "SIGTERM"); process.kill(process.pid, "SIGKILL")',
    outcome: { code: null, signal: 'SIGKILL' },
  },
  killAll: {
    end: 'for (const pid of all) process.kill(pid, "SIGKILL"); process.kill(process.pid, "SIGKILL")',
    outcome: { code: null, signal: 'SIGKILL' },
    childKilled: true,
  },
};

/** Before the fork; in V8's collection and walk of the heap; in writing; when the file is about to get its name. */
const phases = ['call', 'generating', 'serializing', 'writing'];

function source({ end, inWorker }, phase) {
  const body = `
    const stillheap = require(${JSON.stringify(root)});
    globalThis.kept = Array.from({ length: 60_000 }, (_, n) => ({ text: "text " + n }));
    const children = ${childrenSource};
    let ended = false;
    const end = () => {
      if (ended) return;
      ended = true;
      const all = children();
      require('node:fs').writeSync(1, JSON.stringify(all) + '\\n');
      ${end};
    };
    stillheap.capture({
      file: 'job.heapsnapshot', mode: 'fork', outlive: true,
      onProgress: (progress) => { if (progress.phase === '${phase}') end(); },
    }).then(end, end);
    if ('${phase}' === 'call') end();
  `;
  if (!inWorker) return body;
  return `new (require('node:worker_threads').Worker)(${JSON.stringify(body)}, { eval: true });`;
}

const isTemporary = (file) => /^\..*\.tmp$/.test(file);

/** What is in a directory when no child writes there any more: a child may have been forked after all were listed. */
async function leftIn(cwd, mayLeave) {
  const deadline = Date.now() + (mayLeave ? 1000 : 30_000);
  for (;;) {
    const left = fs.readdirSync(cwd).filter((file) => !file.startsWith('core'));
    if (!left.some(isTemporary) || Date.now() > deadline) return left;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

for (const [name, way] of Object.entries(ways)) {
  forkTest(
    `the service ends by ${name}: the file is whole, or not there`,
    { timeout: 240_000 },
    async (t) => {
      for (const phase of atFullLength ? phases : ['generating']) {
        const cwd = temporaryDirectory(t);
        const child = startNode(t, ['-e', source(way, phase)], { cwd });
        const outcome = await child.ended;
        assert.deepEqual(outcome, way.outcome, child.describe(`ended otherwise while ${phase}`));
        const pids = JSON.parse(child.stdout.trim().split('\n').at(-1));
        for (const pid of pids) await gone(pid);
        // Who is killed can't tidy up: neither the child, nor a process that has made the file and not yet forked.
        const mayLeave = way.childKilled || (phase === 'call' && way.outcome.signal !== null);
        const left = (await leftIn(cwd, mayLeave)).filter((file) => !mayLeave || !isTemporary(file));
        const said = child.describe(`at ${phase}: children ${pids}, left ${left}`);
        for (const file of left) {
          assert.equal(file, 'job.heapsnapshot', said);
          readSnapshot(path.join(cwd, file));
        }
        // In the collection, a child may meet with a lock, and nobody is left to fork another one.
        if (['serializing', 'writing'].includes(phase) && !way.childKilled) {
          assert.deepEqual(left, ['job.heapsnapshot'], said);
        }
      }
    },
  );
}

forkTest('an orphan that crashes removes its unfinished file', async (t) => {
  for (const signal of ['SIGTRAP', 'SIGABRT', 'SIGSEGV', 'SIGILL', 'SIGBUS', 'SIGFPE']) {
    const agent = await startAgent(t, { env: { NODE_HEAPDUMP_OPTIONS: 'nosignal' } });
    await agent.call(({ keep }) => {
      keep.objects = Array.from({ length: 200_000 }, (_, i) => ({ name: `object ${i}` }));
    });
    const child = await agent.call(
      ({ stillheap, fs }) =>
        new Promise((resolve, reject) => {
          const onProgress = ({ phase }) => {
            const list = fs.readFileSync(`/proc/self/task/${process.pid}/children`, 'utf8').trim();
            if (phase !== 'serializing' || list === '') return;
            const pid = Number(list.split(' ')[0]);
            // It must not finish before its parent has ended.
            process.kill(pid, 'SIGSTOP');
            resolve(pid);
          };
          stillheap.capture({ mode: 'fork', outlive: true, onProgress }).then(reject, reject);
        }),
    );
    agent.kill('SIGKILL');
    await agent.ended;
    assert.match(fs.readdirSync(agent.cwd).join(), /^\.[^,]*\.tmp$/, 'its file is unfinished');
    process.kill(child, signal);
    process.kill(child, 'SIGCONT');
    await gone(child);
    assert.deepEqual(fs.readdirSync(agent.cwd), [], `after ${signal}`);
  }
});
