'use strict';

// sindresorhus/p-retry: each call listens to its signal's abort, and doesn't stop when it is done.

const { libraries } = require('../../support/libraries.js');
const { traffic } = require('../../support/traffic.js');

const packages = libraries(__dirname);
const shutdown = new AbortController();
require('node:events').setMaxListeners(0, shutdown.signal);

(async () => {
  const { default: pRetry } = await import(packages.resolve('p-retry'));
  const options = process.env.GALLERY_MENDED ? {} : { signal: shutdown.signal };
  traffic((n) => pRetry(async () => ({ price: n }), { retries: 2, ...options }), { calls: 300 });
})();
