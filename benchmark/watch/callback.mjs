// What the watch adds to a single collection, and what part of a program's time that makes.
//
// Collections of an almost empty heap, minor and full ones, with and without the watch in turns, in one process. The
// least of many rounds is compared, which a busy machine falsifies least. Then the two programs of overhead.mjs are run
// with Node's own observer, which counts their collections: what a collection costs more, times so many, is the watch's
// share of their time. Two runs of a whole program differ by more than that.
//
//   node benchmark/watch/callback.mjs [--nodes 20,22,24,26]

import { spawnSync } from 'node:child_process';
import { PerformanceObserver } from 'node:perf_hooks';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import stillheap from '../../index.js';
import { nodeBinary, supported } from '../../scripts/node-versions.mjs';

const rounds = 60;
const kinds = {
  minor: { collect: () => globalThis.gc({ type: 'minor' }), collections: 1000 },
  full: { collect: () => globalThis.gc(), collections: 20 },
};

const modes = {
  nothing: () => () => {},
  watch() {
    const watch = stillheap.watch();
    return () => watch.stop();
  },
  'watch with gc'() {
    const watch = stillheap.watch();
    watch.on('gc', () => {});
    return () => watch.stop();
  },
  perf_hooks() {
    const observer = new PerformanceObserver(() => {});
    observer.observe({ entryTypes: ['gc'] });
    return () => observer.disconnect();
  },
};

/** Microseconds per collection. */
function round({ collect, collections }) {
  const begun = process.hrtime.bigint();
  for (let i = 0; i < collections; i++) collect();
  return Number(process.hrtime.bigint() - begun) / 1000 / collections;
}

/** The least microseconds of each mode, by kind of collection. */
async function measure() {
  const least = { minor: {}, full: {} };
  for (let n = 0; n < rounds; n++) {
    for (const [name, start] of Object.entries(modes)) {
      const stop = start();
      for (const [kind, how] of Object.entries(kinds)) {
        least[kind][name] = Math.min(least[kind][name] ?? Number.POSITIVE_INFINITY, round(how));
      }
      stop();
      await new Promise((resolve) => setImmediate(resolve));
    }
  }
  return least;
}

const run = (node, ...args) => {
  const { stdout, stderr, status } = spawnSync(node, args, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`${args.join(' ')}: status ${status}\n${stderr}`);
  return JSON.parse(stdout);
};

async function main() {
  const { values } = parseArgs({ options: { nodes: { type: 'string', default: supported.join() } } });
  const script = fileURLToPath(import.meta.url);
  const programs = fileURLToPath(new URL('overhead.mjs', import.meta.url));
  for (const major of values.nodes.split(',')) {
    const node = nodeBinary(Number(major));
    const least = run(node, '--expose-gc', script, 'measure');
    for (const [kind, times] of Object.entries(least)) {
      const cells = Object.entries(times).map(([mode, time]) => {
        return `${mode} ${time.toFixed(2)} (+${(time - times.nothing).toFixed(2)})`;
      });
      console.log(`Node ${major}, µs per ${kind} collection: ${cells.join(', ')}`);
    }
    for (const work of ['allocation', 'http']) {
      const { time, seen, full } = run(node, programs, 'round', 'perf_hooks', work);
      const share = (mode) => {
        const more = (kind) => least[kind][mode] - least[kind].nothing;
        return (((seen - full) * more('minor') + full * more('full')) / (time * 1000)) * 100;
      };
      const shares = ['watch', 'watch with gc', 'perf_hooks'].map(
        (mode) => `${mode} ${share(mode).toFixed(3)} %`,
      );
      console.log(
        `Node ${major}, ${work}: ${seen} collections, ${full} of them full, in ${time.toFixed(0)} ms: ${shares.join(', ')}`,
      );
    }
  }
}

if (process.argv[2] === 'measure') process.stdout.write(JSON.stringify(await measure()));
else await main();
