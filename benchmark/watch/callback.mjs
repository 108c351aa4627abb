// What the watch adds to a single collection: minor collections of an almost empty young generation, with and
// without it in turns, in one process. The least of many rounds is compared, which a busy machine falsifies least.
//
//   node --expose-gc benchmark/watch/callback.mjs

import { PerformanceObserver } from 'node:perf_hooks';
import stillheap from '../../index.js';

const collections = 1000;
const rounds = 60;

function round() {
  const begun = process.hrtime.bigint();
  for (let i = 0; i < collections; i++) globalThis.gc({ type: 'minor' });
  return Number(process.hrtime.bigint() - begun) / collections;
}

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

const least = {};
for (let n = 0; n < rounds; n++) {
  for (const [name, start] of Object.entries(modes)) {
    const stop = start();
    least[name] = Math.min(least[name] ?? Number.POSITIVE_INFINITY, round());
    stop();
    await new Promise((resolve) => setImmediate(resolve));
  }
}
for (const [name, time] of Object.entries(least)) {
  const more = time - least.nothing;
  console.log(
    `${name.padEnd(14)} ${(time / 1000).toFixed(2).padStart(8)} µs per collection, ${more.toFixed(0)} ns more`,
  );
}
