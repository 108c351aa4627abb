'use strict';

// Request and reply over a message bus. Every question waits for its answer, and some answers never come.

const { traffic } = require('../support/traffic.js');

class Question {
  constructor(n) {
    this.n = n;
    this.lines = Array.from({ length: 15 }, (_, line) => ({ line, article: n % 90 }));
  }
}

class Client {
  constructor() {
    this.pending = new Map();
  }

  ask(question) {
    return new Promise((resolve) => {
      this.pending.set(question.n, { question, resolve });
    });
  }

  answer(n) {
    this.pending.get(n)?.resolve('yes');
    this.pending.delete(n);
  }
}

const client = new Client();

function order(n) {
  client.ask(new Question(n)).then((answer) => answer.length);
  if (n % 4 === 0) client.answer(n);
}

traffic(order, { calls: 600 });
