'use strict';

const { test: nodeTest } = require('node:test');

/** node:test's test, which never runs for ever. */
function test(name, options, body) {
  const [given, run] = typeof options === 'function' ? [{}, options] : [options, body];
  return nodeTest(name, { timeout: 60_000, ...given }, run);
}

module.exports = { test };
