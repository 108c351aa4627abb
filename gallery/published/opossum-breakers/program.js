'use strict';

// nodeshift/opossum#248: a circuit breaker for each request.

const { libraries } = require('../../support/libraries.js');
const { traffic } = require('../../support/traffic.js');

const packages = libraries(__dirname);
const CircuitBreaker = packages('opossum');

async function request(n) {
  const breaker = new CircuitBreaker(async () => n, { timeout: false });
  await breaker.fire();
  if (process.env.GALLERY_MENDED) breaker.shutdown();
}

traffic(request, { calls: 100 });
