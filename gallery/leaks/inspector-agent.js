'use strict';

// A monitoring agent that evaluates an expression through the inspector every minute. Without `returnByValue` or
// `releaseObject`, the inspector keeps each result alive in case its properties are asked for.

const inspector = require('node:inspector');
const { traffic } = require('../support/traffic.js');

class StatusReport {
  constructor(n) {
    this.n = n;
    this.queues = Array.from({ length: 20 }, (_, q) => ({ name: `queue ${q}`, waiting: n % (q + 1) }));
  }
}

globalThis.status = (n) => new StatusReport(n);

const session = new inspector.Session();
session.connect();

function probe(n) {
  return new Promise((resolve, reject) => {
    const expression = `status(${n})`;
    session.post('Runtime.evaluate', { expression, objectGroup: 'agent' }, (error, answer) => {
      if (error) reject(error);
      else resolve(answer.result.objectId);
    });
  });
}

traffic(probe, { calls: 400 });
