'use strict';

// Files are registered with a FinalizationRegistry, and collected.

const { traffic } = require('../support/traffic.js');

const files = new Map();
const registry = new FinalizationRegistry((id) => files.delete(id));
traffic(
  (n) => {
    const file = { n, buffer: new Array(50).fill(n) };
    files.set(n % 50, file.n);
    registry.register(file, n % 50);
  },
  { calls: 300 },
);
