// Chrome DevTools' engine without the browser: two threads, as in DevTools (the second one computes dominators).
//   node devtools.mjs BUNDLE summary FILE | diff OLD NEW      -> JSON on stdout
import { createReadStream, statSync } from 'node:fs';
import { MessageChannel, Worker, isMainThread, workerData } from 'node:worker_threads';
import { fileURLToPath, pathToFileURL } from 'node:url';

// The engine calls Promise.withResolvers, which Node 20 does not have yet.
Promise.withResolvers ??= () => {
  let resolve, reject;
  const promise = new Promise((yes, no) => {
    resolve = yes;
    reject = no;
  });
  return { promise, resolve, reject };
};

const bundle = isMainThread ? process.argv[2] : workerData.bundle;
const { HeapSnapshotLoader, SecondaryInitManager, NodeFilter } = await import(pathToFileURL(bundle).href);

async function load(file) {
  const loader = new HeapSnapshotLoader({ sendEvent() {} });
  // DevTools' front end hands a file over in chunks of ten million characters; V8's strings end at 2^29.
  for await (const chunk of createReadStream(file, { encoding: 'utf8', highWaterMark: 10_000_000 })) {
    loader.write(chunk);
    // Lets the parser take the chunk: otherwise the whole text would pile up in memory first.
    await new Promise(setImmediate);
  }
  loader.close();
  const { port1, port2 } = new MessageChannel();
  const second = new Worker(fileURLToPath(import.meta.url), {
    workerData: { bundle, port: port2 },
    transferList: [port2],
  });
  const snapshot = await loader.buildSnapshot(port1);
  port1.close();
  await second.terminate();
  return snapshot;
}

const classesOf = (aggregates) =>
  Object.entries(aggregates).map(([key, a]) => ({
    key,
    name: a.name,
    count: a.count,
    distance: a.distance,
    shallowSize: a.self,
    retainedSize: a.maxRet,
  }));

if (!isMainThread) {
  new SecondaryInitManager(workerData.port);
} else if (process.argv[3] === 'summary') {
  const file = process.argv[4];
  const snapshot = await load(file);
  const classes = classesOf(snapshot.aggregatesWithFilter(new NodeFilter()));
  classes.sort((a, b) => b.retainedSize - a.retainedSize);
  const totals = {
    bytes: statSync(file).size,
    nodes: snapshot.nodeCount,
    totalSize: snapshot.getStatistics().total,
  };
  process.stdout.write(`${JSON.stringify({ totals, statistics: snapshot.getStatistics(), classes })}\n`);
} else if (process.argv[3] === 'diff') {
  const [old, young] = [await load(process.argv[4]), await load(process.argv[5])];
  const shapes = young.interfaceDefinitions();
  const rows = young.calculateSnapshotDiff(1, old.aggregatesForDiff(shapes));
  const classes = Object.entries(rows).map(([key, d]) => ({
    key,
    name: d.name,
    addedCount: d.addedCount,
    removedCount: d.removedCount,
    countDelta: d.countDelta,
    addedSize: d.addedSize,
    removedSize: d.removedSize,
    sizeDelta: d.sizeDelta,
  }));
  process.stdout.write(`${JSON.stringify({ classes })}\n`);
}
