'use strict';

// Functions get hot one after the other, and are compiled anew.

const { traffic } = require('../support/traffic.js');

const functions = Array.from(
  { length: 60 },
  (_, i) =>
    new Function(
      'a',
      `let s = ${i}; for (let k = 0; k < a; k += 1) s = (s * 31 + k) | 0; return { s, at: ${i} };`,
    ),
);
traffic(
  (n) => {
    for (let i = 0; i <= n / 15 && i < 60; i += 1) functions[i](2000);
  },
  { calls: 300 },
);
