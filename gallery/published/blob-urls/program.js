'use strict';

// nodejs/node#48131: previews by object URLs that are never revoked.

const { traffic } = require('../../support/traffic.js');

const { Blob } = require('node:buffer');

function preview(n) {
  const url = URL.createObjectURL(new Blob([Buffer.alloc(20_000, n), 'end']));
  if (process.env.GALLERY_MENDED) URL.revokeObjectURL(url);
}

traffic(preview, { calls: 200 });
