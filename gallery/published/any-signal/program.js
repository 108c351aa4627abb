'use strict';

// jacobheun/any-signal#23: calls end at shutdown or after a time, whichever comes first.

const { libraries } = require('../../support/libraries.js');
const { traffic } = require('../../support/traffic.js');

const packages = libraries(__dirname);

class Loader {
  shutdownController = new AbortController();

  load(anySignal, n) {
    const timeout = new AbortController();
    const signals = [timeout.signal];
    if (!process.env.GALLERY_MENDED) signals.push(this.shutdownController.signal);
    anySignal(signals).throwIfAborted();
    return n;
  }
}

const loader = new Loader();
require('node:events').setMaxListeners(0, loader.shutdownController.signal);
(async () => {
  const { anySignal } = await import(packages.resolve('any-signal'));
  traffic((n) => loader.load(anySignal, n), { calls: 300 });
})();
