// What watching costs: an allocation-heavy loop and HTTP requests, without a watch, with one, with one whose `gc` is
// listened to, with Node's own observer of collections, and with sampled allocations (captureNearHeapLimit's `sample`).
//
// Each round runs every mode once, each in a process of its own, beginning with another one each time, and is compared
// within itself: what the machine does for minutes at a time falls on all alike. Shown are the median of the rounds'
// ratios with its quartiles, and the ratio of the shortest runs, which noise only lengthens; of the time on the clock and
// of the CPU's. Wants a quiet machine all the same: `nothing again` is how much of it is chance.
//
//   node benchmark/watch/overhead.mjs [--rounds 21] [--node 22] [--work allocation,http] [--modes watch,perf_hooks]

import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { nodeBinary } from '../../scripts/node-versions.mjs';

const base = 'nothing';
const others = ['nothing again', 'watch', 'watch with gc', 'perf_hooks', 'sampling'];

/** Objects that live for a while, so that both generations have work: thousands of collections in a few seconds. */
function allocate() {
  const kept = new Array(50_000);
  const begun = process.hrtime.bigint();
  for (let i = 0; i < 40_000_000; i++) kept[i % kept.length] = { i, text: `${i % 100}` };
  return Number(process.hrtime.bigint() - begun) / 1e6;
}

async function serve() {
  const http = await import('node:http');
  const body = JSON.stringify(Array.from({ length: 50 }, (_, id) => ({ id, name: `user ${id}` })));
  const server = http.createServer((_request, response) => response.end(JSON.stringify(JSON.parse(body))));
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const agent = new http.Agent({ keepAlive: true, maxSockets: 8 });
  const ask = () =>
    new Promise((resolve, reject) => {
      const options = { port: server.address().port, host: '127.0.0.1', agent };
      http.get(options, (response) => response.resume().on('end', resolve)).on('error', reject);
    });
  let left = 8000;
  const begun = process.hrtime.bigint();
  await Promise.all(
    Array.from({ length: 8 }, async () => {
      while (left-- > 0) await ask();
    }),
  );
  const time = Number(process.hrtime.bigint() - begun) / 1e6;
  agent.destroy();
  server.close();
  return time;
}

async function round(mode, work) {
  const { createRequire } = await import('node:module');
  const require = createRequire(import.meta.url);
  let [seen, full] = [0, 0];
  // Loaded in every mode: what loading costs is measured elsewhere.
  const stillheap = require('../../index.js');
  if (mode.startsWith('watch')) {
    const watch = stillheap.watch();
    if (mode === 'watch with gc') watch.on('gc', () => seen++);
  } else if (mode === 'perf_hooks') {
    const { PerformanceObserver, constants } = await import('node:perf_hooks');
    new PerformanceObserver((list) => {
      seen += list.getEntries().length;
      const isFull = ({ detail }) => detail.kind === constants.NODE_PERFORMANCE_GC_MAJOR;
      full += list.getEntries().filter(isFull).length;
    }).observe({ entryTypes: ['gc'] });
  } else if (mode === 'sampling') {
    stillheap.captureNearHeapLimit({ sample: true });
  }
  const before = process.cpuUsage();
  const time = work === 'allocation' ? allocate() : await serve();
  const { user, system } = process.cpuUsage(before);
  await new Promise((resolve) => setTimeout(resolve, 20));
  process.stdout.write(JSON.stringify({ time, cpu: (user + system) / 1000, seen, full }));
  process.exit();
}

/** The value below which so large a part of them lies. */
function quantile(values, part) {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.round((sorted.length - 1) * part)];
}

function line(work, mode, figures, reference) {
  const parts = ['time', 'cpu'].map((what) => {
    const own = figures.map((round) => round[what]);
    const theirs = reference.map((round) => round[what]);
    const ratios = own.map((value, n) => value / theirs[n]);
    const percent = (ratio) => `${((ratio - 1) * 100).toFixed(2)} %`.padStart(8);
    const [low, middle, high] = [0.25, 0.5, 0.75].map((part) => percent(quantile(ratios, part)));
    const least = percent(Math.min(...own) / Math.min(...theirs));
    const label = what === 'time' ? 'clock' : 'CPU  ';
    return `${label} ${quantile(own, 0.5).toFixed(0).padStart(6)} ms ${middle} (${low} to${high}), least ${least}`;
  });
  return `${work.padEnd(10)} ${mode.padEnd(13)} ${parts.join('   ')}`;
}

function main() {
  const { values } = parseArgs({
    options: {
      rounds: { type: 'string', default: '21' },
      node: { type: 'string', default: '22' },
      work: { type: 'string', default: 'allocation,http' },
      modes: { type: 'string', default: others.join() },
    },
  });
  const script = fileURLToPath(import.meta.url);
  const modes = [base, ...values.modes.split(',')];
  for (const work of values.work.split(',')) {
    const figures = new Map(modes.map((mode) => [mode, []]));
    for (let n = 0; n < Number(values.rounds); n++) {
      for (let m = 0; m < modes.length; m++) {
        const mode = modes[(n + m) % modes.length];
        const { stdout, status } = spawnSync(nodeBinary(Number(values.node)), [script, 'round', mode, work]);
        if (status !== 0) throw new Error(`${work}, ${mode}: status ${status}`);
        figures.get(mode).push(JSON.parse(stdout));
      }
    }
    for (const mode of modes) console.log(line(work, mode, figures.get(mode), figures.get(base)));
  }
}

if (process.argv[2] === 'round') await round(process.argv[3], process.argv[4]);
else main();
