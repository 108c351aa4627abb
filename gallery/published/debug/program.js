'use strict';

// debug-js/debug#678: a logger for each request.

const { libraries } = require('../../support/libraries.js');
const { traffic } = require('../../support/traffic.js');

const createDebug = libraries(__dirname)('debug');
const once = createDebug('shop:request');

function request(n) {
  const debug = process.env.GALLERY_MENDED ? once : createDebug('shop:request');
  debug('request %d', n);
}

traffic(request, { calls: 500 });
