'use strict';

// capture(): what it takes, what it resolves to, what it emits.

const assert = require('node:assert/strict');
const { readFileSync, readdirSync, statSync } = require('node:fs');
const path = require('node:path');
const { pathToFileURL } = require('node:url');
const { startAgent, temporaryDirectory } = require('./support/child.js');
const { nodes, rawBytes, readSnapshot } = require('./support/snapshot.js');
const { test } = require('./support/test.js');

test('resolves to what was done', async (t) => {
  const agent = await startAgent(t);
  const before = Date.now();
  const result = await agent.call(async ({ stillheap }) => {
    const result = await stillheap.capture({ file: 'a.heapsnapshot', mode: 'inline' });
    if (!(result.startTime instanceof Date)) throw new Error('startTime is a Date');
    return result;
  });
  const file = path.join(agent.cwd, 'a.heapsnapshot');
  const parsed = readSnapshot(file);
  const { pauseMs, generateMs, serializeMs, durationMs, startTime, ...rest } = result;
  assert.deepEqual(rest, {
    file,
    bytes: statSync(file).size,
    rawBytes: statSync(file).size,
    compress: 'none',
    mode: 'inline',
    engine: 'v8',
    objectIds: 'cleared',
    nodeCount: parsed.snapshot.node_count,
    pid: agent.pid,
    threadId: 0,
    isMainThread: true,
    trigger: 'call',
  });
  assert.ok(generateMs > 0 && serializeMs > 0, `${generateMs} + ${serializeMs}`);
  assert.ok(Math.abs(pauseMs - generateMs - serializeMs) < 0.01);
  assert.ok(durationMs >= pauseMs);
  const started = Date.parse(startTime);
  assert.ok(started >= before - 1 && started <= Date.now());
  assert.equal(statSync(file).mode & 0o777, 0o600);
});

test('what no environment variable and no option changes', async (t) => {
  const agent = await startAgent(t);
  const { version, engine, keys, reason } = await agent.call(({ stillheap }) => ({
    version: stillheap.version,
    engine: stillheap.engine,
    reason: stillheap.engineReason,
    keys: Object.keys(stillheap).filter((key) => typeof stillheap[key] === 'function'),
  }));
  assert.equal(version, require('../package.json').version);
  assert.equal(engine, 'v8');
  assert.equal(reason, undefined);
  assert.deepEqual(keys, [
    'writeSnapshot',
    'capture',
    'captureStream',
    'captureNearHeapLimit',
    'configure',
    'start',
    'stop',
    'open',
    'leaks',
    'watch',
  ]);
});

test('file: strings, relative and absolute, and URLs', async (t) => {
  const agent = await startAgent(t);
  const directory = temporaryDirectory(t);
  const files = await agent.call(
    async ({ stillheap }, { directory, url }) => {
      const given = [
        'a.heapsnapshot',
        `${directory}/b.heapsnapshot`,
        new URL(url),
        './wäschekorb 😀.heapsnapshot',
      ];
      const files = [];
      for (const file of given) files.push((await stillheap.capture({ file })).file);
      return files;
    },
    { directory, url: pathToFileURL(path.join(directory, 'c d.heapsnapshot')).href },
  );
  assert.deepEqual(files, [
    path.join(agent.cwd, 'a.heapsnapshot'),
    path.join(directory, 'b.heapsnapshot'),
    path.join(directory, 'c d.heapsnapshot'),
    path.join(agent.cwd, 'wäschekorb 😀.heapsnapshot'),
  ]);
  for (const file of files) readSnapshot(file);
});

test('dir and name: the template is filled, a taken name gets a suffix', async (t) => {
  const agent = await startAgent(t);
  const directory = temporaryDirectory(t);
  const files = await agent.call(async ({ stillheap }, dir) => {
    const files = [];
    const names = [
      'api-{pid}-{thread}-{seq}',
      'api-{seq}-{date}.heapsnapshot',
      'same',
      'same',
      'same.heapsnapshot.gz',
    ];
    for (const name of names) files.push((await stillheap.capture({ dir, name })).file);
    return files.map((file) => file.slice(dir.length + 1));
  }, directory);
  assert.equal(files[0], `api-${agent.pid}-0-1.heapsnapshot`);
  assert.match(files[1], /^api-2-\d{8}T\d{6}\.\d{3}Z\.heapsnapshot$/);
  assert.deepEqual(files.slice(2), ['same.heapsnapshot', 'same-2.heapsnapshot', 'same-3.heapsnapshot']);
  assert.deepEqual(readdirSync(directory).sort(), [...files].sort());
});

test('compress: gzip and zstd give the same kind of bytes, and the name says which', async (t) => {
  const agent = await startAgent(t);
  const results = await agent.call(async ({ stillheap }) => {
    const results = [];
    for (const options of [
      { compress: 'gzip' },
      { compress: 'zstd' },
      { file: 'a.heapsnapshot.gz' },
      { file: 'a.heapsnapshot.zst' },
      { file: 'b.gz', compress: 'none' },
    ]) {
      results.push(await stillheap.capture(options));
    }
    return results;
  });
  assert.deepEqual(
    results.map(({ compress }) => compress),
    ['gzip', 'zstd', 'gzip', 'zstd', 'none'],
  );
  assert.match(results[0].file, /heapdump-.*\.heapsnapshot\.gz$/);
  assert.match(results[1].file, /heapdump-.*\.heapsnapshot\.zst$/);
  for (const { file, bytes, rawBytes: raw } of results.slice(0, 4)) {
    assert.equal(bytes, statSync(file).size);
    assert.ok(bytes < raw * 0.7, `${bytes} of ${raw}`);
    const back = rawBytes(file);
    // Node before 22.15 can't read zstd; rawBytes has seen the frame's magic then.
    if (back === undefined) continue;
    assert.equal(back.length, raw);
    readSnapshot(back);
  }
  readSnapshot(readFileSync(results[4].file));
});

test('numericValues and internals mean what they mean to node:v8', async (t) => {
  const agent = await startAgent(t);
  const files = await agent.call(async ({ stillheap, keep, require }) => {
    const { writeHeapSnapshot } = require('node:v8');
    keep.number = { answer: 4242.125 };
    const files = [];
    for (const options of [{}, { numericValues: true }, { internals: true }]) {
      files.push((await stillheap.capture(options)).file);
    }
    files.push(writeHeapSnapshot('plain'), writeHeapSnapshot('internals', { exposeInternals: true }));
    return files;
  });
  const [plain, numeric, internal, nodePlain, nodeInternal] = files.map((file) =>
    readSnapshot(path.resolve(agent.cwd, file)),
  );
  assert.ok(!plain.strings.includes('4242.125'));
  assert.ok(numeric.strings.includes('4242.125'));
  // V8 treats the global objects differently, and from Node 26 on gives its own objects another type.
  const rootEdges = (parsed) => parsed.nodes[parsed.snapshot.meta.node_fields.indexOf('edge_count')];
  const types = (parsed) => [...new Set([...nodes(parsed)].map(({ type }) => type))].sort();
  const signature = (parsed) => [rootEdges(parsed), types(parsed).includes('hidden')];
  assert.deepEqual(signature(plain), signature(nodePlain));
  assert.deepEqual(signature(internal), signature(nodeInternal));
  assert.notDeepEqual(signature(plain), signature(internal));
});

test('overwrite replaces a file, and only a file', async (t) => {
  const agent = await startAgent(t);
  const outcome = await agent.call(async ({ stillheap, fs, describe }) => {
    fs.writeFileSync('a.heapsnapshot', 'old');
    fs.writeFileSync('victim', 'precious');
    fs.symlinkSync('victim', 'link');
    fs.symlinkSync('nowhere', 'dangling');
    fs.mkdirSync('directory');
    const codes = [];
    for (const file of ['link', 'dangling', 'directory', '/dev/null', '/dev/full']) {
      codes.push(
        await stillheap.capture({ file, overwrite: true }).then(
          () => 'written',
          (e) => e.code,
        ),
      );
    }
    const refused = await stillheap.capture({ file: 'a.heapsnapshot' }).catch(describe);
    const kept = fs.readFileSync('a.heapsnapshot', 'utf8');
    const { file } = await stillheap.capture({ file: 'a.heapsnapshot', overwrite: true });
    return { codes, refused, kept, file, victim: fs.readFileSync('victim', 'utf8') };
  });
  assert.deepEqual(outcome.codes, Array(5).fill('EEXIST'));
  assert.equal(outcome.refused.code, 'EEXIST');
  assert.equal(outcome.refused.errno, -17);
  assert.equal(outcome.refused.path, path.join(agent.cwd, 'a.heapsnapshot'));
  assert.equal(outcome.kept, 'old');
  assert.equal(outcome.victim, 'precious');
  readSnapshot(outcome.file);
  const left = ['a.heapsnapshot', 'dangling', 'directory', 'link', 'victim'];
  assert.deepEqual(readdirSync(agent.cwd).sort(), left);
});

test('onProgress: the phases in order; what it throws stops the capture', async (t) => {
  const agent = await startAgent(t);
  const outcome = await agent.call(async ({ stillheap, files }) => {
    const phases = [];
    await stillheap.capture({ onProgress: (progress) => phases.push(progress) });
    const stops = [];
    for (const at of ['generating', 'serializing', 'writing']) {
      const onProgress = ({ phase }) => {
        if (phase === at) throw new RangeError(at);
      };
      stops.push(
        await stillheap.capture({ onProgress, name: 'stopped' }).catch((e) => `${e.name} ${e.message}`),
      );
    }
    await stillheap.capture({ name: 'afterwards' });
    return { phases, stops, files: files().length };
  });
  assert.deepEqual(
    outcome.phases,
    ['generating', 'serializing', 'writing', 'done'].map((phase) => ({ phase })),
  );
  assert.deepEqual(outcome.stops, ['RangeError generating', 'RangeError serializing', 'RangeError writing']);
  assert.equal(outcome.files, 2);
});

test('AbortSignal: before, between the steps, while writing, and too late', async (t) => {
  const agent = await startAgent(t);
  const outcome = await agent.call(async ({ stillheap, files }) => {
    const reasons = [];
    const attempt = (options) =>
      stillheap.capture(options).then(
        () => 'done',
        (e) => e.message ?? e,
      );
    reasons.push(await attempt({ signal: AbortSignal.abort('before') }));
    for (const at of ['generating', 'serializing', 'writing']) {
      const abort = new AbortController();
      const onProgress = ({ phase }) => phase === at && abort.abort(new Error(at));
      reasons.push(await attempt({ signal: abort.signal, onProgress }));
    }
    const queued = new AbortController();
    const first = stillheap.capture({ name: 'first' });
    const second = attempt({ signal: queued.signal, name: 'second' });
    queued.abort(new Error('queued'));
    await first;
    reasons.push(await second);
    const late = new AbortController();
    reasons.push(await attempt({ signal: late.signal, name: 'late' }));
    late.abort();
    const named = await stillheap.capture({ signal: AbortSignal.abort() }).catch((e) => e.name);
    return { reasons, named, files: files() };
  });
  assert.deepEqual(outcome.reasons, ['before', 'generating', 'serializing', 'writing', 'queued', 'done']);
  assert.equal(outcome.named, 'AbortError');
  assert.deepEqual(outcome.files, ['first.heapsnapshot', 'late.heapsnapshot'], 'nothing else is left');
});

test('AbortSignal while the file is being finished: aborted or too late, and nothing thrown', async (t) => {
  const agent = await startAgent(t);
  const outcome = await agent.call(async ({ stillheap, files }) => {
    const outcomes = [];
    for (const soon of [process.nextTick, queueMicrotask, setImmediate]) {
      const abort = new AbortController();
      const onProgress = ({ phase }) => phase === 'writing' && soon(() => abort.abort(new Error('aborted')));
      const options = { signal: abort.signal, onProgress, file: `${outcomes.length}.heapsnapshot` };
      outcomes.push(
        await stillheap.capture(options).then(
          () => 'written',
          (error) => error.message,
        ),
      );
    }
    return { outcomes, files: files() };
  });
  const written = outcome.outcomes.flatMap((how, n) => (how === 'written' ? [`${n}.heapsnapshot`] : []));
  assert.ok(
    outcome.outcomes.every((how) => how === 'written' || how === 'aborted'),
    outcome.outcomes.join(),
  );
  assert.deepEqual(outcome.files, written);
  for (const file of written) readSnapshot(path.join(agent.cwd, file));
});

test('captures of one thread follow one another; writeSnapshot does not wait', async (t) => {
  const agent = await startAgent(t);
  const outcome = await agent.call(async ({ stillheap, describe }) => {
    const order = [];
    const captures = [1, 2, 3].map((n) =>
      stillheap.capture({
        name: `n${n}`,
        onProgress: ({ phase }) => {
          if (phase === 'generating' || phase === 'done') order.push(`${n} ${phase}`);
        },
      }),
    );
    await Promise.all(captures);
    const inside = [];
    await stillheap.capture({
      onProgress: ({ phase }) => {
        const done = stillheap.writeSnapshot(`inside-${phase}`, (e) => e && inside.push(describe(e).code));
        inside.push(`${phase} ${done}`);
      },
    });
    return { order, inside };
  });
  const expected = [1, 2, 3].flatMap((n) => [`${n} generating`, `${n} done`]);
  assert.deepEqual(outcome.order, expected);
  assert.deepEqual(outcome.inside, [
    'generating true',
    'ERR_STILLHEAP_BUSY',
    'serializing false',
    'writing true',
    'done true',
  ]);
});

test('events: every capture that went well, to all listeners, after it is there', async (t) => {
  const agent = await startAgent(t);
  const outcome = await agent.call(async ({ stillheap, fs }) => {
    const seen = [];
    const listener = (result) =>
      seen.push([result.trigger, fs.existsSync(result.file), result.startTime instanceof Date]);
    stillheap.on('snapshot', listener);
    stillheap.once('snapshot', listener);
    const returned = await stillheap.capture();
    stillheap.writeSnapshot();
    await new Promise((resolve) => setImmediate(resolve));
    const failed = await stillheap.capture({ file: 'no/such' }).catch((error) => error.code);
    stillheap.off('snapshot', listener);
    await stillheap.capture();
    await new Promise((resolve) => setImmediate(resolve));
    return { seen, failed, trigger: returned.trigger };
  });
  assert.deepEqual(outcome.seen, Array(3).fill(['call', true, true]));
  assert.equal(
    outcome.failed,
    'ENOENT',
    "a call's failure is the caller's: no error event, which would throw",
  );
  assert.equal(agent.stderr, '', 'nor a line on stderr');
});

test('configure: defaults for what follows', async (t) => {
  const agent = await startAgent(t);
  const dir = temporaryDirectory(t);
  const results = await agent.call(async ({ stillheap }, dir) => {
    stillheap.configure({ dir, name: 'configured-{seq}', compress: 'gzip', keepObjectIds: true });
    const first = await stillheap.capture();
    const second = await stillheap.capture({ compress: 'none', keepObjectIds: false });
    return [first, second].map(({ file, compress, objectIds }) => ({ file, compress, objectIds }));
  }, dir);
  assert.deepEqual(results, [
    { file: path.join(dir, 'configured-1.heapsnapshot.gz'), compress: 'gzip', objectIds: 'kept' },
    { file: path.join(dir, 'configured-2.heapsnapshot'), compress: 'none', objectIds: 'cleared' },
  ]);
  agent.kill('SIGUSR2');
  const [, file] = await agent.output(/stillheap: wrote (\S+)/);
  assert.equal(file, path.join(dir, 'configured-3.heapsnapshot.gz'));
});
