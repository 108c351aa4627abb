'use strict';

// ajv-validator/ajv#1413: a schema that is built for each request is a new key of Ajv's cache each time.

const { libraries } = require('../../support/libraries.js');
const { traffic } = require('../../support/traffic.js');

const { default: Ajv } = libraries(__dirname)('ajv');
const ajv = new Ajv();
const fixed = { type: 'object', properties: { amount: { type: 'number', maximum: 100 } } };

function request(n) {
  const schema = process.env.GALLERY_MENDED
    ? fixed
    : { type: 'object', properties: { amount: { type: 'number', maximum: 100 + (n % 5) } } };
  const validate = ajv.compile(schema);
  validate({ amount: n });
}

traffic(request, { warmUp: 50, calls: 100 });
