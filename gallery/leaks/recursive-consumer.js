'use strict';

// A queue's consumer that awaits itself for the next message: no call ever returns, and each one waits for the
// next with its message in hand.

const { traffic } = require('../support/traffic.js');

class Message {
  constructor(n) {
    this.n = n;
    this.headers = { 'content-type': 'application/json', trace: `trace-${n}` };
    this.lines = Array.from({ length: 10 }, (_, line) => ({ line, quantity: n % 10 }));
  }
}

class Queue {
  constructor() {
    this.deliver = undefined;
  }

  next() {
    return new Promise((resolve) => {
      this.deliver = resolve;
    });
  }
}

const queue = new Queue();
let total = 0;

async function consume(message) {
  total += message.lines.length;
  await consume(await queue.next());
  return total;
}

consume(new Message(0));

traffic(
  async (n) => {
    queue.deliver(new Message(n));
    await new Promise(setImmediate);
  },
  { calls: 400 },
);
