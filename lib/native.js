'use strict';

// The addon: capture, signal, watch.

module.exports = require('./binary.js').load('stillheap');
