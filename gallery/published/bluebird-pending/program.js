'use strict';

// petkaantonov/bluebird#1445 and nodejs/node#17469: every request waits for a promise that is pending as long as the service runs.

const { libraries } = require('../../support/libraries.js');
const { traffic } = require('../../support/traffic.js');

const Bluebird = libraries(__dirname)('bluebird');
const shutdown = new Bluebird(() => {});

async function request(n) {
  const work = Bluebird.resolve({ order: n, positions: [1, 2, 3] });
  return process.env.GALLERY_MENDED ? work : Bluebird.race([work, shutdown]);
}

traffic(request, { warmUp: 200, calls: 300 });
