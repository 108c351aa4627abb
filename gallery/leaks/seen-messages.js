'use strict';

// Messages may come twice, so their ids are remembered, without a limit.

const { traffic } = require('../support/traffic.js');

class Deduplicator {
  #seen = new Set();

  isNew(id) {
    if (this.#seen.has(id)) return false;
    this.#seen.add(id);
    return true;
  }
}

const deduplicator = new Deduplicator();
let handled = 0;

function receive(n) {
  const id = ['message', n, 'partition', n % 16, 'of', 'orders'].join('-');
  if (deduplicator.isNew(id)) handled += 1;
  return handled;
}

traffic(receive, { calls: 6000 });
