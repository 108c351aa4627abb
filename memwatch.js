'use strict';

module.exports = require('./lib/memwatch.js');
