'use strict';

// A large index, made at the start, that is only read; what the requests need is gone with them.

const { traffic } = require('../support/traffic.js');

class Product {
  constructor(n) {
    this.n = n;
    this.names = { de: `Artikel ${n}`, en: `article ${n}` };
    this.prices = [n, n * 2, n * 3];
  }
}

const index = new Map(Array.from({ length: 20_000 }, (_, n) => [`product-${n}`, new Product(n)]));

function search(n) {
  const found = [];
  for (let step = 0; step < 40; step += 1)
    found.push({ ...index.get(`product-${(n * 31 + step) % 20_000}`) });
  return found.sort((a, b) => b.n - a.n).length;
}

traffic(search, { calls: 800 });
