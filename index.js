'use strict';

// Two dependencies may each bring a copy of stillheap. In one thread the first copy serves both, so that
// there is one set of listeners; across threads and versions the addon ensures that a signal is
// answered once.

const { version } = require('./package.json');

const key = Symbol.for('stillheap');
const loaded = process[key];

if (loaded && loaded.version === version) {
  module.exports = loaded;
} else {
  module.exports = require('./lib/module.js').create(version);
  // Where `process` takes no properties, each copy stands for itself.
  if (!loaded) Reflect.defineProperty(process, key, { value: module.exports });
}
