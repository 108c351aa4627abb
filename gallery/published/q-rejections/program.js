'use strict';

// kriskowal/q: promises that fail and that nobody handles are listed.

const { libraries } = require('../../support/libraries.js');
const { traffic } = require('../../support/traffic.js');

const Q = libraries(__dirname)('q');
class PriceError extends Error {}

function load(n) {
  const price = Q.reject(new PriceError(`no price for ${n}`));
  if (process.env.GALLERY_MENDED) price.catch(() => {});
}

process.on('unhandledRejection', () => {});
traffic(load, { calls: 300 });
