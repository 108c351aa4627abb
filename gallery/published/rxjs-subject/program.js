'use strict';

// ReactiveX/rxjs#5414: each connection listens for changes and never unsubscribes.

const { libraries } = require('../../support/libraries.js');
const { traffic } = require('../../support/traffic.js');

const { Subject } = libraries(__dirname)('rxjs');
const prices = new Subject();

class Connection {
  constructor(id) {
    this.id = id;
    this.sent = [];
    this.subscription = prices.subscribe((value) => this.sent.push(value));
  }
}

traffic(
  (n) => {
    const connection = new Connection(n);
    if (process.env.GALLERY_MENDED) connection.subscription.unsubscribe();
  },
  { calls: 300 },
);
