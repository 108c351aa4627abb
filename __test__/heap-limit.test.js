'use strict';

// Where V8 gives up, by V8's major; nothing is made up for one that is not known.

const assert = require('node:assert/strict');
const { test } = require('./support/test.js');
const { oldGenerationLimit } = require('../lib/heap-limit.js');

test('a V8 that is not known has no limit, unless it is said', () => {
  const MB = 2 ** 20;
  for (const major of [10, 11, 12, 13, 14]) assert.ok(oldGenerationLimit({}, major) > 0, `V8 ${major}`);
  for (const major of [9, 15, 99, Number.NaN]) {
    assert.equal(oldGenerationLimit({}, major), undefined, `V8 ${major}`);
    assert.equal(oldGenerationLimit({ maxOldGenerationSizeMb: 64 }, major), 64 * MB);
  }
});
