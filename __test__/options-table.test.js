'use strict';

// An option is defined once, in lib/options.js. Everything that repeats it agrees: index.d.ts, README.md, the variables
// that the code and the documents mention, and what the addon takes.

const assert = require('node:assert/strict');
const { readdirSync, readFileSync } = require('node:fs');
const path = require('node:path');
const { root, startNode, temporaryDirectory } = require('./support/child.js');
const { test } = require('./support/test.js');
const { initialDefaults, table, toNative } = require('../lib/options.js');

const read = (name) => readFileSync(path.join(root, name), 'utf8');
const options = Object.entries(table).map(([key, option]) => ({ name: key, ...option }));
const at = (place) => options.filter((option) => option.at.includes(place)).map(({ name }) => name);

/** The properties of an interface in a file of declarations, with their comments. */
function properties(file, name) {
  const ts = require('typescript');
  const source = ts.createSourceFile(file, read(file), ts.ScriptTarget.Latest, true);
  const found = source.statements.find((s) => ts.isInterfaceDeclaration(s) && s.name.text === name);
  assert.ok(found, `${file} has an interface ${name}`);
  return Object.fromEntries(found.members.map((m) => [m.name.getText(), m.getFullText()]));
}

test('index.d.ts has every option where it may be given, and names its variable', () => {
  const common = properties('index.d.ts', 'CommonOptions');
  const capture = { ...common, ...properties('index.d.ts', 'CaptureOptions') };
  const process = { ...common, ...properties('index.d.ts', 'ProcessOptions') };
  const { keepObjectIds: _ids, outlive: _outlive, fallback: _fallback, ...rest } = common;
  const limit = { ...rest, ...properties('index.d.ts', 'NearHeapLimitOptions') };
  for (const [place, declared] of Object.entries({ capture, process, limit })) {
    assert.deepEqual(Object.keys(declared).sort(), at(place).sort(), place);
  }
  for (const { name, at, variable } of options) {
    if (variable === undefined || at.length === 0) continue;
    const declared = at.includes('process') ? process : limit;
    assert.ok(declared[name].includes(`\`${variable}`), `${name} says ${variable}`);
  }
});

test('README.md has a row for every option, with its variable and its default', () => {
  const lines = read('README.md').split('\n');
  const start = lines.findIndex((line) => line.startsWith('| option | variable | default |'));
  const rows = lines.slice(start + 2, lines.indexOf('', start)).map((line) => {
    const [names, variable, initial] = line.split('|').slice(1, 4);
    const code = (text) => [...text.matchAll(/`([^`]*)`/g)].map(([, found]) => found);
    return { names: code(names), variable: code(variable), initial: code(initial) };
  });
  const described = (name, variable) =>
    rows.filter(
      (row) => (row.names.includes(name) || row.names.length === 0) && row.variable[0] === variable,
    );
  for (const { name, variable, initial } of options) {
    const found = described(name, variable);
    assert.equal(found.length >= 1, true, `${name} has a row with ${variable}`);
    if (variable === undefined || initial === undefined || name === 'signal') continue;
    assert.deepEqual(found[0].initial, [String(initial ?? false)], `the default of ${name}`);
  }
  const known = options.map(({ variable }) => variable);
  for (const { variable } of rows) for (const one of variable) assert.ok(known.includes(one), one);
});

test('every variable that is mentioned somewhere is read somewhere', () => {
  const files = [
    ...['README.md', 'CONTRIBUTING.md', 'CHANGELOG.md', 'index.d.ts'],
    ...readdirSync(path.join(root, 'docs')).map((name) => `docs/${name}`),
    ...readdirSync(path.join(root, 'lib')).map((name) => `lib/${name}`),
  ].filter((name) => /\.(md|ts|js)$/.test(name));
  const known = new Set(options.map(({ variable }) => variable));
  // Read elsewhere than for captures.
  const analysis = ['INDEX', 'NO_INDEX', 'INDEX_DIR', 'READ_LIMIT', 'COLUMNS', 'PAGER'].map(
    (name) => `STILLHEAP_${name}`,
  );
  for (const name of analysis) known.add(name);
  for (const file of files) {
    for (const [name] of read(file).matchAll(/\bSTILLHEAP_[A-Z_]+[A-Z]\b/g)) {
      if (/^ERR_|_LENGTH$|^STILLHEAP_(TEST|NEXTEST|FUZZ)/.test(name)) continue;
      assert.ok(known.has(name), `${file} mentions ${name}`);
    }
  }
});

test('each variable sets its option', () => {
  const values = {
    dir: ['/x', '/x'],
    fallbackDir: ['/y', '/y'],
    name: ['a-{pid}', 'a-{pid}'],
    compress: ['zstd', 'zstd'],
    mode: ['fork', 'fork'],
    engine: ['own', 'own'],
    scratch: ['auto', 'auto'],
    force: ['1', true],
    fallback: ['inline', 'inline'],
    timeLimit: ['5000', 5000],
    outlive: ['1', true],
    keepObjectIds: ['keep', true],
    numericValues: ['1', true],
    redact: ['keep-source', { source: false }],
    internals: ['yes', true],
    overwrite: ['on', true],
    signal: ['none', null],
    threads: ['all', 'all'],
    quiet: ['true', true],
    nearHeapLimit: ['1', true],
    raise: ['1000', 1000],
    hold: ['0', false],
    sample: ['4096', 4096],
    watch: ['capture', { onLeak: {} }],
  };
  const complaints = [];
  for (const { name, variable } of options) {
    if (variable === undefined) continue;
    const [text, expected] = values[name];
    const { defaults, limit } = initialDefaults({ [variable]: text }, (line) => complaints.push(line));
    assert.deepEqual({ ...defaults, ...limit }[name], expected, variable);
    initialDefaults({ [variable]: '\0wrong/' }, (line) => complaints.push(line));
    assert.match(complaints.at(-1), new RegExp(`^stillheap: ${variable} must be .*; it is ignored$`));
  }
  const wrong = options.filter(({ variable }) => variable !== undefined).length;
  assert.equal(complaints.length, wrong, complaints.join('\n'));
});

test('the addon gets what is for it and nothing else', () => {
  const { defaults } = initialDefaults({}, assert.fail);
  const native = toNative(defaults, 'signal');
  const expected = options
    .filter((o) => o.native !== false && o.initial !== undefined)
    .map(({ name }) => name);
  assert.deepEqual(Object.keys(native).sort(), [...expected, 'trigger'].sort());
});

test('a preloaded process that is only sent a signal can have every option', async (t) => {
  const cwd = temporaryDirectory(t);
  const env = {
    STILLHEAP_NUMERIC_VALUES: '1',
    STILLHEAP_NAME: 'numbers',
    STILLHEAP_REDACT: 'keep-source',
  };
  const idle = 'globalThis.n = [1.25]; setInterval(() => {}, 2 ** 30); console.log("ready")';
  const child = startNode(t, ['-r', root, '-e', idle], { cwd, env });
  await child.output(/ready/, 'stdout');
  child.kill('SIGUSR2');
  const [, file] = await child.output(/stillheap: wrote (\S+)/);
  const { snapshot, strings } = JSON.parse(readFileSync(file, 'utf8'));
  assert.equal(path.basename(file), 'numbers.heapsnapshot');
  assert.ok(strings.includes('value') && strings.includes('length'), 'the values of numbers are there');
  assert.equal(snapshot.stillheap.redacted.source, false);
});

test('redact and a scratch file on the disk exclude each other', async (t) => {
  const source = `
    const stillheap = require(${JSON.stringify(root)});
    (async () => {
      const codes = [];
      for (const call of [
        () => stillheap.capture({ redact: true, scratch: 'disk' }),
        async () => stillheap.captureStream({ redact: { source: false }, scratch: 'disk' }),
        async () => stillheap.configure({ redact: true, scratch: 'disk' }),
        async () => stillheap.captureNearHeapLimit({ redact: true, scratch: 'disk' }),
        async () => { stillheap.configure({ redact: true }); stillheap.configure({ scratch: 'disk' }) },
      ]) {
        await call().then(() => codes.push('done'), ({ code, message }) => codes.push([code, /'redact'/.test(message)]));
      }
      console.log(JSON.stringify(codes));
    })();`;
  const cwd = temporaryDirectory(t);
  const child = startNode(t, ['-e', source], { cwd });
  await child.succeeded();
  const refused = ['ERR_INVALID_ARG_VALUE', true];
  assert.deepEqual(JSON.parse(child.stdout), [refused, refused, refused, refused, refused]);
  assert.deepEqual(readdirSync(cwd), []);
  const env = { STILLHEAP_REDACT: '1', STILLHEAP_SCRATCH: 'disk' };
  const started = startNode(t, ['-r', root, '-e', '0'], { cwd, env });
  await started.succeeded();
  assert.match(started.stderr, /STILLHEAP_SCRATCH is ignored/);
});
