'use strict';

// Each job talks over a channel of its own, which nobody closes. A port that listens lives until it is closed,
// though no variable of the program holds it: its native handle does.

const { MessageChannel } = require('node:worker_threads');
const { traffic } = require('../support/traffic.js');

class Job {
  constructor(n) {
    this.n = n;
    this.steps = Array.from({ length: 30 }, (_, step) => ({ step, state: 'waiting' }));
  }
}

function runJob(n) {
  const job = new Job(n);
  const { port1, port2 } = new MessageChannel();
  port1.on('message', function report(state) {
    job.steps[0].state = state;
  });
  port1.unref();
  port2.postMessage('done');
}

traffic(runJob, { calls: 200 });
