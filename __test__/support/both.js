'use strict';

// Two snapshots of one heap, by two engines: the JavaScript thread asks by signal, waits, and runs nothing but a loop
// between the two forks.

const { mkdirSync, readdirSync } = require('node:fs');
const path = require('node:path');

/** The files by their engine. The process must have STILLHEAP_MODE=fork. */
function captureBoth(stillheap, directory, engines) {
  const cell = new Int32Array(new SharedArrayBuffer(4));
  const found = (dir) => readdirSync(dir).find((name) => /^[^.].*heapsnapshot$/.test(name));
  const directories = engines.map((engine) => path.join(directory, engine));
  for (const dir of directories) mkdirSync(dir, { recursive: true });
  for (const [n, dir] of directories.entries()) {
    stillheap.configure({ engine: engines[n], dir, signal: 'SIGUSR2' });
    process.kill(process.pid, 'SIGUSR2');
    // Leaves the CPU to the child; what interrupts the thread runs between two waits.
    while (found(dir) === undefined) Atomics.wait(cell, 0, 0, 20);
  }
  return Object.fromEntries(directories.map((dir, n) => [engines[n], path.join(dir, found(dir))]));
}

module.exports = { captureBoth };
