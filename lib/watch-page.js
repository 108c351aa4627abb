'use strict';

// Shows what a watch sees on the process's status page, where `stillheap watch PID` reads it.

/** What V8 and the process stopped for, in milliseconds. */
function pausedMs(collections) {
  return Object.values(collections).reduce((sum, { totalMs }) => sum + totalMs, 0);
}

function sample(watch, { at, used, limit, memory, velocity, collections }) {
  return {
    at: at.getTime(),
    used,
    limit,
    rss: memory.rss === null ? null : Math.round(memory.rss),
    external: memory.external,
    velocity,
    collections: collections.full,
    pausedMs: pausedMs(watch.collections),
  };
}

/** The sentence that an event has, or what can be said of it. */
function sentence(kind, data) {
  if (kind !== 'captured') return data.reason;
  const files = data.files.map(({ file }) => file).join(', ');
  return `${data.complete ? 'all' : 'so far'}: ${files}`;
}

/** Publishes a watch's events until it is stopped. */
function publish(watch, isolate) {
  const tell = (news) => isolate.publishWatch(JSON.stringify(news));
  tell({ begun: null });
  watch.on('stats', (stats) => tell({ sample: sample(watch, stats) }));
  for (const kind of ['leak', 'settled', 'pressure', 'captured']) {
    watch.on(kind, (data) => tell({ note: { at: Date.now(), kind, text: sentence(kind, data) } }));
  }
  return () => tell({ ended: null });
}

module.exports = { publish };
