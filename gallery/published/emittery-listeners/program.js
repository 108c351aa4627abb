'use strict';

// sindresorhus/emittery: listeners of requests on one emitter.

const { libraries } = require('../../support/libraries.js');
const { traffic } = require('../../support/traffic.js');

const packages = libraries(__dirname);
const Emittery = packages('emittery');
const bus = new Emittery();

function request(n) {
  const order = { n, lines: new Array(30).fill(n) };
  const off = bus.on('price', () => order.lines.length);
  if (process.env.GALLERY_MENDED) off();
}

traffic(request, { calls: 300 });
