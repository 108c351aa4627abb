// What a service notices of a capture: its pause, the latency of its answers, its speed afterwards; by a
// forked child, inline, by node:v8 and by heapdump, side by side, and by nothing at all.
//
//   node benchmark/fork/run.mjs --nodes 22,24 --megabytes 200 --kinds small --ways none,fork,inline --rounds 3
//   node benchmark/fork/run.mjs --ways pause --megabytes 100,200,500,1000,2000,4000   the pause alone: the child is
//                                                                                     ended as soon as it is there
//   --record                writes benchmark/record/DATE-fork.md, or DATE-fork-pause.md
//   --scratch disk|auto     where the forked child's working memory goes
//
// Ways take turns within a round, each in a process of its own; the table has medians over the rounds. A way that the
// machine has no memory for is not run, and says so. One JSON line per run on stderr.

import { fork } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import http from 'node:http';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { nodeBinary, supported, versions } from '../../scripts/node-versions.mjs';
import { root } from '../../scripts/setup.mjs';
import { median } from '../addon/support.mjs';
import { heapdump, heapdumpVersion } from './heapdump.mjs';

const service = path.join(path.dirname(fileURLToPath(import.meta.url)), 'service.js');
const { values } = parseArgs({
  options: {
    nodes: { type: 'string', default: supported.join(',') },
    megabytes: { type: 'string', default: '200' },
    kinds: { type: 'string', default: 'small' },
    ways: { type: 'string', default: 'none,fork,inline,v8.writeHeapSnapshot,heapdump' },
    rounds: { type: 'string', default: '3' },
    connections: { type: 'string', default: '8' },
    scratch: { type: 'string', default: 'memory' },
    record: { type: 'boolean', default: false },
  },
});
const list = (name) => values[name].split(',');
const round = (number, digits = 1) => Math.round(number * 10 ** digits) / 10 ** digits;

/** Bytes that V8's generator takes per byte of such a heap, and then some. */
const takes = { small: 18, strings: 7, arrays: 8 };

/** Asks all the time, as each of the connections gets its answer. Gives [time of asking, latency] pairs. */
function load(port) {
  const agent = new http.Agent({ keepAlive: true, maxSockets: Number(values.connections) });
  const samples = [];
  let stopped = false;
  const connection = async () => {
    while (!stopped) {
      const begun = performance.now();
      await new Promise((resolve) => {
        http
          .get({ port, host: '127.0.0.1', agent }, (response) => response.resume().once('end', resolve))
          .once('error', resolve);
      });
      samples.push([begun, performance.now() - begun]);
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
  };
  const all = Array.from({ length: Number(values.connections) }, connection);
  return {
    samples,
    async stop() {
      stopped = true;
      await Promise.all(all);
      agent.destroy();
    },
  };
}

function latency(samples, from, to) {
  const during = samples.filter(([begun, ms]) => begun + ms >= from && begun <= to).map(([, ms]) => ms);
  during.sort((a, b) => a - b);
  const at = (part) =>
    round(during[Math.min(during.length - 1, Math.floor(part * during.length))] ?? Number.NaN);
  // Answered meanwhile: those that waited for the end of it were not.
  const answered = samples.filter(([begun, ms]) => begun + ms >= from && begun + ms <= to).length;
  return { perSecond: Math.round((answered / (to - from)) * 1000), p50: at(0.5), p99: at(0.99), max: at(1) };
}

/** The most resident memory that the process and its children had. */
function watchMemory(pid) {
  let parent = 0;
  let child = 0;
  const high = (of) => {
    try {
      return Number(/VmHWM:\s+(\d+)/.exec(fs.readFileSync(`/proc/${of}/status`, 'utf8'))[1]) / 1000;
    } catch {
      return 0;
    }
  };
  const timer = setInterval(() => {
    parent = Math.max(parent, high(pid));
    // The child belongs to the thread that forked it.
    try {
      for (const thread of fs.readdirSync(`/proc/${pid}/task`)) {
        const children = fs.readFileSync(`/proc/${pid}/task/${thread}/children`, 'utf8').trim();
        for (const one of children ? children.split(' ') : []) child = Math.max(child, high(one));
      }
    } catch {}
  }, 20);
  return () => {
    clearInterval(timer);
    return { parentMB: Math.round(Math.max(parent, high(pid))), childMB: Math.round(child) };
  };
}

function available() {
  return Number(/MemAvailable:\s+(\d+)/.exec(fs.readFileSync('/proc/meminfo', 'utf8'))[1]) / 1000;
}

/** Why a way isn't run here. */
function obstacle({ megabytes, kind, way }) {
  const lasting = Number(megabytes) * 1.5 + 200;
  const ontop = ['none', 'pause'].includes(way) ? 0 : Number(megabytes) * takes[kind];
  const onDisk = way === 'fork' && values.scratch !== 'memory';
  const need = lasting + (onDisk ? 0 : ontop);
  return need > available()
    ? `needs about ${(need / 1000).toFixed(0)} GB, ${(available() / 1000).toFixed(0)} are free`
    : undefined;
}

async function run({ node, megabytes, kind, way }) {
  const row = { node, megabytes: Number(megabytes), kind, way };
  const error = obstacle(row);
  if (error) return { ...row, error };
  const order = { ask: 'capture', way, scratch: values.scratch };
  try {
    if (way === 'heapdump') order.heapdump = heapdump(node);
  } catch ({ message }) {
    return { ...row, error: message };
  }
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'stillheap-bench-'));
  const child = fork(service, [megabytes, kind], {
    execPath: nodeBinary(node),
    execArgv: [`--max-old-space-size=${Number(megabytes) * 4 + 1500}`],
    env: { ...process.env, NODE_HEAPDUMP_OPTIONS: 'nosignal' },
  });
  const ended = once(child, 'exit').then(([code, signal]) => {
    throw new Error(`the service ended with ${code ?? signal}`);
  });
  ended.catch(() => {});
  const message = async () => (await Promise.race([once(child, 'message'), ended]))[0];
  const ask = (what) => {
    child.send(what);
    return message();
  };
  try {
    const { port, rss } = await message();
    row.rssMB = Math.round(rss / 1e6);
    if (way === 'pause') {
      const { result, error } = await ask({ ...order, file: path.join(directory, 'a.heapsnapshot') });
      return { ...row, error, ...result };
    }
    const before = median((await ask({ ask: 'loops' })).loops);
    const requests = load(port);
    await new Promise((resolve) => setTimeout(resolve, 3000));
    const begun = performance.now();
    const memory = watchMemory(child.pid);
    const { totalMs, result, error } = await ask({ ...order, file: path.join(directory, 'a.heapsnapshot') });
    const until = performance.now();
    const peak = memory();
    await requests.stop();
    const after = median((await ask({ ask: 'loops' })).loops);
    await new Promise((resolve) => setTimeout(resolve, 3000));
    const later = median((await ask({ ask: 'loops' })).loops);
    return {
      ...row,
      error,
      pauseMs: result?.pauseMs,
      pauseParts: result?.pauseParts,
      prepareMs: result?.prepareMs,
      attempts: result?.attempts,
      memory: result?.memory,
      totalMs,
      quiet: latency(requests.samples, begun - 2500, begun),
      during: latency(requests.samples, begun, until),
      loopMs: before,
      after: after / before,
      later: later / before,
      ...peak,
    };
  } catch ({ message }) {
    return { ...row, error: message };
  } finally {
    child.kill('SIGKILL');
    fs.rmSync(directory, { recursive: true });
  }
}

/** Medians of the runs of one cell, over the rounds that went well. */
function middle(runs) {
  const well = runs.filter(({ error }) => error === undefined);
  const failed = runs.find(({ error }) => error !== undefined)?.error;
  const of = (get, digits = 1) => {
    const numbers = well.map(get).filter((number) => number !== undefined);
    return numbers.length === 0 ? undefined : round(median(numbers), digits);
  };
  return { ...runs[0], runs: well.length, failed, of };
}

const latencies = (of, when) =>
  ['p50', 'p99', 'max'].map((name) => of((run) => run[when]?.[name]) ?? '–').join(' / ');

/** The columns of the two tables: their heads, and what is in them. */
const common = [
  ['Node', ({ node }) => versions[node]],
  ['MB', ({ megabytes }) => megabytes],
  ['heap', ({ kind }) => kind],
];
const parts = ['recheckMs', 'includeMs', 'forkMs', 'restoreMs'].map((part) => [
  part.replace('Ms', ''),
  ({ of }) => of((run) => run.pauseParts?.[part], 2),
]);
const columns = {
  capture: [
    ...common,
    ['way', ({ way }) => way],
    ['runs', ({ runs }) => runs],
    ['pause ms', ({ of }) => of((run) => run.pauseMs)],
    ['total s', ({ of }) => of((run) => run.totalMs / 1000)],
    ['p50 / p99 / max ms quiet', ({ of }) => latencies(of, 'quiet')],
    ['during', ({ of }) => latencies(of, 'during')],
    ['answers/s quiet', ({ of }) => of((run) => run.quiet.perSecond, 0)],
    ['during', ({ of }) => of((run) => run.during.perSecond, 0)],
    ['loop ms before', ({ of }) => of((run) => run.loopMs)],
    ['time after / before', ({ of }) => of((run) => run.after, 2)],
    ['3 s later', ({ of }) => of((run) => run.later, 2)],
    ['peak RSS MB', ({ of }) => of((run) => run.parentMB, 0)],
    ['child', ({ of }) => of((run) => run.childMB || undefined, 0)],
    ['failed', ({ failed }) => failed],
  ],
  pause: [
    ...common,
    ['RSS MB', ({ of }) => of((run) => run.rssMB, 0)],
    ['runs', ({ runs }) => runs],
    ['pause ms', ({ of }) => of((run) => run.pauseMs)],
    ...parts,
    ['failed', ({ failed }) => failed],
  ],
};

function table(cells, which) {
  const line = (words) => `| ${words.join(' | ')} |`;
  const heads = which.map(([head]) => head);
  const rows = cells.map((cell) => line(which.map(([, get]) => get(cell) ?? '–')));
  return [line(heads), line(heads.map(() => '---')), ...rows].join('\n');
}

/** No host name and no path: what kind of machine it was, not whose. */
function machine() {
  const memory = Math.round(os.totalmem() / 2 ** 30);
  const [one, , fifteen] = os.loadavg().map((load) => load.toFixed(1));
  const cpus = os.cpus();
  return `${cpus.length} × ${cpus[0].model}, ${memory} GB, ${os.type()} ${os.release().replace(/-.*/, '')}, load ${one} (${fifteen} over 15 minutes) at the beginning`;
}

function record(which, about, text) {
  const date = new Date().toISOString().slice(0, 10);
  const name = which === 'pause' ? `${date}-fork-pause.md` : `${date}-fork.md`;
  const command = `node benchmark/fork/run.mjs ${process.argv.slice(2).join(' ')}`;
  const meaning =
    which === 'pause'
      ? 'Parts in milliseconds: comparing maps and memory, taking the marks off, `fork()`, putting them back.'
      : `Eight connections ask all the time; answers/s counts what was answered meanwhile. "Time after / before": an allocation loop's time after the capture by that before it, medians of nine; \`none\` captures nothing and shows what that ratio is by itself. heapdump ${heapdumpVersion}.`;
  const file = path.join(root, 'benchmark/record', name);
  fs.writeFileSync(
    file,
    `# Forked captures, ${date}\n\n\`${command}\`; medians of ${values.rounds} rounds, the ways by turns. ${about}.\n\n${meaning}\n\n${text}\n`,
  );
  console.log(`wrote ${path.relative(root, file)}`);
}

const about = machine();
const cells = new Map();
for (let turn = 0; turn < Number(values.rounds); turn++) {
  for (const node of list('nodes'))
    for (const megabytes of list('megabytes'))
      for (const kind of list('kinds'))
        for (const way of list('ways')) {
          const result = await run({ node, megabytes, kind, way });
          console.error(JSON.stringify(result));
          const key = [node, megabytes, kind, way].join();
          cells.set(key, [...(cells.get(key) ?? []), result]);
        }
}
const which = list('ways').includes('pause') ? 'pause' : 'capture';
const text = table([...cells.values()].map(middle), columns[which]);
console.log(`${about}\n\n${text}`);
if (values.record) record(which, about, text);
