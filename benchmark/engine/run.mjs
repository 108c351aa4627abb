// What a forked capture takes in the child: our own reader beside V8's generator, on the same heap in the same process.
//
//   node benchmark/engine/run.mjs --nodes 20,22,24,26 --megabytes 50,200 --rounds 3
//     --engines own,v8       which, in the order of the first round; the order changes from round to round
//     --devtools             Chrome DevTools' own model opens the reader's first file of each size and counts
//     --record               writes benchmark/record/DATE-engine.md and .json
//
// CPU is what the kernel charged for the child (user and system) once it had ended. Memory is the most that was private
// to the child (`smaps_rollup`, looked at every 20 ms): what it allocated, and pages that it or its parent has written
// since the fork. One JSON line per capture on stderr. Small objects are V8's worst case.

import { fork, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { loadavg, tmpdir, totalmem } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { nodeBinary, supported, versions } from '../../scripts/node-versions.mjs';
import { median, record } from '../addon/support.mjs';

const here = path.dirname(fileURLToPath(import.meta.url));
const { values } = parseArgs({
  options: {
    nodes: { type: 'string', default: supported.join(',') },
    megabytes: { type: 'string', default: '50,200' },
    engines: { type: 'string', default: 'own,v8' },
    rounds: { type: 'string', default: '3' },
    devtools: { type: 'boolean', default: false },
    record: { type: 'boolean', default: false },
  },
});
const list = (name) => values[name].split(',');

/** Milliseconds of CPU of the children that a process has waited for. */
function childrenCpu(pid) {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1].split(' ');
  const ticksPerSecond = 100;
  return ((Number(fields[13]) + Number(fields[14])) / ticksPerSecond) * 1000;
}

/** The most private memory that a child of the process has, in megabytes, until it is asked for. */
function watchPrivate(pid) {
  let most = 0;
  const look = () => {
    for (const thread of readdirSync(`/proc/${pid}/task`)) {
      // A child belongs to the thread that forked it, and may be gone by now.
      try {
        const children = readFileSync(`/proc/${pid}/task/${thread}/children`, 'utf8').trim();
        for (const child of children ? children.split(' ') : []) {
          const text = readFileSync(`/proc/${child}/smaps_rollup`, 'utf8');
          const of = (field) => Number(new RegExp(`^${field}:\\s+(\\d+)`, 'm').exec(text)[1]) / 1024;
          most = Math.max(most, of('Private_Dirty') + of('Private_Clean'));
        }
      } catch (error) {
        if (error.code !== 'ENOENT' && error.code !== 'ESRCH' && !(error instanceof TypeError)) throw error;
      }
    }
  };
  const timer = setInterval(look, 20);
  return () => {
    clearInterval(timer);
    return most;
  };
}

/** What DevTools counts: nodes, and objects of the class. In a process of its own, which needs much memory. */
function inDevtools(file) {
  const source = `
    import { engine } from ${JSON.stringify(path.join(here, '../../scripts/devtools/engine.mjs'))};
    import { readFileSync } from 'node:fs';
    const { load, NodeFilter } = await engine();
    const snapshot = await load(readFileSync(process.argv[1], 'latin1'));
    const classes = Object.values(snapshot.aggregatesWithFilter(new NodeFilter()));
    const small = classes.find(({ name }) => name === 'Small');
    console.log(JSON.stringify({ nodes: snapshot.nodeCount, small: small.count }));`;
  const args = ['--max-old-space-size=12000', '--input-type=module', '-e', source, file];
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' });
  return status === 0 ? JSON.parse(stdout) : { error: stderr.slice(-500) };
}

/** One process; the engines take turns in it. */
async function round(node, megabytes, engines, devtools) {
  const directory = mkdtempSync(path.join(tmpdir(), 'stillheap-engine-'));
  const service = fork(path.join(here, 'service.js'), [megabytes], {
    execPath: nodeBinary(node),
    execArgv: ['--expose-gc', `--max-old-space-size=${Number(megabytes) * 2 + 500}`],
    env: { ...process.env, NODE_HEAPDUMP_OPTIONS: 'nosignal' },
  });
  const ended = once(service, 'exit').then(([code, signal]) => {
    throw new Error(`the service ended with ${code ?? signal}`);
  });
  ended.catch(() => {});
  const answer = async () => (await Promise.race([once(service, 'message'), ended]))[0];
  const rows = [];
  try {
    const { objects } = await answer();
    for (const engine of engines) {
      const file = path.join(directory, `${engine}.heapsnapshot`);
      const before = childrenCpu(service.pid);
      const peak = watchPrivate(service.pid);
      const begun = performance.now();
      service.send({ engine, file });
      const { rss, heapUsed, result, error } = await answer();
      const wallMs = performance.now() - begun;
      const row = { node, megabytes: Number(megabytes), engine, objects, rss, heapUsed, wallMs, error };
      row.privateMB = peak();
      row.cpuMs = childrenCpu(service.pid) - before;
      if (result) {
        const { pauseMs, nodeCount, memory, attempts } = result;
        Object.assign(row, { pauseMs, nodeCount, memory, attempts, bytes: statSync(file).size });
        if (devtools && engine === 'own') row.devtools = inDevtools(file);
        rmSync(file);
      }
      console.error(JSON.stringify(row));
      rows.push(row);
    }
  } finally {
    service.kill('SIGKILL');
    rmSync(directory, { recursive: true, force: true });
  }
  return rows;
}

const load = loadavg()[0].toFixed(1);
const all = [];
for (let turn = 0; turn < Number(values.rounds); turn++)
  for (const node of list('nodes'))
    for (const megabytes of list('megabytes')) {
      const engines = turn % 2 === 0 ? list('engines') : list('engines').reverse();
      all.push(...(await round(node, megabytes, engines, values.devtools && turn === 0)));
    }

/** The cell of a table: the median of what its captures had, if any was good. */
function middle(node, megabytes, engine) {
  const runs = all.filter((r) => r.node === node && r.megabytes === megabytes && r.engine === engine);
  const good = runs.filter(({ error }) => error === undefined);
  const of = (get) => (good.length === 0 ? undefined : median(good.map(get)));
  return { of, good: good.length, runs: runs.length };
}

const columns = [
  ['CPU s', (row) => row.cpuMs / 1000, 2],
  ['private MB', (row) => row.privateMB, 0],
  ['wall s', (row) => row.wallMs / 1000, 2],
  ['pause ms', (row) => row.pauseMs, 1],
  ['file MB', (row) => row.bytes / 1e6, 0],
  ['nodes', (row) => row.nodeCount, 0],
];
const rows = [];
for (const node of list('nodes'))
  for (const megabytes of list('megabytes').map(Number)) {
    const cells = Object.fromEntries(list('engines').map((e) => [e, middle(node, megabytes, e)]));
    for (const [engine, cell] of Object.entries(cells)) {
      const numbers = columns.map(([, get, digits]) => {
        const [value, beside] = [cell.of(get), cells.v8?.of(get)];
        if (value === undefined) return '–';
        const ratio = engine === 'own' && beside ? ` (${(value / beside).toFixed(3)})` : '';
        return value.toFixed(digits) + ratio;
      });
      const opened = all.find(
        (r) => r.node === node && r.megabytes === megabytes && r.engine === engine && r.devtools,
      );
      const said =
        opened?.devtools.error ??
        (opened && `${opened.devtools.nodes} nodes, ${opened.devtools.small} Small`);
      rows.push([versions[node], megabytes, engine, `${cell.good} of ${cell.runs}`, ...numbers, said ?? '–']);
    }
  }

const heads = ['Node', 'heap MB', 'engine', 'captures', ...columns.map(([head]) => head), 'DevTools'];
const explanation = `\`node benchmark/engine/run.mjs ${process.argv.slice(2).join(' ')}\`; medians of ${values.rounds} rounds, the
engines by turns in one process each; in parentheses the share of V8's generator in the same runs. ${Math.round(totalmem() / 2 ** 30)} GB, load ${load}
at the beginning. The heap is small objects, V8's worst case. CPU: of the forked child, user and system. Private: the most memory that
was private to the child.`;
if (values.record) {
  record('engine', 'Own reader and V8 in the forked child', { explanation, columns: heads, rows, data: all });
} else {
  console.log([heads, ...rows].map((row) => row.join('\t')).join('\n'));
}
