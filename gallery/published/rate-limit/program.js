'use strict';

// express-rate-limit/express-rate-limit#326: each limiter starts an interval that nothing clears; here one per tenant and call.

const { libraries } = require('../../support/libraries.js');
const { traffic } = require('../../support/traffic.js');

const rateLimit = libraries(__dirname)('express-rate-limit');
const options = { windowMs: 3_600_000, max: 100 };
const shared = rateLimit(options);

function request(n) {
  const limit = process.env.GALLERY_MENDED ? shared : rateLimit(options);
  const response = { setHeader() {}, headersSent: false };
  limit({ ip: `10.0.0.${n % 250}` }, response, () => {});
}

traffic(request, { warmUp: 100, calls: 300 });
