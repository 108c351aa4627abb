// open() and its questions. The numbers themselves are the core's tests' business; here: every method reaches
// its question, arguments are checked, pages are pages, and memory is let go of.

const assert = require('node:assert/strict');
const { spawnSync } = require('node:child_process');
const { once } = require('node:events');
const { copyFileSync, createWriteStream, readdirSync, readFileSync, writeFileSync } = require('node:fs');
const path = require('node:path');
const { pathToFileURL } = require('node:url');
const { root, runSource, temporaryDirectory } = require('./support/child.js');
const { test } = require('./support/test.js');
const { leaks, open, Snapshot } = require('../lib/snapshot.js');

const fixture = (name) => path.join(root, 'crates/cli/tests/fixtures', name);
const leak = fixture('leak.heapsnapshot');

/** What the command line prints as JSON for the same question. */
function printed(...args) {
  const { stdout, stderr } = spawnSync(
    process.execPath,
    [path.join(root, 'bin/stillheap.js'), ...args, '--json'],
    {
      encoding: 'utf8',
    },
  );
  assert.ok(stdout, stderr);
  return JSON.parse(stdout);
}

test('says what it is', async () => {
  const snapshot = await open(leak);
  assert.ok(snapshot instanceof Snapshot);
  const { file, model, nodeCount, edgeCount, salvage, capture, disposed } = snapshot;
  assert.deepEqual(
    { file, model, nodeCount, edgeCount, salvage, capture, disposed },
    {
      file: leak,
      model: 'devtools',
      nodeCount: 58,
      edgeCount: 79,
      salvage: undefined,
      capture: undefined,
      disposed: false,
    },
  );
});

test('answers as the command line does', async () => {
  const snapshot = await open(leak);
  const cases = [
    [snapshot.summary({ limit: 3, sort: 'count' }), 'summary', leak, '--limit', '3', '--sort', 'count'],
    [
      snapshot.summary({ filter: ['Email*', 'objectsRetainedByContexts'] }),
      'summary',
      leak,
      '--filter',
      'Email*',
      '--filter',
      'objectsRetainedByContexts',
    ],
    [
      snapshot.instances('EmailTemplate', { sort: 'id', offset: 1 }),
      'instances',
      leak,
      'EmailTemplate',
      '--sort',
      'id',
      '--offset',
      '1',
    ],
    [
      snapshot.inspect(1201, { sort: 'file', textLimit: 5 }),
      'inspect',
      leak,
      '@1201',
      '--sort',
      'file',
      '--text-limit',
      '5',
    ],
    [snapshot.inspect('@1205'), 'inspect', leak, '@1205'],
    [
      snapshot.retainers(1001, { depth: 3, branch: 1, paths: 2 }),
      'retainers',
      leak,
      '@1001',
      '--depth',
      '3',
      '--branch',
      '1',
      '--paths',
      '2',
    ],
    [snapshot.retainers('EmailTemplate', { depth: 2 }), 'retainers', leak, 'EmailTemplate', '--depth', '2'],
    [snapshot.dominators(), 'dominators', leak],
    [
      snapshot.dominators('@1201', { depth: 2, sort: 'self' }),
      'dominators',
      leak,
      '@1201',
      '--depth',
      '2',
      '--sort',
      'self',
    ],
    [snapshot.containment(), 'containment', leak],
    [snapshot.containment(1201, { depth: 2 }), 'containment', leak, '@1201', '--depth', '2'],
    [snapshot.duplicateStrings({ sort: 'count' }), 'strings', leak, '--duplicates', '--sort', 'count'],
    [snapshot.strings({ filter: 'ann' }), 'strings', leak, '--filter', 'ann'],
    [snapshot.closures({ sort: 'contexts' }), 'closures', leak, '--sort', 'contexts'],
    [snapshot.timeline(), 'timeline', leak],
    [
      snapshot.query('class = Email*', { limit: 2, all: true }),
      'query',
      leak,
      'class = Email*',
      '--limit',
      '2',
      '--all',
    ],
  ];
  for (const [answer, ...args] of cases) assert.deepEqual(await answer, printed(...args), args.join(' '));
});

test('statistics are those of the summary', async () => {
  const snapshot = await open(leak);
  const { totals, statistics } = await snapshot.summary();
  const alone = await snapshot.statistics();
  assert.deepEqual(alone, { schemaVersion: 1, model: 'devtools', file: leak, totals, statistics });
});

test('paths of an object and of a class', async () => {
  const snapshot = await open(leak);
  const { node, paths } = await snapshot.paths(1001, { count: 2 });
  assert.equal(node.id, 1001);
  assert.deepEqual(
    paths.map((p) => p.steps.length),
    [7, 3],
  );
  const merged = await snapshot.paths('EmailTemplate');
  assert.deepEqual(
    merged.paths.map((p) => [p.count, p.endsAt]),
    [
      [2, 'sameClass'],
      [1, 'userRoot'],
    ],
  );
});

test('compares two snapshots and more', async () => {
  const files = [leak, fixture('leak-after.heapsnapshot'), fixture('leak-later.heapsnapshot')];
  const [first, second, third] = await Promise.all(files.map((file) => open(file)));
  assert.deepEqual(await first.compare(second), printed('diff', files[0], files[1]));
  const options = { match: 'class', sort: 'count', failOn: 'EmailTemplate:grows' };
  const args = ['--match', 'class', '--sort', 'count', '--fail-on', 'EmailTemplate:grows'];
  assert.deepEqual(await first.compare([second, third], options), printed('diff', ...files, ...args));
});

test('says what leaks', async () => {
  const files = [1, 2, 3].map((number) => fixture(`growing-${number}.heapsnapshot`));
  const answer = await leaks(files);
  assert.deepEqual(answer, printed('leaks', ...files));
  assert.equal(answer.suspects[0].className, 'EmailTemplate');
  assert.equal(answer.suspects[0].cause.kind, 'shared-context');
  const [first, ...newer] = await Promise.all(files.map((file) => open(file)));
  assert.deepEqual(await first.leaks(newer, { limit: 1 }), printed('leaks', ...files, '--limit', '1'));
  assert.deepEqual(await first.leaks(), printed('leaks', files[0]));
  assert.deepEqual(await leaks(pathToFileURL(files[0]), { sourceMaps: root }), printed('leaks', files[0]));
  await assert.rejects(leaks([...files, fixture('none.heapsnapshot')]), { code: 'ENOENT' });
});

test('the model is chosen when opening', async () => {
  const snapshot = await open(leak, { model: 'gc' });
  assert.equal(snapshot.model, 'gc');
  assert.deepEqual(await snapshot.summary(), printed('summary', leak, '--model', 'gc'));
});

test('takes file URLs', async () => {
  const snapshot = await open(pathToFileURL(leak));
  assert.equal(snapshot.file, leak);
});

test('a truncated file is salvaged and says so', async () => {
  const snapshot = await open(fixture('truncated.heapsnapshot'));
  assert.equal(snapshot.salvage.section, 'edges');
  assert.equal((await snapshot.summary()).salvage.section, 'edges');
});

test('files that cannot be opened reject with code, path and position', async () => {
  const missing = fixture('missing.heapsnapshot');
  await assert.rejects(open(missing), { code: 'ENOENT', errno: -2, syscall: 'open', path: missing });
  await assert.rejects(open(fixture('malformed.heapsnapshot')), {
    code: 'ERR_STILLHEAP_MALFORMED',
    position: 2000,
  });
  await assert.rejects(open(fixture('not-a-snapshot.json')), { code: 'ERR_STILLHEAP_NOT_A_SNAPSHOT' });
});

test('what the snapshot does not have rejects', async () => {
  const snapshot = await open(leak);
  const absent = { code: 'ERR_STILLHEAP_NOT_FOUND' };
  await assert.rejects(snapshot.inspect(4), absent);
  await assert.rejects(snapshot.instances('Nobody'), absent);
  await assert.rejects(snapshot.retainers('Nobody'), absent);
  await assert.rejects(snapshot.query('self >'), { code: 'ERR_STILLHEAP_QUERY', position: 6 });
  await assert.rejects(snapshot.summary({ filter: '/(/' }), { code: 'ERR_INVALID_ARG_VALUE' });
});

test('wrong arguments are named', async () => {
  const snapshot = await open(leak);
  const type = (name) => ({ name: 'TypeError', code: 'ERR_INVALID_ARG_TYPE', message: new RegExp(name) });
  const value = (name) => ({ name: 'TypeError', code: 'ERR_INVALID_ARG_VALUE', message: new RegExp(name) });
  await assert.rejects(open(), type('The file'));
  await assert.rejects(open(42), type('The file'));
  await assert.rejects(open('a\0b'), value('The file'));
  await assert.rejects(open(leak, 'gc'), type('The second argument of open'));
  await assert.rejects(open(leak, { model: 'chrome' }), value("The option 'model'"));
  await assert.rejects(open(leak, { modle: 'gc' }), value('The second argument of open'));
  await assert.rejects(open(leak, { onProgress: 1 }), type("The option 'onProgress'"));
  await assert.rejects(open(leak, { signal: {} }), type("The option 'signal'"));
  await assert.rejects(snapshot.summary({ limit: -1 }), value("The option 'limit'"));
  await assert.rejects(snapshot.summary({ limit: '5' }), type("The option 'limit'"));
  await assert.rejects(snapshot.summary({ sort: 'size' }), value("The option 'sort'"));
  await assert.rejects(snapshot.summary({ filter: [1] }), type("The option 'filter'"));
  await assert.rejects(snapshot.instances(), type('The class'));
  await assert.rejects(snapshot.inspect('EmailTemplate'), value('The id'));
  await assert.rejects(snapshot.inspect(-1), value('The id'));
  await assert.rejects(snapshot.inspect({}), type('The id'));
  await assert.rejects(snapshot.retainers(1, { depth: 0 }), value("The option 'depth'"));
  await assert.rejects(snapshot.retainers(null), type('The target'));
  await assert.rejects(snapshot.query(''), value('The expression'));
  await assert.rejects(snapshot.compare({}), type('The newer snapshot'));
  await assert.rejects(snapshot.compare([]), type('The newer snapshot'));
  await assert.rejects(leaks([]), value('The files'));
  await assert.rejects(leaks([1]), type('The file'));
  await assert.rejects(leaks(leak, { limit: 0 }), value("The option 'limit'"));
  await assert.rejects(leaks(leak, { sourceMaps: 1 }), type("The option 'sourceMaps'"));
  await assert.rejects(leaks(leak, { model: 'v8' }), value("The option 'model'"));
  await assert.rejects(snapshot.leaks('x'), type('The newer snapshot'));
  assert.throws(() => new Snapshot(), { code: 'ERR_ILLEGAL_CONSTRUCTOR' });
});

test('after dispose every question rejects, and those under way are answered', async () => {
  const disposed = { code: 'ERR_STILLHEAP_DISPOSED' };
  const snapshot = await open(leak);
  const other = await open(leak);
  const underWay = snapshot.summary();
  snapshot.dispose();
  snapshot.dispose();
  assert.equal(snapshot.disposed, true);
  assert.equal((await underWay).totals.nodes, 58);
  await assert.rejects(snapshot.summary(), disposed);
  await assert.rejects(snapshot.compare(other), disposed);
  await assert.rejects(other.compare(snapshot), disposed);
  if (Symbol.dispose !== undefined) {
    other[Symbol.dispose]();
    assert.equal(other.disposed, true);
  }
});

test('an aborted signal rejects with its reason', async () => {
  const reason = new Error('enough');
  await assert.rejects(open(leak, { signal: AbortSignal.abort(reason) }), reason);
  const controller = new AbortController();
  const opening = open(leak, { signal: controller.signal });
  controller.abort(reason);
  await assert.rejects(opening, reason);
  const late = new AbortController();
  const snapshot = await open(leak, { signal: late.signal });
  late.abort();
  assert.equal((await snapshot.summary()).totals.nodes, 58);
});

test('an aborted signal stops the reading itself', async (t) => {
  const pipe = path.join(temporaryDirectory(t), 'endless.heapsnapshot');
  assert.equal(spawnSync('mkfifo', [pipe]).status, 0);
  const writer = createWriteStream(pipe);
  const broken = once(writer, 'error');
  const [head] = readFileSync(leak, 'latin1').split('"nodes":');
  writer.write(`${head}"nodes":[0`);
  const zeros = Buffer.from(',0'.repeat(1 << 16));
  const more = () => writer.write(zeros, (error) => error || more());
  more();
  const controller = new AbortController();
  const reason = new Error('enough');
  const onProgress = () => controller.abort(reason);
  await assert.rejects(open(pipe, { signal: controller.signal, onProgress }), reason);
  // Nobody reads any more.
  assert.equal((await broken)[0].code, 'EPIPE');
});

test('progress is told', async (t) => {
  const file = path.join(temporaryDirectory(t), 'padded.heapsnapshot');
  writeFileSync(file, Buffer.concat([readFileSync(leak), Buffer.alloc(20 << 20, ' ')]));
  const seen = [];
  const snapshot = await open(file, { onProgress: (progress) => seen.push(progress) });
  assert.equal(snapshot.nodeCount, 58);
  assert.ok(seen.length > 0);
  for (const { bytes, totalBytes } of seen) assert.ok(bytes > 0 && bytes <= totalBytes);
});

test('many at once, and many questions of one', async () => {
  const snapshots = await Promise.all(Array.from({ length: 20 }, () => open(leak)));
  const answers = await Promise.all(
    snapshots.flatMap((snapshot) => [snapshot.summary(), snapshot.closures(), snapshot.query('self > 0')]),
  );
  assert.deepEqual(answers[57], answers[0]);
  assert.deepEqual(answers[59], answers[2]);
});

test('a question under way keeps nothing from ending', async (t) => {
  const directory = temporaryDirectory(t);
  copyFileSync(leak, path.join(directory, 'a.heapsnapshot'));
  const child = await runSource(
    t,
    `const { open } = require(${JSON.stringify(path.join(root, 'lib/snapshot.js'))});
     open('a.heapsnapshot', { onProgress() {} }).then((s) => { s.summary(); process.exit(7); });`,
    { cwd: directory },
  );
  assert.equal(child.outcome.code, 7, child.stderr);
});

test('an index is written and used where it is asked for, and only there', async (t) => {
  const directory = temporaryDirectory(t);
  const { status, stderr } = spawnSync(
    process.execPath,
    [
      '-e',
      "globalThis.kept = Array.from({ length: 200_000 }, (_, i) => ({ i, text: 't' + i })); require(process.argv[1]).writeSnapshot('a.heapsnapshot')",
      root,
    ],
    { cwd: directory, encoding: 'utf8', env: { ...process.env, NODE_HEAPDUMP_OPTIONS: 'nosignal' } },
  );
  assert.equal(status, 0, stderr);
  const file = path.join(directory, 'a.heapsnapshot');
  const ask = async (options) => {
    const snapshot = await open(file, options);
    const answer = await snapshot.summary({ limit: 5 });
    snapshot.dispose();
    return answer;
  };
  const plain = await ask({});
  assert.deepEqual(readdirSync(directory), ['a.heapsnapshot']);
  assert.deepEqual(await ask({ index: true }), plain);
  assert.deepEqual(readdirSync(directory).sort(), ['.a.heapsnapshot.stillheap-index', 'a.heapsnapshot']);
  assert.deepEqual(await ask({ index: true }), plain);
  await assert.rejects(open(file, { index: 1 }), { name: 'TypeError', message: /'index'/ });
});
