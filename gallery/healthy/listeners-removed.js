'use strict';

// Every request listens for an abort, and stops listening when it is done.

const { EventEmitter } = require('node:events');
const { traffic } = require('../support/traffic.js');

const bus = new EventEmitter().setMaxListeners(100);
const shutdown = new AbortController();

class Request {
  constructor(n) {
    this.n = n;
    this.body = Array.from({ length: 40 }, (_, field) => `field ${field} of ${n}`);
  }
}

async function handle(n) {
  const request = new Request(n);
  const onAbort = () => request.body.fill('');
  const onSettings = (settings) => request.body.push(settings);
  bus.on('settings', onSettings);
  shutdown.signal.addEventListener('abort', onAbort);
  await null;
  bus.off('settings', onSettings);
  shutdown.signal.removeEventListener('abort', onAbort);
  return request.body.length;
}

traffic(handle, { calls: 600 });
