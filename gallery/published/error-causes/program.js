'use strict';

// nodejs/node: each failure has the one before as its cause.

const { traffic } = require('../../support/traffic.js');

let lastError;

function request(n) {
  const error = new Error(`order ${n} failed`, { cause: process.env.GALLERY_MENDED ? undefined : lastError });
  error.request = { n, body: new Array(20).fill(n) };
  lastError = error;
}

traffic(request, { calls: 200 });
