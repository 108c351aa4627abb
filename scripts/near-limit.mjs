// What is left of processes that run into their heap limit: every supported Node, limits from 50 to 400 MB, small
// objects, strings, one huge array, from timers and in a synchronous loop, free and in a memory control group of
// 512 MB. One process at a time. Prints one line of JSON per case as it ends, and a table with --table.
// docs/near-limit.md has a record.
//
//   node scripts/near-limit.mjs [--node 22] [--limit 50,100] [--kind objects] [--group none,512] [--minutes 5]
//   node scripts/near-limit.mjs --rival heapsnapshot-near-heap-limit|writeHeapSnapshot|none
//   node scripts/near-limit.mjs --table FILE…      draws the lines of earlier runs and runs nothing

import { spawn } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { nodeBinary, supported } from './node-versions.mjs';
import { root } from './setup.mjs';

const kinds = {
  objects: 'for (let i = 0; i < 5000; i++) keep.push(new Small(i));',
  strings: "keep.push(Buffer.alloc(100_000, 97).toString('latin1') + keep.length);",
  array: 'for (let i = 0; i < 50_000; i++) keep.push(i + 0.5);',
  loop: 'for (;;) keep.push(new Small(keep.length));',
  // Collections that free next to nothing: V8 calls from inside one of them. Only where it's asked for, with small limits:
  // Node 20 takes its time.
  garbage:
    'for (;;) { for (let i = 0; i < 1000; i++) { keep.push([i, i, i]); garbage = new Array(10).fill(i); } }',
};

/** Rivals never get longer than we do, and no run is waited for without a limit. */
const PATIENCE = 60_000;

/** How the process asks for its snapshot; ours, and what else there is. */
const ways = {
  stillheap: (milliseconds) =>
    `require(${JSON.stringify(root)}).captureNearHeapLimit({ timeLimit: ${milliseconds} });`,
  'heapsnapshot-near-heap-limit': () => "require('node:v8').setHeapSnapshotNearHeapLimit(1);",
  // What people do by hand: look at the heap now and then, and write when it is nearly full.
  writeHeapSnapshot: () => `
    const v8 = require('node:v8');
    const full = () => {
      const { used_heap_size, heap_size_limit } = v8.getHeapStatistics();
      return used_heap_size > 0.8 * heap_size_limit;
    };
    const looking = setInterval(() => full() && (clearInterval(looking), v8.writeHeapSnapshot()), 10);`,
  none: () => '',
};

function program(kind, way, milliseconds) {
  return `${ways[way](milliseconds)}
    class Small { constructor(i) { this.i = i; this.next = { i }; } }
    const keep = [];
    let garbage;
    setInterval(() => { ${kinds[kind]} }, 0);`;
}

const hierarchies = [
  {
    root: '/sys/fs/cgroup/memory',
    limit: 'memory.limit_in_bytes',
    peak: 'memory.max_usage_in_bytes',
    events: 'memory.oom_control',
  },
  { root: '/sys/fs/cgroup', limit: 'memory.max', peak: 'memory.peak', events: 'memory.events' },
];

/** A control group, by which children that outlive the process are found, too; undefined where none can be made. */
function makeGroup(bytes) {
  for (const hierarchy of hierarchies) {
    const directory = path.join(hierarchy.root, `stillheap-limit-${process.pid}`);
    const read = (name) => {
      try {
        return fs.readFileSync(path.join(directory, name), 'utf8');
      } catch {
        return '';
      }
    };
    try {
      fs.mkdirSync(directory);
      fs.accessSync(path.join(directory, hierarchy.limit), fs.constants.W_OK);
      if (bytes !== undefined) fs.writeFileSync(path.join(directory, hierarchy.limit), String(bytes));
    } catch {
      fs.rmSync(directory, { recursive: true, force: true });
      continue;
    }
    return {
      directory,
      members: () => read('cgroup.procs').split('\n').filter(Boolean).map(Number),
      figures: () => ({
        peakMB: Math.round(Number(read(hierarchy.peak)) / 2 ** 20) || undefined,
        kernelKilled: Number(/^oom_kill (\d+)$/m.exec(read(hierarchy.events))?.[1] ?? 0),
      }),
    };
  }
  return undefined;
}

function sleep(milliseconds) {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

function kill(pid) {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    if (error.code !== 'ESRCH') throw error;
  }
}

/** Ends what is left in the group, and removes it. */
async function removeGroup(group) {
  while (fs.existsSync(group.directory)) {
    group.members().forEach(kill);
    try {
      fs.rmdirSync(group.directory);
    } catch {
      await sleep(50);
    }
  }
}

async function runCase({ node, limit, kind, group, way, minutes }) {
  const cwd = fs.mkdtempSync(path.join(os.tmpdir(), 'stillheap-limit-'));
  const place = makeGroup(group === 'none' ? undefined : Number(group) * 2 ** 20);
  if (group !== 'none' && place === undefined) throw new Error('No memory control group can be made here.');
  const source = program(kind, way, minutes * 60_000);
  const command = [nodeBinary(node), `--max-old-space-size=${limit}`, '-e', source];
  const enter = place ? ['/bin/sh', '-c', `echo $$ > ${place.directory}/cgroup.procs && exec "$0" "$@"`] : [];
  const begun = performance.now();
  const [file, ...args] = [...enter, ...command];
  const child = spawn(file, args, {
    cwd,
    stdio: ['ignore', 'ignore', 'pipe'],
    env: { ...process.env, NODE_HEAPDUMP_OPTIONS: 'nosignal', NODE_OPTIONS: '' },
  });
  let said = '';
  child.stderr.setEncoding('utf8').on('data', (text) => {
    said = (said + text).slice(-100_000);
  });
  let ranOut = false;
  const timer = setTimeout(
    () => {
      ranOut = true;
      for (const pid of [child.pid, ...(place?.members() ?? [])]) kill(pid);
    },
    minutes * 60_000 + PATIENCE,
  );
  const ended = await new Promise((resolve) => child.once('exit', (code, signal) => resolve(signal ?? code)));
  clearTimeout(timer);
  const seconds = Number(((performance.now() - begun) / 1000).toFixed(1));
  const figures = place?.figures();
  if (place) await removeGroup(place);
  const why = ranOut ? 'time limit of this script' : fatal(said);
  const outcome = { node, limit, kind, group, way, ended, why, seconds, ...figures, ...left(cwd) };
  fs.rmSync(cwd, { recursive: true, force: true });
  return outcome;
}

/** What V8 said when it ended the process. */
function fatal(said) {
  return /^FATAL ERROR: (.*)$/m.exec(said)?.[1];
}

/** What is in the directory: the snapshot's size, whether it is whole, and what the report says. */
function left(directory) {
  const names = fs.readdirSync(directory);
  const name = names.find((name) => name.endsWith('.heapsnapshot') && !name.startsWith('.'));
  const report = names.find((name) => name.endsWith('.json'));
  const outcome = { snapshotMB: 0, whole: false, report: report !== undefined };
  if (name) {
    const file = path.join(directory, name);
    const { size } = fs.statSync(file);
    const tail = Buffer.alloc(Math.min(16, size));
    const descriptor = fs.openSync(file);
    fs.readSync(descriptor, tail, 0, tail.length, Math.max(0, size - tail.length));
    fs.closeSync(descriptor);
    outcome.snapshotMB = Number((size / 1e6).toFixed(1));
    outcome.whole = tail.toString('latin1').trimEnd().endsWith(']}');
  }
  if (report) {
    const { snapshot } = JSON.parse(fs.readFileSync(path.join(directory, report), 'utf8'));
    const { result, error } = snapshot ?? {};
    outcome.attempts = result?.attempts;
    outcome.pauseSeconds = result && Number((result.pauseMs / 1000).toFixed(1));
    outcome.diskMB = result?.memory?.disk && Math.round(result.memory.disk / 1e6);
    outcome.error = error && `${error.code}: ${error.message}`;
  }
  return outcome;
}

/** One row per place, limit and program, one column per Node. */
function table(outcomes) {
  const cell = ({ whole, snapshotMB, seconds, diskMB, report, error, why }) => {
    if (whole) return `${snapshotMB} MB, ${seconds} s${diskMB ? `, ${diskMB} MB on disk` : ''}`;
    const reason = error ? error.slice(0, error.indexOf(':')) : (why ?? 'killed');
    return `${report ? 'report' : 'nothing'} (${reason}), ${seconds} s`;
  };
  const rows = new Map();
  const place = ({ way, group, limit, kind }) => [
    Object.keys(ways).indexOf(way),
    group === 'none' ? 0 : Number(group),
    limit,
    Object.keys(kinds).indexOf(kind),
  ];
  const byPlace = (a, b) => {
    const [one, other] = [place(a), place(b)];
    return one.map((value, n) => value - other[n]).find((difference) => difference !== 0) ?? 0;
  };
  // Of a case that was run twice, the later one.
  for (const outcome of outcomes.toSorted(byPlace)) {
    const { group, limit, kind, way } = outcome;
    const name = `| ${group === 'none' ? '–' : `${group} MB`} | ${limit} MB | ${kind}`;
    const key = way === 'stillheap' ? name : `${name}, ${way}`;
    if (!rows.has(key)) rows.set(key, new Map());
    rows.get(key).set(outcome.node, cell(outcome));
  }
  const nodes = [...new Set(outcomes.map(({ node }) => node))].sort();
  const lines = [...rows].map(
    ([key, cells]) => `${key} | ${nodes.map((node) => cells.get(node) ?? '').join(' | ')} |`,
  );
  const head = `| group | limit | fills with | ${nodes.map((node) => `Node ${node}`).join(' | ')} |`;
  return [head, `|---|---|---|${'---|'.repeat(nodes.length)}`, ...lines].join('\n');
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    node: { type: 'string', default: supported.join() },
    limit: { type: 'string', default: '50,100,200,400' },
    kind: { type: 'string', default: 'objects,strings,array,loop' },
    group: { type: 'string', default: 'none,512' },
    rival: { type: 'string', default: 'stillheap' },
    minutes: { type: 'string', default: '20' },
    table: { type: 'boolean', default: false },
  },
});

if (values.table) {
  const lines = positionals.flatMap((file) => fs.readFileSync(file, 'utf8').trim().split('\n'));
  console.log(table(lines.map((line) => JSON.parse(line))));
} else {
  let good = true;
  for (const group of values.group.split(',')) {
    for (const limit of values.limit.split(',').map(Number)) {
      for (const kind of values.kind.split(',')) {
        for (const node of values.node.split(',').map(Number)) {
          const minutes = Number(values.minutes);
          const outcome = await runCase({ node, limit, kind, group, way: values.rival, minutes });
          good &&= outcome.whole || outcome.report;
          console.log(JSON.stringify(outcome));
        }
      }
    }
  }
  process.exitCode = good ? 0 : 1;
}
