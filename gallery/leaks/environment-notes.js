'use strict';

// The request's data is put into the environment "for the tools that we start", under a name of its own each
// time. The environment is the C library's: no snapshot of the JavaScript heap has it.

const { traffic } = require('../support/traffic.js');

const padding = 'x'.repeat(30_000);

function handle(n) {
  process.env[`REQUEST_${n}`] = padding;
}

traffic(handle, { warmUp: 50, calls: 700 });
