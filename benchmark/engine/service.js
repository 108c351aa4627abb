'use strict';

// A process with a heap of a given size, which captures itself in a forked child with a given engine when it is told.
// service.js MEGABYTES

const stillheap = require('../../index.js');

class Small {
  constructor(i) {
    this.a = i;
    this.b = { i };
  }
}

/** Small objects in parts of a thousand, until they take so many bytes. */
function fill(bytes) {
  const keep = [];
  const begun = process.memoryUsage().heapUsed;
  let objects = 0;
  while (process.memoryUsage().heapUsed - begun < bytes) {
    for (let part = 0; part < 4; part++) {
      keep.push(Array.from({ length: 1000 }, (_, n) => new Small(objects + n)));
      objects += 1000;
    }
  }
  return keep;
}

globalThis.keep = fill(Number(process.argv[2]) * 1e6);
// Everything is in the old generation then, and no dead object is left that only one of the engines collects.
globalThis.gc();
globalThis.gc();

process.on('message', async ({ engine, file }) => {
  const { rss, heapUsed } = process.memoryUsage();
  try {
    const result = await stillheap.capture({ engine, file, mode: 'fork', force: true });
    process.send({ rss, heapUsed, result });
  } catch ({ code, message }) {
    process.send({ rss, heapUsed, error: `${code}: ${message}` });
  }
});
process.on('disconnect', () => process.exit());
process.send({ objects: globalThis.keep.length * 1000 });
