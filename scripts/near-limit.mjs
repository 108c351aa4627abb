// What is left of processes that run into their heap limit: every supported Node, limits from 50 to 400 MB, small
// objects, strings, one huge array, from timers and in a synchronous loop, free and in a memory control group of
// 512 MB. Prints one line per case, and a table in Markdown with --table. docs/near-limit.md has a record.
//
//   node scripts/near-limit.mjs [--node 22] [--limit 50,100] [--kind objects] [--group none|512] [--table]
//   node scripts/near-limit.mjs --rival writeHeapSnapshot|heapsnapshot-near-heap-limit|none

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
};

/** How the process asks for its snapshot; ours, and what else there is. */
const ways = {
  stillheap: `require(${JSON.stringify(root)}).captureNearHeapLimit({ quiet: true });`,
  'heapsnapshot-near-heap-limit': "require('node:v8').setHeapSnapshotNearHeapLimit(1);",
  none: '',
};

function program(kind, way) {
  return `${ways[way]}
    class Small { constructor(i) { this.i = i; this.next = { i }; } }
    const keep = [];
    setInterval(() => { ${kinds[kind]} }, 0);`;
}

/** A control group's directory, or undefined where none can be made. */
function makeGroup(megabytes) {
  for (const [hierarchy, limit] of [
    ['/sys/fs/cgroup/memory', 'memory.limit_in_bytes'],
    ['/sys/fs/cgroup', 'memory.max'],
  ]) {
    const directory = path.join(hierarchy, `stillheap-limit-${process.pid}`);
    try {
      fs.mkdirSync(directory);
      fs.writeFileSync(path.join(directory, limit), String(megabytes * 1024 * 1024));
      return directory;
    } catch {
      fs.rmSync(directory, { recursive: true, force: true });
    }
  }
  return undefined;
}

function sleep(milliseconds) {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

async function runCase({ node, limit, kind, group, way }) {
  const cwd = fs.mkdtempSync(path.join(os.tmpdir(), 'stillheap-limit-'));
  const directory = group === 'none' ? undefined : makeGroup(Number(group));
  if (group !== 'none' && directory === undefined)
    throw new Error('No memory control group can be made here.');
  const command = [nodeBinary(node), `--max-old-space-size=${limit}`, '-e', program(kind, way)];
  const wrapper = directory ? ['/bin/sh', '-c', `echo $$ > ${directory}/cgroup.procs && exec "$0" "$@"`] : [];
  const begun = performance.now();
  const [file, ...args] = [...wrapper, ...command];
  const child = spawn(file, args, {
    cwd,
    stdio: 'ignore',
    env: { ...process.env, NODE_HEAPDUMP_OPTIONS: 'nosignal', NODE_OPTIONS: '' },
  });
  const timer = setTimeout(() => child.kill('SIGKILL'), 1_200_000);
  const ended = await new Promise((resolve) => child.once('exit', (code, signal) => resolve(signal ?? code)));
  clearTimeout(timer);
  const seconds = (performance.now() - begun) / 1000;
  if (directory) {
    while (fs.existsSync(directory)) {
      try {
        fs.rmdirSync(directory);
      } catch {
        await sleep(50);
      }
    }
  }
  const outcome = { node, limit, kind, group, way, ended, seconds: Number(seconds.toFixed(1)), ...left(cwd) };
  fs.rmSync(cwd, { recursive: true, force: true });
  return outcome;
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
    outcome.diskMB = result?.memory?.disk && Math.round(result.memory.disk / 1e6);
    outcome.error = error?.code;
  }
  return outcome;
}

const { values } = parseArgs({
  options: {
    node: { type: 'string' },
    limit: { type: 'string', default: '50,100,200,400' },
    kind: { type: 'string', default: Object.keys(kinds).join() },
    group: { type: 'string', default: 'none,512' },
    rival: { type: 'string', default: 'stillheap' },
    table: { type: 'boolean', default: false },
  },
});

const outcomes = [];
for (const node of values.node ? values.node.split(',').map(Number) : supported) {
  for (const group of values.group.split(',')) {
    for (const limit of values.limit.split(',').map(Number)) {
      for (const kind of values.kind.split(',')) {
        const outcome = await runCase({ node, limit, kind, group, way: values.rival });
        outcomes.push(outcome);
        console.log(JSON.stringify(outcome));
      }
    }
  }
}
if (values.table) {
  console.log(
    '\n| Node | group | limit | fills with | snapshot | seconds | on disk |\n|---|---|---|---|---|---|---|',
  );
  for (const { node, group, limit, kind, snapshotMB, whole, seconds, diskMB, report, error } of outcomes) {
    const snapshot = whole ? `${snapshotMB} MB` : `none${report ? `, report (${error ?? 'killed'})` : ''}`;
    const place = group === 'none' ? '–' : `${group} MB`;
    console.log(
      `| ${node} | ${place} | ${limit} | ${kind} | ${snapshot} | ${seconds} | ${diskMB ? `${diskMB} MB` : '–'} |`,
    );
  }
}
process.exitCode = outcomes.every(({ whole, report }) => whole || report) ? 0 : 1;
