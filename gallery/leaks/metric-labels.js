'use strict';

// Counters by label, and the label is the raw URL: one more entry for each article that anybody reads.

const { traffic } = require('../support/traffic.js');

const counters = {};

function count(url, milliseconds) {
  const counter = counters[url] ?? { calls: 0, total: 0, buckets: [0, 0, 0, 0, 0, 0] };
  counter.calls += 1;
  counter.total += milliseconds;
  counter.buckets[milliseconds % 6] += 1;
  counters[url] = counter;
}

function handle(n) {
  count(`/articles/${n}/comments?sort=${n % 3}`, n % 50);
}

traffic(handle, { calls: 2500 });
