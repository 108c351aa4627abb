'use strict';

// Jeff-Lewis/cls-hooked#66: a context that refers to a promise of its own is in _contexts as long as that promise.

const { libraries } = require('../../support/libraries.js');
const { traffic } = require('../../support/traffic.js');

const { createNamespace } = libraries(__dirname)('cls-hooked');
const namespace = createNamespace('shop');

function request(n) {
  namespace.run(() => {
    namespace.set('user', { id: n, name: `user ${n}`, roles: ['reader', 'writer'] });
    const loading = Promise.resolve(n);
    if (!process.env.GALLERY_MENDED) namespace.set('loading', loading);
  });
}

traffic(request, { warmUp: 200, calls: 400 });
