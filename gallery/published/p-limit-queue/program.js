'use strict';

// sindresorhus/p-limit: one call hangs, the rest queue behind it.

const { libraries } = require('../../support/libraries.js');
const { traffic } = require('../../support/traffic.js');

const packages = libraries(__dirname);
const pLimit = packages('p-limit');
const limit = pLimit(1);
if (!process.env.GALLERY_MENDED) limit(() => new Promise(() => {}));

function request(n) {
  const order = { n, lines: new Array(20).fill(n) };
  limit(async () => order.lines.length);
}

traffic(request, { calls: 300 });
