'use strict';

// A short form of `node gallery/run.mjs`, which judges the verdict on all programs: a few of them, and the judge.

const assert = require('node:assert/strict');
const { readFileSync } = require('node:fs');
const path = require('node:path');
const { root, startNode, temporaryDirectory } = require('./support/child.js');
const { test } = require('./support/test.js');

const major = process.versions.node.split('.')[0];

test('the verdict on three leaking programs and a healthy one', { timeout: 240_000 }, async (t) => {
  const only = 'flag-client,session-store,event-bus-listeners,sawtooth';
  const json = path.join(temporaryDirectory(t), 'results.json');
  const args = ['--node', major, '--only', only, '--json', json];
  const child = startNode(t, [path.join(root, 'gallery/run.mjs'), ...args]);
  await child.succeeded();
  const { results } = JSON.parse(readFileSync(json, 'utf8'));
  assert.deepEqual(
    results.map(({ name, right }) => [name, right]).sort(),
    only
      .split(',')
      .sort()
      .map((name) => [name, true]),
  );
});

test('the verdict on leaks that were published, of packages and of Node', { timeout: 240_000 }, async (t) => {
  const args = ['--node', major, 'debug', 'diagnostics-channel', 'mongoose'];
  const child = startNode(t, [path.join(root, 'gallery/published.mjs'), ...args]);
  await child.succeeded();
});

test('the gallery is as large as it is meant to be, and each expectation has its lines', async () => {
  const { programs } = await import('../gallery/support/programs.mjs');
  const all = programs();
  assert.ok(all.filter(({ leaks }) => leaks).length >= 20);
  assert.ok(all.filter(({ leaks }) => !leaks).length >= 10);
  for (const { name, leaks, cause, classes } of all) {
    if (leaks) assert.ok(cause.kinds.length > 0 && cause.lines.length > 0 && classes.length > 0, name);
  }
  assert.throws(() => programs(['no-such-program']), /has no 'no-such-program'/);
});

test('the judge takes nothing but the right kind, variable and place, and silence for a healthy program', async () => {
  const { judge } = await import('../gallery/support/judge.mjs');
  const { programs } = await import('../gallery/support/programs.mjs');
  const [leaking] = programs(['session-store']);
  const [healthy] = programs(['sawtooth']);
  const location = { script: `file://${leaking.file}`, line: leaking.cause.lines[0], column: 1 };
  const cause = { kind: 'collection', variable: 'sessions', function: 'open', location };
  const suspect = (changes) => ({ suspects: [{ className: 'Session', cause: { ...cause, ...changes } }] });
  assert.ok(judge(leaking, suspect({})).right);
  for (const wrong of [
    { kind: 'promise' },
    { variable: 'cache' },
    { variable: null },
    { location: null },
    { location: { ...location, line: 1 } },
    { location: { ...location, script: '/srv/app/other.js' } },
  ]) {
    assert.ok(!judge(leaking, suspect(wrong)).right, JSON.stringify(wrong));
  }
  assert.ok(!judge(leaking, { suspects: [] }).right);
  assert.ok(judge(healthy, { suspects: [] }).right);
  assert.ok(!judge(healthy, suspect({})).right);
});
