'use strict';

// No secret reaches the disk, wherever in the heap it is, and the numbers stay what they were.

const assert = require('node:assert/strict');
const { spawnSync } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');
const { cleanEnvironment, root, startAgent, temporaryDirectory } = require('./support/child.js');
const { nodes, rawBytes, readSnapshot } = require('./support/snapshot.js');
const { test } = require('./support/test.js');

const bin = path.join(root, 'bin/stillheap.js');
const forks = process.platform === 'linux' && Boolean(process.report?.getReport().header.glibcVersionRuntime);

/** What is planted, by place. It reaches the child as data: no source of the child's has it. */
const secrets = {
  value: 'value jane.doe@example.com',
  twoByte: 'zwei Bytes: schlüssel–東京–😀',
  quoted: 'with "quotes" and \\slashes\\ and\nlines',
  property: 'jane.property@example.com',
  tokenKey: 'tk9f8e7d6c5b4a39281706',
  wordKey: 'aliceanderson',
  fewKeys: 'bobbaxterson',
  mapKey: 'map key of mallory',
  setKey: 'set entry of trent',
  weakValue: 'weak value of oscar',
  symbol: 'symbol of peggy',
  symbolWord: 'peggypemberton',
  regexp: 'regexp-of-victor-[0-9]+',
  first: 'the first half of it: ',
  second: 'and the second half of it',
  sliced: 'this one is cut out of a longer text',
  template: 'a template with walter in it',
  source: 'source text of wendy',
  error: 'an error about zoe',
  className: 'Customer Quentin Quarles',
  classWord: 'Quentinquarles',
  tag: 'toStringTag of rupert',
  functionName: 'function of sybil',
  directory: 'customer-ulysses',
  module: 'invoice for vanessa',
  variable: 'password of xavier, set by xerxes',
  argument: 'handed over to yvonne',
  global: 'globalofheidi',
  eventName: 'event of ivan',
  url: 'https://judy:password@example.com/path',
  number: '4539578763621486',
  integer: '871264935',
  float: '31415.92653589',
  bigKey: '6011000990139424',
  numberKey: '987123456',
};

/** Puts every secret where it belongs, in the child. */
function plant({ keep, fs, path, require }, secrets) {
  const s = secrets;
  keep.value = s.value;
  keep.twoByte = s.twoByte;
  keep.quoted = s.quoted;
  keep.property = { [s.property]: {} };
  keep.tokenKey = { [s.tokenKey]: {} };
  // In dictionary mode, and not.
  keep.wordKey = Object.create(null);
  for (let i = 0; i < 200; i++)
    keep.wordKey[`${s.wordKey}${String.fromCharCode(97 + (i % 26), 97 + ((i / 26) | 0))}`] = {};
  keep.wordKey[s.wordKey] = {};
  keep.fewKeys = JSON.parse(`{"${s.fewKeys}":{"${s.fewKeys}inner":[]}}`);
  keep.map = new Map([[s.mapKey, {}]]);
  keep.set = new Set([s.setKey]);
  keep.weak = new WeakMap([[keep, s.weakValue]]);
  keep.symbols = { [Symbol(s.symbol)]: {}, [Symbol.for(s.symbolWord)]: {} };
  keep.regexp = new RegExp(s.regexp);
  keep.cons = s.first + s.second;
  keep.sliced = `${'x'.repeat(50)}${s.sliced}${'y'.repeat(50)}`.split('').join('').slice(40, 120);
  keep.template = `${s.template} ${s.template.length}`;
  keep.made = new Function('a', `/* ${s.source} */ const text = '${s.source}'; return () => a + text`)(1);
  keep.error = new Error(s.error);
  keep.error.stack;
  keep.caught = (() => {
    try {
      JSON.parse(s.error);
    } catch (error) {
      return error;
    }
  })();
  const classes = { [s.className]: class {}, [s.classWord]: class {} };
  keep.classes = Object.values(classes).map((Class) => new Class());
  class Renamed {}
  Object.defineProperty(Renamed, 'name', { value: s.classWord });
  keep.renamed = [new Renamed(), Renamed];
  keep.tag = { [Symbol.toStringTag]: s.tag };
  keep.functions = { [s.functionName]: () => keep, [`${s.functionName} 2`]() {} };
  const directory = path.resolve(s.directory);
  fs.mkdirSync(directory, { recursive: true });
  const file = path.join(directory, `${s.module}.js`);
  fs.writeFileSync(file, 'module.exports = class Loaded { held = () => this };');
  keep.loaded = new (require(file))();
  process.env.STILLHEAP_TEST_SECRET = s.variable;
  keep.environment = { ...process.env };
  keep.bound = (() => {}).bind(null, s.argument);
  globalThis[s.global] = {};
  const { EventEmitter } = require('node:events');
  keep.emitter = new EventEmitter().on(s.eventName, () => {});
  keep.url = new URL(s.url);
  keep.numbers = [Number(s.number), Number(s.integer), Number(s.float)];
  keep.numberFields = { card: Number(s.number), small: Number(s.integer), float: Number(s.float) };
  keep.bigKey = { [s.bigKey]: {} };
  keep.numberKey = { [s.numberKey]: {} };
  keep.buffer = Buffer.from(s.value);
  // Compiled code remembers the keys that it meets.
  const look = (object, key) => object[key];
  for (let i = 0; i < 50_000; i++) look(keep.wordKey, s.wordKey);
  keep.look = look;
}

/** Every form in which a text could stand in a file. */
function forms(text) {
  const json = JSON.stringify(text).slice(1, -1);
  const escaped = json.replace(
    /[\u0080-\uffff]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
  return [text, json, escaped, text.slice(0, 12), text.slice(-12), encodeURI(text)];
}

/** The places whose secret is in a snapshot. */
function found(file) {
  const bytes = rawBytes(file);
  const raw = bytes.toString('utf8');
  const parsed = JSON.parse(raw);
  const text = `${raw}\n${parsed.strings.join('\n')}\n${parsed.edges.filter((n) => n > 1e6).join('\n')}`;
  return Object.keys(secrets).filter((place) => forms(secrets[place]).some((form) => text.includes(form)));
}

/**
 * What is found where the source text was to stay. V8 keeps a text that JSON.parse refused as the source of a
 * script, and the source of a function made at run time now whole, now in pieces.
 */
function notSource(file) {
  return found(file).filter((place) => place !== 'source' && place !== 'error');
}

const everything = Object.keys(secrets);

function cli(...args) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [bin, ...args], {
    encoding: 'utf8',
    env: cleanEnvironment({ STILLHEAP_NO_INDEX: '1' }),
    maxBuffer: 1 << 28,
  });
  return { status, stdout, stderr };
}

function ask(...args) {
  const { status, stdout, stderr } = cli(...args, '--json');
  assert.equal(status, 0, stderr);
  return JSON.parse(stdout);
}

for (const mode of forks ? ['inline', 'fork'] : ['inline']) {
  test(`no secret is in a redacted snapshot: ${mode}`, async (t) => {
    const agent = await startAgent(t, { env: { NODE_HEAPDUMP_OPTIONS: 'nosignal' } });
    await agent.call(plant, secrets);
    const take = (options) =>
      agent.call(async ({ stillheap }, options) => await stillheap.capture(options), options);
    const plain = await take({ mode, numericValues: true });
    assert.equal(plain.redacted, undefined);
    // What isn't there can't be taken out.
    assert.deepEqual(found(plain.file), everything);
    for (const options of [{ redact: true }, { redact: { source: true }, compress: 'gzip' }]) {
      const redacted = await take({
        mode,
        numericValues: true,
        internals: options.compress === 'gzip',
        ...options,
      });
      assert.equal(redacted.redacted, true);
      assert.equal(redacted.mode, mode);
      assert.deepEqual(found(redacted.file), []);
      const { stillheap } = readSnapshot(redacted.file).snapshot;
      assert.equal(stillheap.redacted.source, true);
      assert.equal(stillheap.mode, mode);
    }
    const withSource = await take({ mode, redact: { source: false } });
    assert.deepEqual(notSource(withSource.file), []);
  });
}

test('what the command line makes of a file has no secret and the same numbers', async (t) => {
  const agent = await startAgent(t, { env: { NODE_HEAPDUMP_OPTIONS: 'nosignal' } });
  await agent.call(plant, secrets);
  const { file } = await agent.call(({ stillheap }) => stillheap.capture({ numericValues: true }));
  const directory = temporaryDirectory(t);
  const at = (name) => path.join(directory, name);
  const answer = ask('redact', file, at('a.heapsnapshot.gz'));
  assert.equal(answer.redacted, true);
  assert.equal(answer.bytes, fs.statSync(at('a.heapsnapshot.gz')).size);
  assert.equal(fs.statSync(at('a.heapsnapshot.gz')).mode & 0o777, 0o600);
  assert.deepEqual(found(at('a.heapsnapshot.gz')), []);
  const again = cli('redact', file, at('a.heapsnapshot.gz'));
  assert.equal(again.status, 2);
  assert.match(again.stderr, /already exists/);
  const twice = cli('redact', at('a.heapsnapshot.gz'), at('b.heapsnapshot'));
  assert.equal(twice.status, 2);
  assert.match(twice.stderr, /redacted already/);
  ask('redact', '--source=keep', file, at('c.heapsnapshot'));
  assert.deepEqual(notSource(at('c.heapsnapshot')), []);
  assert.deepEqual(fs.readdirSync(directory).sort(), ['a.heapsnapshot.gz', 'c.heapsnapshot']);
});

/** The ids of concatenated strings, and of what they are made of. */
function concatenations(parsed) {
  const { node_fields: fields, edge_fields: edgeFields } = parsed.snapshot.meta;
  const [id, count] = ['id', 'edge_count'].map((name) => fields.indexOf(name));
  const to = edgeFields.indexOf('to_node');
  const concatenated = new Set();
  const pieces = new Set();
  let row = 0;
  let edge = 0;
  for (const node of nodes(parsed)) {
    const end = edge + parsed.nodes[row + count] * edgeFields.length;
    if (node.type === 'concatenated string') {
      concatenated.add(node.id);
      for (let at = edge; at < end; at += edgeFields.length)
        pieces.add(parsed.nodes[parsed.edges[at + to] + id]);
    }
    edge = end;
    row += fields.length;
  }
  return { concatenated, pieces };
}

test('the numbers of a redacted file are those of the file', async (t) => {
  const agent = await startAgent(t, { env: { NODE_HEAPDUMP_OPTIONS: 'nosignal' } });
  await agent.call(plant, secrets);
  const { file } = await agent.call(({ stillheap }) => stillheap.capture({ numericValues: true }));
  const redacted = path.join(temporaryDirectory(t), 'redacted.heapsnapshot');
  ask('redact', file, redacted);
  for (const command of ['summary']) {
    assert.deepEqual(
      numbers(ask(command, redacted, '--limit', '0')),
      numbers(ask(command, file, '--limit', '0')),
      command,
    );
  }
  // A text that is in pieces in one place and whole in another is not found out; see docs/redact.md.
  // What one copy of each piece would save depends on that as well.
  const parsed = readSnapshot(file);
  const { concatenated, pieces } = concatenations(parsed);
  const groups = (file) => {
    const { duplicates } = ask('strings', file, '--duplicates', '--limit', '0');
    const rest = duplicates.filter(({ ids }) => !ids.some((id) => concatenated.has(id)));
    // The answer has the first ids of a group only.
    const sure = ({ ids, count }) => ids.length === count && !ids.some((id) => pieces.has(id));
    assert.ok(
      rest.filter(sure).length > rest.length / 4,
      'savings are compared in at least a quarter of the groups',
    );
    return numbers(rest.map((group) => (sure(group) ? group : { ...group, wastedSize: undefined })));
  };
  assert.deepEqual(groups(redacted), groups(file));
  const classes = (answer) => new Map(answer.classes.map(({ name, count }) => [name, count]));
  const [before, after] = [file, redacted].map((file) => classes(ask('summary', file, '--limit', '0')));
  for (const name of ['Loaded', 'EventEmitter', 'Object', '(string)', 'Map', 'URL']) {
    assert.equal(after.get(name), before.get(name), name);
  }
});

/** The numbers of an answer, texts left out; lists in an order of their own. */
function numbers(answer) {
  if (Array.isArray(answer)) return answer.map((item) => JSON.stringify(numbers(item))).sort();
  if (typeof answer === 'string') return answer.length;
  if (typeof answer !== 'object' || answer === null) return answer;
  const entries = Object.entries(answer).filter(([name]) => name !== 'file');
  return Object.fromEntries(entries.map(([name, value]) => [name, numbers(value)]));
}

test('STILLHEAP_REDACT, configure(), streams and writeSnapshot() redact, too', async (t) => {
  const agent = await startAgent(t, { env: { NODE_HEAPDUMP_OPTIONS: 'nosignal', STILLHEAP_REDACT: '1' } });
  await agent.call(plant, secrets);
  await agent.call(async ({ stillheap, fs }) => {
    stillheap.writeSnapshot('written.heapsnapshot');
    await stillheap.capture({ file: 'captured.heapsnapshot' });
    const out = fs.createWriteStream('streamed.heapsnapshot');
    const stream = stillheap.captureStream();
    await new Promise((resolve, reject) => stream.on('error', reject).pipe(out).on('finish', resolve));
    if (!(await stream.result).redacted) throw new Error('a stream says that it is redacted');
    stillheap.configure({ redact: false });
    await stillheap.capture({ file: 'plain.heapsnapshot' });
  });
  for (const name of ['written', 'captured', 'streamed']) {
    assert.deepEqual(found(path.join(agent.cwd, `${name}.heapsnapshot`)), [], name);
  }
  assert.ok(found(path.join(agent.cwd, 'plain.heapsnapshot')).includes('value'));
});

test('two redacted captures of a process can be compared, those of two processes have different keys', async (t) => {
  const keys = [];
  for (const _process of [1, 2]) {
    const agent = await startAgent(t, { env: { NODE_HEAPDUMP_OPTIONS: 'nosignal' } });
    const files = await agent.call(async ({ stillheap }) => {
      const take = async () => (await stillheap.capture({ redact: true })).file;
      return [await take(), await take()];
    });
    const [one, other] = files.map((file) => readSnapshot(file).snapshot.stillheap.redacted.key);
    assert.equal(one, other);
    keys.push(one);
  }
  assert.notEqual(keys[0], keys[1]);
});

test('without V8 itself it is refused, and nothing is written', async (t) => {
  const agent = await startAgent(t, { env: { NODE_HEAPDUMP_OPTIONS: 'nosignal', STILLHEAP_ENGINE: 'node' } });
  await assert.rejects(
    agent.call(({ stillheap }) => stillheap.capture({ redact: true })),
    { code: 'ERR_STILLHEAP_UNSUPPORTED', message: /redact/ },
  );
  assert.deepEqual(await agent.call(({ files }) => files()), []);
});
