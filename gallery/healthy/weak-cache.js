'use strict';

// Caches by weak reference: what nobody else holds goes with the next collection.

const { traffic } = require('../support/traffic.js');

class Picture {
  constructor(n) {
    this.n = n;
    this.pixels = new Array(200).fill(n);
  }
}

const pictures = new Map();
const sizes = new WeakMap();
const gone = new FinalizationRegistry((n) => {
  if (pictures.get(n)?.deref() === undefined) pictures.delete(n);
});

function picture(n) {
  const known = pictures.get(n)?.deref();
  if (known !== undefined) return known;
  const made = new Picture(n);
  pictures.set(n, new WeakRef(made));
  sizes.set(made, { width: 20, height: 10 });
  gone.register(made, n);
  return made;
}

traffic((n) => sizes.get(picture(n % 250)).width, { warmUp: 300, calls: 900 });
