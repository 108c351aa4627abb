// What watching costs: an allocation-heavy loop and HTTP requests, without a watch, with one, with one whose `gc` is
// listened to, and with Node's own observer of collections. Rounds alternate; medians and their ratios are shown, of the
// time on the clock and of the CPU's, which a busy machine falsifies less. Wants a quiet machine all the same.
//
//   node benchmark/watch/overhead.mjs [--rounds 9] [--node 22]

import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { nodeBinary } from '../../scripts/node-versions.mjs';

const modes = ['nothing', 'watch', 'watch with gc', 'perf_hooks'];

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
  let seen = 0;
  // Loaded in every mode: what loading costs is measured elsewhere.
  const stillheap = require('../../index.js');
  if (mode.startsWith('watch')) {
    const watch = stillheap.watch();
    if (mode === 'watch with gc') watch.on('gc', () => seen++);
  } else if (mode === 'perf_hooks') {
    const { PerformanceObserver } = await import('node:perf_hooks');
    new PerformanceObserver((list) => {
      seen += list.getEntries().length;
    }).observe({ entryTypes: ['gc'] });
  }
  const before = process.cpuUsage();
  const time = work === 'allocation' ? allocate() : await serve();
  const { user, system } = process.cpuUsage(before);
  process.stdout.write(JSON.stringify({ time, cpu: (user + system) / 1000, seen }));
  process.exit();
}

function median(values) {
  return values.sort((a, b) => a - b)[values.length >> 1];
}

function main() {
  const { values } = parseArgs({
    options: { rounds: { type: 'string', default: '9' }, node: { type: 'string', default: '22' } },
  });
  const script = fileURLToPath(import.meta.url);
  for (const work of ['allocation', 'http']) {
    const times = new Map(modes.map((mode) => [mode, []]));
    for (let n = 0; n < Number(values.rounds); n++) {
      for (const mode of modes) {
        const { stdout, status } = spawnSync(nodeBinary(Number(values.node)), [script, 'round', mode, work]);
        if (status !== 0) throw new Error(`${work}, ${mode}: status ${status}`);
        times.get(mode).push(JSON.parse(stdout));
      }
    }
    const of = (mode, what) => median(times.get(mode).map((figures) => figures[what]));
    for (const mode of modes) {
      const [time, cpu] = [of(mode, 'time'), of(mode, 'cpu')];
      const ratios = [time / of('nothing', 'time'), cpu / of('nothing', 'cpu')].map((ratio) =>
        ratio.toFixed(4),
      );
      console.log(
        `${work.padEnd(10)} ${mode.padEnd(14)} ${time.toFixed(0).padStart(6)} ms ${ratios[0]}  CPU ${cpu.toFixed(0).padStart(6)} ms ${ratios[1]}`,
      );
    }
  }
}

if (process.argv[2] === 'round') await round(process.argv[3], process.argv[4]);
else main();
