'use strict';

// Prices follow rules that may be changed while the shop runs, so they are imported afresh for each order, by a URL
// that nobody has asked for yet. Every one of them is a module of its own, which import() never forgets.

const { pathToFileURL } = require('node:url');
const { traffic } = require('../support/traffic.js');

const rules = pathToFileURL(require.resolve('../support/rules.mjs')).href;

async function price(n) {
  const { discount } = await import(`${rules}?version=${n}`);
  return (100 + (n % 17)) * (1 - discount(n % 40));
}

traffic(price);
