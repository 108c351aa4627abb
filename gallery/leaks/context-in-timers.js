'use strict';

// Each request asks for a flush of the audit log in an hour. The callback is one and the same and holds nothing;
// what is held is the request's context, in which the timer was made.

const { AsyncLocalStorage } = require('node:async_hooks');
const { traffic } = require('../support/traffic.js');

class RequestContext {
  constructor(n) {
    this.n = n;
    this.user = { id: n % 20, roles: ['reader', 'writer'] };
    this.body = Array.from({ length: 30 }, (_, field) => `field ${field} of ${n}`);
  }
}

const contexts = new AsyncLocalStorage();

function flushAudit() {
  process.stdout.write('audit log flushed\n');
}

function scheduleFlush() {
  setTimeout(flushAudit, 3_600_000).unref();
}

function handle(n) {
  contexts.run(new RequestContext(n), scheduleFlush);
}

traffic(handle, { calls: 400 });
