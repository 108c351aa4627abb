'use strict';

// moment/moment#4476: each request sets the wording of its tenant.

const { libraries } = require('../../support/libraries.js');
const { traffic } = require('../../support/traffic.js');

const moment = libraries(__dirname)('moment');

function request(n) {
  if (!process.env.GALLERY_MENDED || n === 0)
    moment.updateLocale('en', { relativeTime: { s: `some seconds (${n % 3})` } });
  return moment().subtract(3, 'minutes').fromNow();
}

traffic(request, { calls: 200 });
