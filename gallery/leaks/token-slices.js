'use strict';

// Of each document a token of twenty characters is kept. V8 makes a slice of it, not a copy, and the slice keeps
// the document.

const { traffic } = require('../support/traffic.js');

function readDocument(n) {
  const words = Array.from({ length: 400 }, (_, word) => `word-${word}-${n}`);
  return Buffer.from(`token=${String(n).padStart(20, '0')};${words.join(' ')}`).toString('latin1');
}

class TokenList {
  constructor() {
    this.known = [];
  }

  take(text) {
    const from = text.indexOf('=') + 1;
    this.known.push(text.slice(from, from + 20));
  }
}

const tokens = new TokenList();

function handle(n) {
  tokens.take(readDocument(n));
}

traffic(handle, { calls: 300 });
