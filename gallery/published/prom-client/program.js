'use strict';

// siimon/prom-client, often reported: a label that takes ever new values, here the user's id.

const { libraries } = require('../../support/libraries.js');
const { traffic } = require('../../support/traffic.js');

const { Histogram, Registry } = libraries(__dirname)('prom-client');
const registry = new Registry();
const duration = new Histogram({
  name: 'http_duration',
  help: 'seconds',
  labelNames: ['method', 'user'],
  registers: [registry],
});

function request(n) {
  duration.observe({ method: 'GET', user: process.env.GALLERY_MENDED ? 'any' : `user-${n}` }, n / 1000);
}

traffic(request, { warmUp: 200, calls: 300 });
