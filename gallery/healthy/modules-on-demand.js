'use strict';

// Modules of Node are loaded when they are first needed.

const { isBuiltin } = require('node:module');
const { traffic } = require('../support/traffic.js');

const names = [
  'zlib',
  'crypto',
  'dns',
  'http2',
  'readline',
  'tls',
  'dgram',
  'cluster',
  'inspector',
  'repl',
  'vm',
  'wasi',
];
traffic(
  (n) => {
    const name = names[Math.floor(n / 60)];
    if (name !== undefined && n % 60 === 0 && isBuiltin(`node:${name}`)) require(`node:${name}`);
  },
  { calls: 300 },
);
