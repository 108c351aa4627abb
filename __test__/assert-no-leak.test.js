'use strict';

// assertNoLeak: what leaks is found, what doesn't is left alone, and nothing stays behind.

const assert = require('node:assert/strict');
const { mkdirSync, readdirSync, statSync, writeFileSync } = require('node:fs');
const path = require('node:path');
const { root, runSource, temporaryDirectory } = require('./support/child.js');
const { readSnapshot } = require('./support/snapshot.js');
const { test } = require('./support/test.js');

/**
 * Runs `assertNoLeak` in a process of its own, on a function that a piece of source text evaluates to. Resolves
 * to the failure, or undefined, with what the process wrote and left.
 */
async function examine(t, source, { options = {}, env = {}, after = '' } = {}) {
  const temporary = temporaryDirectory(t);
  const child = await runSource(
    t,
    `const { assertNoLeak } = require(${JSON.stringify(path.join(root, 'test.js'))});
    const body = (() => { ${source} })();
    (async () => {
      let failure;
      try {
        await assertNoLeak(body, ${typeof options === 'string' ? options : JSON.stringify(options)});
      } catch (error) {
        const { message, code, classes, annotation, stack } = error;
        failure = { message, code, classes, annotation, stack };
      }
      ${after}
      console.error('OUTCOME' + JSON.stringify({ failure, gc: typeof globalThis.gc }));
    })();`,
    { env: { TMPDIR: temporary, GITHUB_ACTIONS: '', ...env } },
  );
  const outcome = child.stderr.match(/OUTCOME(.*)/);
  assert.ok(outcome, child.describe('gave no outcome'));
  return { ...JSON.parse(outcome[1]), stdout: child.stdout, left: readdirSync(temporary), temporary };
}

const leaking = 'class Session { constructor(n) { this.n = n; } } const kept = []; ';

const healthy = {
  nothing: 'return () => {};',
  'promises and objects that go': 'return async (n) => { await null; return JSON.parse("[" + n + "]"); };',
  'a cache that fills once':
    'const cache = new Map(); return (n) => { if (!cache.has(n % 80)) cache.set(n % 80, { n: [n] }); };',
  'functions that are compiled once':
    'const made = []; return (n) => { made[n % 20] ??= new Function("a", "return a + " + n); return made[n % 20](n); };',
  'timers and listeners that are taken away': `
    const { EventEmitter, once } = require("node:events"); const bus = new EventEmitter();
    return async () => { const heard = once(bus, "x"); setImmediate(() => bus.emit("x")); await heard; };`,
  'memory of native objects that goes':
    'const zlib = require("node:zlib"); return (n) => zlib.gunzipSync(zlib.gzipSync(Buffer.alloc(1000, n))).length;',
};

for (const [name, source] of Object.entries(healthy)) {
  test(`no leak: ${name}`, async (t) => {
    const { failure, left, stdout } = await examine(t, source);
    assert.equal(failure, undefined, failure?.message);
    assert.deepEqual(left, []);
    assert.equal(stdout, '');
  });
}

const leaks = {
  'an object per call': [
    `${leaking} return async (n) => { await null; kept.push(new Session(n)); };`,
    'Session',
  ],
  'buffers outside the heap': [
    'const kept = []; return (n) => { kept.push(Buffer.alloc(5000)); };',
    'Buffer',
  ],
  'a text that grows': ['let text = ""; return (n) => { text += "line of the log: " + n; };', '(string)'],
  'timers that nobody clears': ['return (n) => { setTimeout(() => n, 1e8).unref(); };', 'Timeout'],
};

for (const [name, [source, className]] of Object.entries(leaks)) {
  test(`a leak: ${name}`, async (t) => {
    const { failure, left, gc } = await examine(t, source);
    assert.ok(failure, 'nothing was said');
    assert.equal(failure.code, 'ERR_STILLHEAP_LEAK', failure.message);
    const found = failure.classes.find((row) => row.className === className);
    assert.ok(found, failure.message);
    assert.equal(found.counts.length, 4);
    assert.ok(found.objectsPerCall > 0.9 && found.objectsPerCall < 3, `${found.objectsPerCall} per call`);
    assert.match(failure.message, new RegExp(className.replace(/[()]/g, '\\$&')));
    assert.deepEqual(left, [], 'snapshots hold secrets, and are removed');
    assert.equal(gc, 'undefined', 'a collector that nobody asked for');
  });
}

test('a few small objects: the failure says what holds them', async (t) => {
  const { failure } = await examine(t, `${leaking} return (n) => { kept.push(new Session(n)); };`);
  assert.match(failure?.message, /\n *Cause: Array kept is filled and never emptied/);
});

test('classes: only those are watched, by name or constructor', async (t) => {
  const source = `${leaking} globalThis.Session = Session; return (n) => { kept.push(new Session(n)); };`;
  const other = await examine(t, source, { options: { classes: ['Buffer'] } });
  assert.equal(other.failure, undefined);
  for (const options of ["{ classes: ['Session'] }", '{ classes: [Session] }']) {
    const { failure } = await examine(t, source, { options });
    assert.deepEqual(
      failure?.classes.map((row) => row.className),
      ['Session'],
    );
  }
});

test('tolerance: so many objects per call may stay', async (t) => {
  const source = `${leaking} return (n) => { if (n % 4 === 0) kept.push(new Session(n)); };`;
  const options = { classes: ['Session'] };
  assert.equal((await examine(t, source, { options: { ...options, tolerance: 0.3 } })).failure, undefined);
  const { failure } = await examine(t, source, { options: { ...options, tolerance: 0.2 } });
  assert.equal(failure?.classes[0].objectsPerCall, 0.25);
});

test('snapshotDir: the snapshots of a leak stay there, for their owner only', async (t) => {
  const snapshotDir = temporaryDirectory(t);
  const source = `${leaking} return (n) => { kept.push(new Session(n)); };`;
  const { failure, left } = await examine(t, source, { options: { snapshotDir, iterations: 20 } });
  assert.deepEqual(left, []);
  const [folder] = readdirSync(snapshotDir);
  const files = readdirSync(path.join(snapshotDir, folder)).sort();
  assert.deepEqual(
    files,
    [0, 1, 2, 3].map((n) => `${n}.heapsnapshot`),
  );
  for (const name of files) {
    const file = path.join(snapshotDir, folder, name);
    assert.equal(statSync(file).mode & 0o777, 0o600);
    assert.ok(failure.message.includes(file), failure.message);
    readSnapshot(file);
  }
  const fine = path.join(snapshotDir, 'fine');
  mkdirSync(fine);
  await examine(t, 'return () => {};', { options: { snapshotDir: fine, classes: ['Buffer'] } });
  assert.deepEqual(readdirSync(fine), [], 'nothing stays of what does not leak');
});

test('the failure names the test, and GitHub gets a line of its own', async (t) => {
  const source = `${leaking} return (n) => { kept.push(new Session(n)); };`;
  const { failure, stdout } = await examine(t, source, { env: { GITHUB_ACTIONS: 'true' } });
  assert.equal(stdout, `${failure.annotation}\n`);
  assert.match(failure.annotation, /^::error ([^:]*,)?title=Memory leak::/);
  assert.match(failure.annotation, /%0A/);
  assert.doesNotMatch(failure.annotation, /\n/);
  const [first, ...frames] = failure.stack.split('\n').filter((line) => !failure.message.includes(line));
  assert.match(first ?? '', /Error: |at /);
  assert.ok(!frames.some((line) => line.includes('assert-no-leak.js')), failure.stack);
  const silent = await examine(t, source, {
    env: { GITHUB_ACTIONS: 'true' },
    options: { annotate: 'none' },
  });
  assert.equal(silent.stdout, '');
});

test('with a verdict, the failure says why, where and what to do, and GitHub shows it at the line', () => {
  const { leakError } = require('../lib/leak-error.js');
  const location = {
    script: path.join(process.cwd(), 'a,b:c/50%.js'),
    line: 7,
    column: 3,
    text: '  fill();',
  };
  const rows = [{ className: 'Session', counts: [1, 11, 21, 31], objectsPerCall: 1, bytesPerCall: 32 }];
  const step = (text, decisive) => ({ text, decisive });
  const suspect = {
    cause: { detail: 'sessions is never emptied', function: 'open', location, related: [] },
    explanation: 'It only grows.',
    advice: 'Empty it.',
    path: [step('a root', false), step('variable sessions: Map', true)],
  };
  const options = { iterations: 10, rounds: 3, annotate: 'none' };
  const error = leakError(rows, suspect, [], options);
  for (const part of [
    /^Leak: each of 3 rounds of 10 calls/,
    /Session: 1 → 11 → 21 → 31 objects, 1 and 32 B per call/,
    /Cause: sessions is never emptied\.\nLook at: .*50%\.js:7:3, in open\n +fill\(\);/,
    /It only grows\.\nFix: Empty it\./,
    /\n {2}> variable sessions: Map/,
  ]) {
    assert.match(error.message, part);
  }
  assert.match(
    error.annotation,
    /^::error file=a%2Cb%3Ac\/50%25\.js,line=7,col=3,title=Memory leak::sessions is never emptied\.%0ALeak: /,
  );
  assert.equal(error.verdict, suspect);
  assert.match(leakError(rows, undefined, [], options).annotation, /^::error title=Memory leak::Leak: /);
});

test('it leaves no handler for the signal behind', async (t) => {
  const source = 'return () => {};';
  const after = `
    const { readFileSync } = require('node:fs');
    const caught = BigInt('0x' + /^SigCgt:\\s*(\\w+)/m.exec(readFileSync('/proc/self/status', 'utf8'))[1]);
    console.log((caught >> 11n) & 1n);`;
  // Watching a class loads the addon.
  const { stdout } = await examine(t, source, { options: { classes: ['Buffer'] }, after });
  assert.equal(stdout, '0n\n');
});

test('what the function throws comes through, and the next one runs', async (t) => {
  const source = `
    globalThis.order = [];
    return (n) => { if (n === 3) throw new Error('of the function'); };`;
  const after = `
    await Promise.all([1, 2].map((one) => assertNoLeak((n) => { if (n === 0) order.push(one); }, { iterations: 5 })));
    console.log(order.join());`;
  const { failure, stdout } = await examine(t, source, { after });
  assert.equal(failure.message, 'of the function');
  assert.equal(stdout, '1,2\n');
});

test('wrong arguments are TypeErrors that name the option', async () => {
  const { assertNoLeak } = require('../test.js');
  const wrong = [
    [42, undefined, /The function must be a function; given: 42/],
    [() => {}, 'x', /second argument of assertNoLeak must be an object/],
    [() => {}, { iteration: 1 }, /keys are among iterations, warmUp, classes/],
    [() => {}, { iterations: 0 }, /'iterations' must be a whole number from 1/],
    [() => {}, { iterations: '9' }, /'iterations' must be a number/],
    [() => {}, { warmUp: -1 }, /'warmUp' must be a whole number from 0/],
    [() => {}, { classes: 'Session' }, /'classes' must be an array/],
    [() => {}, { classes: [] }, /'classes' must be .* not empty/],
    [() => {}, { classes: [() => {}] }, /'classes' must be .* without a name/],
    [() => {}, { classes: [42] }, /'classes' must be an array/],
    [() => {}, { tolerance: -1 }, /'tolerance' must be a number from 0/],
    [() => {}, { tolerance: Number.NaN }, /'tolerance' must be a number from 0/],
    [() => {}, { toleranceBytes: '1' }, /'toleranceBytes' must be a number/],
    [() => {}, { snapshotDir: 1 }, /'snapshotDir' must be a string or a 'file:' URL/],
    [() => {}, { annotate: 'gitlab' }, /'annotate' must be one of 'auto', 'github', 'none'/],
  ];
  for (const [body, options, message] of wrong) {
    await assert.rejects(assertNoLeak(body, options), (error) => {
      assert.ok(error instanceof TypeError);
      assert.match(error.message, message);
      return true;
    });
  }
});

test('a directory for snapshots that is not there is made; one that cannot be is told by its name', async (t) => {
  const missing = path.join(temporaryDirectory(t), 'artifacts', 'leaks');
  const source = `${leaking} return (n) => { kept.push(new Session(n)); };`;
  const { failure } = await examine(t, source, { options: { snapshotDir: missing, iterations: 20 } });
  assert.equal(failure.code, 'ERR_STILLHEAP_LEAK');
  assert.equal(readdirSync(missing).length, 1);
  assert.equal(statSync(missing).mode & 0o777, 0o700);

  const inTheWay = path.join(missing, 'file');
  writeFileSync(inTheWay, '');
  const second = await examine(t, source, { options: { snapshotDir: inTheWay, iterations: 20 } });
  assert.equal(second.failure.code, 'EEXIST');
  assert.ok(second.failure.message.includes(inTheWay));
});
