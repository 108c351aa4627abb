// watch(), memwatch and the metrics, as TypeScript sees them. Compiled, never run.

import type { Leak, Watch, WatchOptions, WatchStats } from 'stillheap';
import stillheap = require('stillheap');
import memwatch = require('stillheap/memwatch');
import metrics = require('stillheap/metrics');

const options: WatchOptions = {
  strategy: 'consecutive',
  warmup: 0,
  minTime: 1000,
  minGrowth: 1e6,
  minShare: 0.1,
  minSamples: 8,
  minSteadiness: 0.7,
  minConfidence: 0.5,
  minClarity: 4,
  consecutive: 5,
  fullGc: 'wait',
  pressureShare: 0.9,
  pressureTime: 1000,
  interval: 1000,
  signal: new AbortController().signal,
};
const watch: Watch = stillheap.watch(options);
watch.on('leak', (leak: Leak) => {
  const { what, start, growth, velocity, reason, confidence, timeToLimit } = leak;
  what satisfies 'heap' | 'external' | 'native';
  // @ts-expect-error: null where nothing limits it
  const left: number = timeToLimit;
  return [start.getTime(), growth, velocity, reason.length, confidence, left];
});
watch.on('stats', ({ memory, headroom }: WatchStats) => [memory.rss, memory.native, headroom]);
watch.on('settled', ({ how }) => how satisfies 'stopped' | 'released');
watch.on('pressure', ({ limitedBy, share }) => [limitedBy.length, share.toFixed()]);
watch.on('gc', ({ kind, duration, after }) => [kind, duration, after.spaces?.old_space?.used]);
// @ts-expect-error: an event that there isn't
watch.on('leaks', () => {});
// @ts-expect-error: an option that there isn't
stillheap.watch({ minimumTime: 1 });
// @ts-expect-error: a strategy that there isn't
stillheap.watch({ strategy: 'guess' });
const engine: 'v8' | 'perf_hooks' = watch.engine;
const major: number | undefined = watch.collections.major?.count;
watch.gc();
watch.stop();

memwatch.on('leak', ({ start, end, growth, reason }) => [start, end, growth, reason]);
memwatch.on('stats', ({ num_full_gc, usage_trend, estimated_base }) => [
  num_full_gc,
  usage_trend,
  estimated_base,
]);
memwatch.configure({ strategy: 'consecutive' });
memwatch.gc();
const diff = new memwatch.HeapDiff();
const { before, change } = diff.end();
const details: { what: string; '+': number; '-': number }[] = change.details;
new memwatch.HeapDiff({ mode: 'inline', dir: '/tmp' }).endAsync().then(({ after }) => after.size.length);
// @ts-expect-error: a mode that there isn't
new memwatch.HeapDiff({ mode: 'spoon' });

const remove: () => void = metrics.registerProm({ registerMetric: () => {} }, { watch, prefix: 'app_' });

export = [engine, major, before.time.getTime(), details, remove];
