'use strict';

// Each call has a signal of its own, combined with a time-out.

const { traffic } = require('../support/traffic.js');

traffic(
  async (n) => {
    const controller = new AbortController();
    const signal = AbortSignal.any([controller.signal, AbortSignal.timeout(50)]);
    signal.addEventListener('abort', () => n, { once: true });
    controller.abort();
  },
  { calls: 300 },
);
