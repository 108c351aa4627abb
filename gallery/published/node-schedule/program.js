'use strict';

// node-schedule/node-schedule#478: reminders, each of them a one-off job that is soon due.

const { libraries } = require('../../support/libraries.js');
const { traffic } = require('../../support/traffic.js');

const schedule = libraries(__dirname)('node-schedule');

function remind(n) {
  return new Promise((resolve) => {
    const job = schedule.scheduleJob(new Date(Date.now() + 2), () => {
      if (process.env.GALLERY_MENDED) job.cancel();
      resolve(n);
    });
  });
}

traffic(remind, { calls: 200 });
