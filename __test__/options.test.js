'use strict';

// Every option with every wrong type and value: an error that names it, and nothing is done.

const assert = require('node:assert/strict');
const { startAgent } = require('./support/child.js');
const { test } = require('./support/test.js');

const type = 'ERR_INVALID_ARG_TYPE';
const value = 'ERR_INVALID_ARG_VALUE';

// Sent as source text, since most of these values don't travel.
const notStrings = ['null', '42', 'true', '{}', '[]', '() => {}', 'Symbol("s")', '10n', 'new Uint8Array(1)'];
const notBooleans = ['null', '0', '1', '"true"', '""', '{}', '[]', '() => {}'];
const badPaths = [
  ...notStrings.map((given) => [given, type]),
  ['""', value],
  ['"a\\0b"', value],
  ['new URL("http://localhost/a")', value],
];
const badChoices = [
  ...notStrings.map((given) => [given, type]),
  ['""', value],
  ['"x"', value],
  ['"NONE"', value],
];
const badBooleans = notBooleans.map((given) => [given, type]);
const badNames = [
  ...notStrings.map((given) => [given, type]),
  ...[
    '""',
    '"a/b"',
    '"..\\\\b"',
    '"a\\0b"',
    '"{what}"',
    '"{pid"',
    '".heapsnapshot"',
    '".heapsnapshot.gz"',
  ].map((given) => [given, value]),
];

const common = {
  dir: badPaths,
  fallbackDir: badPaths,
  name: badNames,
  mode: badChoices,
  compress: badChoices,
  numericValues: badBooleans,
  internals: badBooleans,
  keepObjectIds: badBooleans,
  overwrite: badBooleans,
  redact: [
    ['null', type],
    ['42', type],
    ['"yes"', type],
    ['[]', type],
    ['{ sources: true }', value],
  ],
};

const ofCapture = {
  ...common,
  file: badPaths,
  onProgress: ['null', '42', '"f"', '{}', '[]', 'true'].map((given) => [given, type]),
  signal: ['null', '42', '"SIGUSR2"', '{}', '[]', '() => {}', '{ aborted: 1 }'].map((given) => [given, type]),
};

const ofProcess = {
  ...common,
  signal: [
    ...['null', '12', 'true', '{}', '[]'].map((given) => [given, type]),
    ...['""', '"x"', '"SIGKILL"', '"SIGSTOP"', '"SIGSEGV"', '"SIGTERM"', '"SIGPROF"', '"sigusr2"'].map(
      (given) => [given, value],
    ),
  ],
  threads: badChoices,
  quiet: badBooleans,
};

/** Calls `method` with each option's bad values in one child; checks what each call threw. */
async function refusesAll(t, method, table) {
  const agent = await startAgent(t);
  const outcome = await agent.call(
    async ({ stillheap, describe, files }, { method, table }) => {
      const errors = [];
      for (const [option, cases] of Object.entries(table)) {
        for (const [source] of cases) {
          // biome-ignore lint/security/noGlobalEval: the values don't travel otherwise
          const given = globalThis.eval(`(${source})`);
          try {
            const returned = await stillheap[method]({ [option]: given });
            errors.push({ option, source, returned: typeof returned });
          } catch (error) {
            errors.push({ option, source, ...describe(error) });
          }
        }
      }
      return { errors, files: files() };
    },
    { method, table },
  );
  const expected = Object.entries(table).flatMap(([option, cases]) =>
    cases.map(([source, code]) => ({ option, source, code })),
  );
  assert.equal(outcome.errors.length, expected.length);
  outcome.errors.forEach((error, at) => {
    const { option, source, code } = expected[at];
    const where = `${method}({ ${option}: ${source} }) gave ${JSON.stringify(error)}`;
    assert.ok(error.isTypeError, where);
    assert.equal(error.code, code, where);
    assert.ok(error.message.startsWith(`The option '${option}' must be `), where);
    assert.match(error.message, /; given: /, where);
  });
  assert.deepEqual(outcome.files, [], 'nothing is written');
  return agent;
}

for (const [method, table] of [
  ['capture', ofCapture],
  ['configure', ofProcess],
  ['start', ofProcess],
]) {
  test(`${method} refuses every wrong type and value of every option`, async (t) => {
    await refusesAll(t, method, table);
  });
}

test('captureStream refuses them at once, without a stream', async (t) => {
  const { file: _file, name: _name, overwrite: _overwrite, ...table } = ofCapture;
  await refusesAll(t, 'captureStream', table);
});

test('arguments that are no objects, and options that there are not', async (t) => {
  const agent = await startAgent(t);
  const outcome = await agent.call(async ({ stillheap, describe, files }) => {
    const errors = [];
    for (const method of ['capture', 'captureStream', 'configure', 'start']) {
      const wrong = [null, 42, 'file.heapsnapshot', [], () => {}, { fiel: 'x' }, { constructor: 1 }];
      for (const argument of wrong) {
        try {
          await stillheap[method](argument);
          errors.push({ method, argument: String(argument), nothing: true });
        } catch (error) {
          errors.push({ method, ...describe(error) });
        }
      }
    }
    return { errors, files: files() };
  });
  for (const error of outcome.errors) {
    assert.ok(error.isTypeError, JSON.stringify(error));
    assert.match(error.message, /^The argument of /);
    assert.match(error.code, /^ERR_INVALID_ARG_(TYPE|VALUE)$/);
  }
  assert.equal(outcome.errors.length, 28);
  assert.deepEqual(outcome.files, []);
});

test('undefined counts as left out; file excludes dir and name', async (t) => {
  const agent = await startAgent(t);
  const outcome = await agent.call(async ({ stillheap, describe, files }) => {
    const names = ['dir', 'fallbackDir', 'name', 'mode', 'compress', 'numericValues', 'internals', 'file'];
    names.push('keepObjectIds', 'overwrite', 'onProgress', 'signal');
    const nothing = Object.fromEntries(names.map((name) => [name, undefined]));
    const { file } = await stillheap.capture(nothing);
    const errors = [];
    for (const other of [{ dir: '.' }, { name: 'x' }]) {
      await stillheap.capture({ file: 'a', ...other }).catch((error) => errors.push(describe(error)));
    }
    return { file, errors, files: files().length };
  });
  assert.match(outcome.file, /heapdump-.*\.heapsnapshot$/);
  assert.deepEqual(
    outcome.errors.map(({ code, isTypeError }) => ({ code, isTypeError })),
    [
      { code: value, isTypeError: true },
      { code: value, isTypeError: true },
    ],
  );
  assert.match(outcome.errors[0].message, /'dir'/);
  assert.match(outcome.errors[1].message, /'name'/);
  assert.equal(outcome.files, 1);
});
