'use strict';

// A cache that reaches its bound: afterwards its table still doubles for what was taken out.

const { traffic } = require('../support/traffic.js');

class Lru {
  entries = new Map();
  constructor(limit) {
    this.limit = limit;
  }
  set(key, value) {
    this.entries.delete(key);
    this.entries.set(key, value);
    if (this.entries.size > this.limit) this.entries.delete(this.entries.keys().next().value);
  }
}
const cache = new Lru(600);
traffic((n) => cache.set(`product-${n}`, { n, price: n * 2, tags: ['a', 'b'] }), { warmUp: 500, calls: 500 });
