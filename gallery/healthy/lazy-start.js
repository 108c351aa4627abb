'use strict';

// A service that loads its parts when they are first asked for: it grows between the first two moments, by code
// and tables, and then no more.

const { traffic } = require('../support/traffic.js');

const parts = [
  'http',
  'https',
  'zlib',
  'crypto',
  'dns',
  'readline',
  'stream/web',
  'util',
  'url',
  'perf_hooks',
];
const tables = new Map();

function table(part) {
  if (!tables.has(part)) {
    const exported = Object.keys(require(`node:${part}`));
    tables.set(
      part,
      Array.from({ length: 300 }, (_, n) => ({ name: exported[n % exported.length], n })),
    );
  }
  return tables.get(part);
}

traffic((n) => (n < 50 ? 0 : table(parts[(n >> 3) % parts.length]).length), { warmUp: 50, calls: 400 });
