'use strict';

const { EventEmitter } = require('node:events');

/** Tells the addon whether somebody listens: it writes to stderr where nobody does. */
class Stillheap extends EventEmitter {
  #changed = () => {};

  watchListeners(changed) {
    this.#changed = changed;
    delete this.watchListeners;
  }

  #then(result) {
    this.#changed(this.listenerCount('snapshot') > 0, this.listenerCount('error') > 0);
    return result;
  }

  addListener(...args) {
    return this.#then(super.addListener(...args));
  }

  on(...args) {
    return this.#then(super.on(...args));
  }

  prependListener(...args) {
    return this.#then(super.prependListener(...args));
  }

  removeListener(...args) {
    return this.#then(super.removeListener(...args));
  }

  off(...args) {
    return this.#then(super.off(...args));
  }

  removeAllListeners(...args) {
    return this.#then(super.removeAllListeners(...args));
  }
}

module.exports = { Stillheap };
