// What a service notices of a capture: its pause, the latency of its answers, its speed afterwards; by a
// forked child, inline, by node:v8 and by heapdump, side by side.
//
//   node benchmark/fork/run.mjs --nodes 22,24 --megabytes 200 --kinds small --ways fork,inline
//
// Nodes are paths, or majors found under $STILLHEAP_NODES/MAJOR/bin/node. HEAPDUMP is the path of an
// installed heapdump. One JSON line per run on stdout, and a table at the end.

import { fork } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import http from 'node:http';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const service = path.join(path.dirname(fileURLToPath(import.meta.url)), 'service.js');
const { values } = parseArgs({
  options: {
    nodes: { type: 'string', default: process.execPath },
    megabytes: { type: 'string', default: '200' },
    kinds: { type: 'string', default: 'small' },
    ways: { type: 'string', default: 'fork,inline,v8.writeHeapSnapshot' },
    connections: { type: 'string', default: '8' },
  },
});
const list = (name) => values[name].split(',');
const nodePath = (name) =>
  /^\d+$/.test(name) ? path.join(process.env.STILLHEAP_NODES ?? '/usr/local/nodes', name, 'bin/node') : name;
const median = (numbers) => [...numbers].sort((a, b) => a - b)[numbers.length >> 1];
const round = (number) => Math.round(number * 10) / 10;

/** Asks all the time, as each of the connections gets its answer. Gives [time of asking, latency] pairs. */
function load(port) {
  const agent = new http.Agent({
    keepAlive: true,
    maxSockets: Number(values.connections),
  });
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
  return {
    perSecond: Math.round((during.length / (to - from)) * 1000),
    p50: at(0.5),
    p99: at(0.99),
    max: at(1),
  };
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
    let children = '';
    try {
      children = fs.readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim();
    } catch {}
    for (const one of children ? children.split(' ') : []) child = Math.max(child, high(one));
  }, 20);
  return () => {
    clearInterval(timer);
    return {
      parentMB: Math.round(Math.max(parent, high(pid))),
      childMB: Math.round(child),
    };
  };
}

async function run(node, megabytes, kind, way) {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'stillheap-bench-'));
  const heap = `--max-old-space-size=${Number(megabytes) * 4 + 1500}`;
  const child = fork(service, [megabytes, kind], {
    execPath: nodePath(node),
    execArgv: [heap],
    env: { ...process.env, NODE_HEAPDUMP_OPTIONS: 'nosignal' },
  });
  const message = async () => (await once(child, 'message'))[0];
  const { port, loop: before } = await message();
  const requests = load(port);
  await new Promise((resolve) => setTimeout(resolve, 3000));
  const begun = performance.now();
  const memory = watchMemory(child.pid);
  child.send({ way, file: path.join(directory, 'a.heapsnapshot') });
  const { totalMs, result, error } = await message();
  const ended = performance.now();
  const peak = memory();
  await requests.stop();
  child.send({ again: true });
  const { loop: after } = await message();
  child.disconnect();
  await once(child, 'exit');
  fs.rmSync(directory, { recursive: true });
  const row = {
    node,
    megabytes: Number(megabytes),
    kind,
    way,
    error,
    pauseMs: result?.pauseMs && round(result.pauseMs),
    pauseParts: result?.pauseParts,
    attempts: result?.attempts,
    prepareMs: result?.prepareMs,
    memory: result?.memory,
    totalMs: Math.round(totalMs),
    quiet: latency(requests.samples, begun - 2500, begun),
    during: latency(requests.samples, begun, ended),
    loopRatio: Math.round((median(after) / median(before)) * 100) / 100,
    ...peak,
  };
  console.log(JSON.stringify(row));
  return row;
}

const rows = [];
for (const node of list('nodes'))
  for (const megabytes of list('megabytes'))
    for (const kind of list('kinds'))
      for (const way of list('ways')) rows.push(await run(node, megabytes, kind, way));
console.log(
  '\n| Node | MB | heap | way | pause ms | total s | p50 / p99 / max ms quiet | during | req/s quiet → during | speed after | peak RSS MB, child |',
);
console.log('|---|---|---|---|---|---|---|---|---|---|---|');
for (const r of rows) {
  const lat = ({ p50, p99, max }) => `${p50} / ${p99} / ${max}`;
  console.log(
    `| ${[r.node, r.megabytes, r.kind, r.way, r.pauseMs ?? '–', (r.totalMs / 1000).toFixed(1), lat(r.quiet), lat(r.during), `${r.quiet.perSecond} → ${r.during.perSecond}`, r.loopRatio, `${r.parentMB}, ${r.childMB}`].join(' | ')} |`,
  );
}
