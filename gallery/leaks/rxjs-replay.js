'use strict';

// Events for a live page go through a ReplaySubject, so that a page that opens late sees the last ones. Without
// a buffer size, those are all.

const { library } = require('../support/libraries.js');
const { traffic } = require('../support/traffic.js');

const { ReplaySubject, filter, take } = library('rxjs');

class OrderEvent {
  constructor(n) {
    this.n = n;
    this.type = n % 2 ? 'placed' : 'paid';
    this.positions = Array.from({ length: 12 }, (_, p) => ({ p, article: (n * 7 + p) % 500 }));
  }
}

const orderEvents = new ReplaySubject();

function publish(n) {
  orderEvents.next(new OrderEvent(n));
}

function openPage() {
  orderEvents
    .pipe(
      filter((event) => event.type === 'paid'),
      take(3),
    )
    .subscribe();
}

traffic(
  (n) => {
    publish(n);
    if (n % 20 === 0) openPage();
  },
  { calls: 700 },
);
