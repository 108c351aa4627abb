'use strict';

// Instrumentation that is put on once per request instead of once: each wrapper holds the one before it.

const { traffic } = require('../support/traffic.js');

class RequestInfo {
  constructor(n) {
    this.id = `request-${n}`;
    this.headers = Array.from({ length: 20 }, (_, h) => [`x-header-${h}`, `${n}`]);
  }
}

const logger = {
  lines: 0,
  write() {
    this.lines += 1;
  },
};

function instrument(target, info) {
  const inner = target.write;
  target.write = function withRequest(line) {
    return inner.call(this, `${info.id} ${line}`);
  };
}

function handle(n) {
  instrument(logger, new RequestInfo(n));
  if (n % 50 === 0) logger.write('checkpoint');
}

traffic(handle, { warmUp: 100, calls: 400 });
