'use strict';

// Where V8 can't be watched from inside: Node's own observer of collections, which tells of them a moment later,
// so that what lives is measured with what has been allocated since.

const { PerformanceObserver, constants } = require('node:perf_hooks');
const v8 = require('node:v8');

const kindNames = new Map([
  [constants.NODE_PERFORMANCE_GC_MINOR, 'minor'],
  [constants.NODE_PERFORMANCE_GC_MAJOR, 'major'],
  [constants.NODE_PERFORMANCE_GC_INCREMENTAL, 'incremental'],
  [constants.NODE_PERFORMANCE_GC_WEAKCB, 'weakcb'],
]);

function used(wanted) {
  let sum = 0;
  for (const space of v8.getHeapSpaceStatistics()) {
    if (wanted(space.space_name)) sum += space.space_used_size;
  }
  return sum;
}

function heap() {
  const { used_heap_size, total_heap_size, external_memory } = v8.getHeapStatistics();
  return { used: used_heap_size, total: total_heap_size, external: external_memory };
}

/** Feeds `handle`; `tell` gets what it answers. */
function observe(handle, processFigures, tell) {
  const kinds = Object.create(null);
  let detailed = false;

  function sample(full) {
    const statistics = v8.getHeapStatistics();
    return handle.observe(
      JSON.stringify({
        at: handle.now(),
        full,
        minor: kinds.minor?.count ?? 0,
        used: statistics.used_heap_size,
        committed: statistics.total_heap_size,
        limit: statistics.heap_size_limit,
        external: statistics.external_memory,
        old: used((name) => !name.startsWith('new_') && name !== 'read_only_space'),
        code: used((name) => name.startsWith('code_')),
        ...JSON.parse(processFigures()),
      }),
    );
  }

  const observer = new PerformanceObserver((list) => {
    const gc = [];
    let full = false;
    for (const { duration, detail } of list.getEntries()) {
      const kind = kindNames.get(detail.kind) ?? 'major';
      kinds[kind] ??= { count: 0, totalMs: 0, longestMs: 0, buckets: [] };
      kinds[kind].count++;
      kinds[kind].totalMs += duration;
      kinds[kind].longestMs = Math.max(kinds[kind].longestMs, duration);
      full ||= kind === 'major';
      // What was before is unknown.
      if (detailed) gc.push({ kind, start: handle.now() - duration, duration, forced: false, after: heap() });
    }
    if (gc.length > 0) tell(JSON.stringify({ events: [], gc }));
    if (full) tell(sample(true));
  });
  observer.observe({ entryTypes: ['gc'] });

  return {
    collections: () => structuredClone(kinds),
    setDetailed(wanted) {
      detailed = wanted;
    },
    stop: () => observer.disconnect(),
    tick: () => sample(false),
  };
}

/** By the function that V8 has for its own tests. */
function collectGarbage() {
  v8.setFlagsFromString('--expose-gc');
  require('node:vm').runInNewContext('gc')();
}

module.exports = { collectGarbage, observe };
