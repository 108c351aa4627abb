'use strict';

// A memoizing helper whose cache has no bound, around a function that is called with text from requests.

const { traffic } = require('../support/traffic.js');

function memoize(compute) {
  const results = new Map();
  return function memoized(key) {
    let result = results.get(key);
    if (result === undefined) {
      result = compute(key);
      results.set(key, result);
    }
    return result;
  };
}

class CompiledTemplate {
  constructor(source) {
    this.source = source;
    this.tokens = source.split(' ').map((word, position) => ({ word, position }));
  }
}

const compile = memoize((source) => new CompiledTemplate(source));

function render(n) {
  return compile(`Dear customer ${n}, your order has been sent on its way today`).tokens.length;
}

traffic(render, { calls: 600 });
