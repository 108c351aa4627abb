'use strict';

// `require('stillheap/test')`: for tests, in any runner.

module.exports = require('./lib/assert-no-leak.js');
