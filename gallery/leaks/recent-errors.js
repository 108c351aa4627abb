'use strict';

// Errors are kept in a global variable for a page that shows the latest. It shows ten; all are kept.

const { traffic } = require('../support/traffic.js');

globalThis.recentErrors = [];

class PaymentError extends Error {
  constructor(order) {
    super(`order ${order.number} could not be paid`);
    this.order = order;
  }
}

function pay(n) {
  try {
    throw new PaymentError({ number: n, positions: Array.from({ length: 10 }, (_, p) => ({ p, n })) });
  } catch (error) {
    globalThis.recentErrors.unshift(error);
  }
  return globalThis.recentErrors.slice(0, 10).length;
}

traffic(pay, { calls: 500 });
