'use strict';

// nodejs/node: emitters of requests are added to one domain.

const { traffic } = require('../../support/traffic.js');

const domain = require('node:domain');
const { EventEmitter } = require('node:events');
const guard = domain.create();

function request(n) {
  const upload = new EventEmitter();
  upload.chunks = new Array(30).fill(n);
  guard.add(upload);
  if (process.env.GALLERY_MENDED) guard.remove(upload);
}

traffic(request, { calls: 300 });
