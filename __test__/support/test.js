'use strict';

const { test: nodeTest } = require('node:test');

/** node:test's test, with a limit on its time. */
function test(name, options, body) {
  const [given, run] = typeof options === 'function' ? [{}, options] : [options, body];
  return nodeTest(name, { timeout: 60_000, ...given }, run);
}

/**
 * `test` where a condition holds; elsewhere the same test is there and skipped, with the reason. `npm test` counts and
 * names skipped tests, and fails in continuous integration if one is not expected (scripts/skips.mjs).
 */
function testIf(condition, reason) {
  if (condition) return test;
  return (name) => nodeTest(name, { skip: reason }, () => {});
}

const cleanups = new WeakMap();

/**
 * Runs `body` after the test, last registered first, whatever else fails: a directory is removed when the children
 * that write to it have gone, and a child is reaped even if a directory can't be removed.
 */
function afterwards(t, body) {
  const known = cleanups.get(t);
  if (known) return known.push(body);
  const bodies = [body];
  cleanups.set(t, bodies);
  t.after(async () => {
    const errors = [];
    for (const one of bodies.reverse()) {
      try {
        await one();
      } catch (error) {
        errors.push(error);
      }
    }
    if (errors.length > 0) throw errors[0];
  });
}

/**
 * Whether what takes minutes is done at full length: `npm test` asks for that on one major, since what it looks for
 * doesn't differ between them, and for a shorter form on the others.
 */
const atFullLength = process.env.STILLHEAP_TEST_LENGTH === 'full';

module.exports = { afterwards, atFullLength, test, testIf };
