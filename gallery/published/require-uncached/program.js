'use strict';

// sindresorhus/import-fresh#2 (then called require-uncached): rules are read anew for each job, from a module.

const { libraries } = require('../../support/libraries.js');
const { traffic } = require('../../support/traffic.js');

const importFresh = libraries(__dirname)('require-uncached');

function job(n) {
  const rules = process.env.GALLERY_MENDED ? require('./rules.js') : importFresh('./rules.js');
  return rules.apply({ total: n });
}

traffic(job, { calls: 150 });
