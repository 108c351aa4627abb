'use strict';

// Many promises, timers and contexts at a time, all of which come to their end.

const { AsyncLocalStorage } = require('node:async_hooks');
const { traffic } = require('../support/traffic.js');

const context = new AsyncLocalStorage();

async function step(n) {
  await new Promise((resolve) => {
    const timer = setTimeout(() => resolve(n), 60_000);
    setImmediate(() => {
      clearTimeout(timer);
      resolve(n);
    });
  });
  return context.getStore().values.length + n;
}

function handle(n) {
  const values = Array.from({ length: 50 }, (_, value) => ({ value, n }));
  return context.run({ n, values }, () => Promise.all([step(1), step(2), Promise.race([step(3), step(4)])]));
}

traffic(handle, { calls: 400 });
