'use strict';

// Workers that watch their heaps and end in every way. `node watch-worker.js PACKAGE`

const { once } = require('node:events');
const { isMainThread, parentPort, Worker, workerData } = require('node:worker_threads');

const stillheap = require(isMainThread ? process.argv[2] : workerData.package_);

if (isMainThread) {
  main();
} else {
  const watch = stillheap.watch({ interval: 10 });
  watch.on('gc', () => {});
  watch.once('stats', ({ memory }) => {
    parentPort.postMessage(memory.rss);
    // When that has come, since what is posted just before an exit may get lost.
    if (workerData.how === 'exit') parentPort.once('message', () => process.exit(0));
    // Collections follow each other until the thread is ended among them.
    if (workerData.how === 'busy') for (;;) watch.gc();
    if (workerData.how === 'leave') clearInterval(alive);
  });
  const alive = setInterval(() => {}, 1000);
  const keep = Array.from({ length: 50_000 }, (_, i) => ({ i }));
  watch.gc();
  if (workerData.how === 'terminate') setInterval(() => keep.push({}), 1);
}

async function main() {
  const watch = stillheap.watch();
  const ends = [];
  const rss = new Set();
  let stats = 0;
  watch.on('stats', () => stats++);
  for (let round = 0; round < 3; round++) {
    for (const how of ['busy', 'terminate', 'exit', 'leave']) {
      const worker = new Worker(__filename, { workerData: { how, package_: process.argv[2] } });
      // Its end may come in the same turn as its message.
      const ended = once(worker, 'exit');
      const [message] = await once(worker, 'message');
      rss.add(message);
      if (how === 'busy' || how === 'terminate') worker.terminate();
      if (how === 'exit') worker.postMessage('seen');
      const [code] = await ended;
      ends.push(code);
      watch.gc();
    }
  }
  await new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
  console.log(JSON.stringify({ ends, stats, rss: [...rss] }));
}
