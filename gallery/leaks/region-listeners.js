'use strict';

// Orders of each region are counted by a listener of its own, made in a loop. What it has seen is never forgotten: the
// list is a variable of the loop's body, which V8 has no name for in its snapshots.

const { EventEmitter } = require('node:events');
const { traffic } = require('../support/traffic.js');

class Order {
  constructor(n) {
    this.number = n;
    this.lines = Array.from({ length: 10 }, (_, line) => `order ${n}, line ${line}`);
  }
}

const shop = new EventEmitter();

for (const region of ['north', 'south']) {
  const accepted = [];
  const isNew = (order) => accepted.at(-1) !== order;
  shop.on(region, (order) => {
    if (isNew(order)) accepted.push(order);
  });
}

traffic((n) => shop.emit(n % 4 === 0 ? 'south' : 'north', new Order(n)));
