'use strict';

// memwatch's surface: events `leak` and `stats`, `gc()`, `HeapDiff`, with memwatch's payloads. What is behind is
// `watch()`.

const { EventEmitter } = require('node:events');
const { internals } = require('./module.js');
const stillheap = require('../index.js');
const { check } = require('./checks.js');
const { kinds } = require('./watch-options.js');

class Memwatch extends EventEmitter {
  #options = {};
  #watch = this.#start();

  #start() {
    const watch = stillheap.watch(this.#options);
    watch.on('leak', (leak) => this.emit('leak', { ...leak, growth: Math.round(leak.growth) }));
    watch.on('stats', (stats) => this.emit('stats', memwatchStats(stats)));
    return watch;
  }

  /** Sets the rule and its thresholds, those of stillheap's watch(); what was seen so far is forgotten. */
  configure(options) {
    const checked = check(options, kinds, 'The argument of configure');
    this.#options = { ...this.#options, ...checked };
    this.#watch.stop();
    this.#watch = this.#start();
  }

  get HeapDiff() {
    const HeapDiff = require('./heapdiff.js').define(stillheap[internals]);
    Object.defineProperty(this, 'HeapDiff', { value: HeapDiff });
    return HeapDiff;
  }
}

function memwatchStats({ collections, base, used, min, max, trend }) {
  return {
    num_full_gc: collections.full,
    num_inc_gc: collections.minor,
    heap_compactions: collections.full,
    usage_trend: trend,
    estimated_base: base,
    current_base: used,
    min: min ?? 0,
    max: max ?? 0,
  };
}

const memwatch = new Memwatch();
// Like memwatch's, a function that needs no `this`.
memwatch.gc = () => stillheap[internals].collectGarbage();

module.exports = memwatch;
