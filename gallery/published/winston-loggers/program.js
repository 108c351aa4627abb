'use strict';

// winston/winston#1334: a logger for each request, all with one transport, which every logger is piped to.

const { libraries } = require('../../support/libraries.js');
const { traffic } = require('../../support/traffic.js');

const winston = libraries(__dirname)('winston');
const transport = new winston.transports.Console({ silent: true });
transport.setMaxListeners(0);

function request(n) {
  const logger = winston.createLogger({ defaultMeta: { request: n }, transports: [transport] });
  logger.info('done');
  if (process.env.GALLERY_MENDED) logger.unpipe(transport);
}

traffic(request, { warmUp: 100, calls: 200 });
