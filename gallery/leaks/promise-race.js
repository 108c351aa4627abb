'use strict';

// Every job is raced against one promise that only settles at shutdown. Promise.race leaves a reaction on it
// each time, and the reaction holds the race, its outcome and what that holds.

const { traffic } = require('../support/traffic.js');

class JobResult {
  constructor(n) {
    this.n = n;
    this.rows = Array.from({ length: 25 }, (_, row) => ({ row, value: `${n}:${row}` }));
  }
}

const shutdown = new Promise((resolve) => {
  process.once('SIGTERM', resolve);
});

async function query(n) {
  await null;
  return new JobResult(n);
}

async function runJob(n) {
  const result = await Promise.race([shutdown, query(n)]);
  return result.rows.length;
}

traffic(runJob, { calls: 500 });
