'use strict';

// Prices follow rules that may be changed while the shop runs, so they are loaded afresh for each order: taken out
// of require's cache and required again. But a module also keeps a list of those that it has required.

const { traffic } = require('../support/traffic.js');

const rules = require.resolve('../support/rules.js');

function currentRules() {
  delete require.cache[rules];
  return require(rules);
}

function price(n) {
  const { discount } = currentRules();
  return (100 + (n % 17)) * (1 - discount(n % 40));
}

traffic(price);
