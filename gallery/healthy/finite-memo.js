'use strict';

// A cache without a limit whose keys are few: it has nearly all of them after a while.

const { traffic } = require('../support/traffic.js');

const currencies = ['EUR', 'USD', 'GBP', 'JPY', 'CHF', 'SEK', 'NOK', 'DKK'];
const formats = new Map();

class Format {
  constructor(currency, digits, style) {
    this.key = `${currency}/${digits}/${style}`;
    this.patterns = Array.from({ length: 40 }, (_, n) => ({
      from: 10 ** (n % 12),
      text: `${this.key}:${n}`,
    }));
  }
}

function format(n) {
  const [currency, digits, style] = [currencies[n % 8], n % 5, n % 3];
  const key = `${currency}/${digits}/${style}`;
  if (!formats.has(key)) formats.set(key, new Format(currency, digits, style));
  return formats.get(key).patterns.length;
}

traffic(format, { warmUp: 60, calls: 500 });
