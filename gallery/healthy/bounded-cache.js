'use strict';

// A cache that fills, and then drops the oldest entry for each new one.

const { traffic } = require('../support/traffic.js');

class BoundedCache {
  constructor(limit) {
    this.limit = limit;
    this.entries = new Map();
  }

  get(key, make) {
    const known = this.entries.get(key);
    if (known !== undefined) return known;
    const entry = make(key);
    this.entries.set(key, entry);
    if (this.entries.size > this.limit) this.entries.delete(this.entries.keys().next().value);
    return entry;
  }
}

class Article {
  constructor(n) {
    this.n = n;
    this.paragraphs = Array.from({ length: 12 }, (_, p) => `paragraph ${p} of article ${n}`);
  }
}

const cache = new BoundedCache(400);

// The cache has its first hundred entries at the first moment, and is full well before the second.
traffic((n) => cache.get(n, (key) => new Article(key)).paragraphs.length, { warmUp: 100, calls: 900 });
