'use strict';

// Tracing in a consumer's endless loop: each span takes the current one for its parent and becomes the current
// one itself, which `enterWith` makes it for the rest of the loop.

const { AsyncLocalStorage } = require('node:async_hooks');
const { traffic } = require('../support/traffic.js');

const currentSpan = new AsyncLocalStorage();

class Span {
  constructor(name, parent) {
    this.name = name;
    this.parent = parent;
    this.attributes = Object.fromEntries(
      Array.from({ length: 8 }, (_, n) => [`attribute${n}`, `${name}/${n}`]),
    );
  }
}

function startSpan(name) {
  const span = new Span(name, currentSpan.getStore());
  currentSpan.enterWith(span);
  return span;
}

function consume(n) {
  const span = startSpan(`message ${n}`);
  span.ended = true;
}

traffic(consume, { calls: 500 });
