'use strict';

// microsoft/tsyringe: services of a request can be disposed of, so the container remembers them.

const { libraries } = require('../../support/libraries.js');
const { traffic } = require('../../support/traffic.js');

const packages = libraries(__dirname);
packages('reflect-metadata');
const { container } = packages('tsyringe');

class UnitOfWork {
  changes = new Array(50).fill(0);
  dispose() {
    this.changes.length = 0;
  }
}

async function request(n) {
  const scope = process.env.GALLERY_MENDED ? container.createChildContainer() : container;
  scope.resolve(UnitOfWork).changes[0] = n;
  if (process.env.GALLERY_MENDED) await scope.dispose();
}

traffic(request, { calls: 300 });
