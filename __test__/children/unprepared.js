'use strict';

// A service that knows nothing of stillheap: answers requests, allocates, starts programs, has two workers, and takes a
// signal as often as the test sends one. It reports over IPC.

const { exec, spawnSync } = require('node:child_process');
const { createServer } = require('node:http');
const { Worker, isMainThread } = require('node:worker_threads');

class Subscription {
  constructor(id) {
    this.id = id;
    this.topic = `topic ${id}`;
  }
}

const subscriptions = new Map();
function subscribe(id) {
  subscriptions.set(id, new Subscription(id));
}

if (!isMainThread) {
  setInterval(() => Array.from({ length: 500 }, (_, i) => ({ i })), 5);
} else {
  const counts = { signals: 0, spawned: 0, failed: 0, longest: 0 };
  const workers = process.argv.includes('--workers') ? [new Worker(__filename), new Worker(__filename)] : [];
  process.on('SIGUSR2', () => counts.signals++);
  for (let id = 0; id < 5000; id++) subscribe(id);

  const server = createServer((request, response) => {
    if (request.url === '/grow') for (let n = 0; n < 2000; n++) subscribe(subscriptions.size);
    if (request.url === '/spin') setImmediate(spin);
    if (request.url === '/parse') setImmediate(parse);
    response.end(JSON.stringify({ subscriptions: subscriptions.size }));
  });
  // Node closes a connection that seemed idle for five seconds, also when it was the machine that was late: the request
  // that is on its way then fails. A failed request must mean an attach.
  server.keepAliveTimeout = 600_000;
  function spin() {
    for (;;) Math.sqrt(subscriptions.size);
  }
  function parse() {
    const text = JSON.stringify(Array.from({ length: 200_000 }, (_, i) => ({ i, text: 'x'.repeat(10) })));
    for (;;) JSON.parse(text);
  }

  if (process.argv.includes('--busy')) {
    setInterval(() => Array.from({ length: 2000 }, (_, i) => ({ i })), 2);
    setInterval(() => {
      const begun = performance.now();
      const { status } = spawnSync('true');
      counts.spawned++;
      if (status !== 0) counts.failed++;
      counts.longest = Math.max(counts.longest, performance.now() - begun);
    }, 100);
    setInterval(() => {
      exec('exit 0', (error) => {
        counts.spawned++;
        if (error) counts.failed++;
      });
    }, 70);
  }
  process.on('message', () => process.send({ name: 'counts', data: counts }));
  process.on('disconnect', () => process.exit());
  server.listen(0, '127.0.0.1', () => {
    process.send({ name: 'port', data: server.address().port });
  });
  // Kept.
  process.on('exit', () => workers.length);
}
