'use strict';

// A queue whose length varies with the load.

const { traffic } = require('../support/traffic.js');

const queue = [];
traffic(
  (n) => {
    for (let i = 0; i < 5; i += 1) queue.push({ id: `job-${n}-${i}-abcdef`, body: new Array(20).fill(n) });
    const done = n % 100 > 90 ? queue.length : 4;
    queue.splice(0, done);
  },
  { warmUp: 140, calls: 310 },
);
