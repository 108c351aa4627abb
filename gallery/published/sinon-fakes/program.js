'use strict';

// sinonjs/sinon#1866: sinon itself is a sandbox that lists every fake until restore() is called.

const { libraries } = require('../../support/libraries.js');
const { traffic } = require('../../support/traffic.js');

const sinon = libraries(__dirname)('sinon');

function check() {
  const send = sinon.spy();
  send('hello');
  if (process.env.GALLERY_MENDED) sinon.restore();
  return send.callCount;
}

traffic(check, { warmUp: 50, calls: 150 });
