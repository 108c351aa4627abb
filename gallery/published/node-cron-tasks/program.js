'use strict';

// node-cron/node-cron#348: tasks that were stopped stay registered.

const { libraries } = require('../../support/libraries.js');
const { traffic } = require('../../support/traffic.js');

const packages = libraries(__dirname);
const cron = packages('node-cron');

function request(n) {
  const report = { n, rows: new Array(100).fill(n) };
  const task = cron.schedule('0 0 1 1 *', () => report.rows.length, { scheduled: false });
  task.stop();
  if (process.env.GALLERY_MENDED) cron.getTasks().delete(task.options.name);
}

traffic(request, { calls: 200 });
