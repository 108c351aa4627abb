'use strict';

// winston/winston#2114: the default logger has no transport, so what is written to it is never read.

const { libraries } = require('../../support/libraries.js');
const { traffic } = require('../../support/traffic.js');

const winston = libraries(__dirname)('winston');
if (process.env.GALLERY_MENDED) winston.add(new winston.transports.Console({ silent: true }));

function request(n) {
  winston.error(`order ${n} was refused by the bank: ${'no funds '.repeat(10)}`);
}

traffic(request, { warmUp: 400, calls: 600 });
