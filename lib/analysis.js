'use strict';

// The analysis: the command line, and what opens snapshots. Only loaded where it is used, so that a service that
// captures doesn't carry it.

module.exports = require('./binary.js').load('stillheap-analysis');
