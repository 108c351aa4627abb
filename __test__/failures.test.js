'use strict';

// What the system refuses: an Error with code, errno, syscall and path, and nothing left behind.

const assert = require('node:assert/strict');
const { chmodSync, mkdirSync, readdirSync, writeFileSync } = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { startAgent, temporaryDirectory, withMount } = require('./support/child.js');
const { readSnapshot } = require('./support/snapshot.js');
const { afterwards, test, testIf } = require('./support/test.js');

/** Tries capture, writeSnapshot and the stream; gives their errors and what lies in `look`. */
const everyWay = async ({ stillheap, describe, files, fs, path }, { options, look }) => {
  const errors = [];
  errors.push(await stillheap.capture(options).then(() => 'written', describe));
  const stream = stillheap.captureStream({ dir: options.dir ?? path.dirname(options.file) });
  errors.push(
    await new Promise((resolve) => {
      stream.once('error', (error) => resolve(describe(error)));
      stream.once('end', () => resolve('written'));
      stream.resume();
    }),
  );
  if (options.file) {
    const returned = stillheap.writeSnapshot(options.file, (error) =>
      errors.push(error ? describe(error) : 'written'),
    );
    errors.push(returned);
  }
  return { errors, left: fs.existsSync(look) && fs.statSync(look).isDirectory() ? files(look) : [] };
};

function has(error, { code, errno, syscall, path: file }) {
  const where = JSON.stringify(error);
  assert.equal(error.code, code, where);
  assert.equal(error.errno, -os.constants.errno[errno ?? code], where);
  assert.equal(error.isTypeError, false);
  if (syscall) assert.equal(error.syscall, syscall, where);
  if (file) assert.equal(error.path, file, where);
  assert.ok(error.message.includes(`${code}: `), where);
}

test('ENOENT and ENOTDIR', async (t) => {
  const base = temporaryDirectory(t);
  writeFileSync(path.join(base, 'file'), '');
  const agent = await startAgent(t);
  for (const [directory, code] of [
    ['missing', 'ENOENT'],
    ['file', 'ENOTDIR'],
  ]) {
    const file = path.join(base, directory, 'a.heapsnapshot');
    const argument = { options: { file }, look: base };
    const { errors, left } = await agent.call(everyWay, argument);
    has(errors[0], { code, path: file });
    has(errors[1], { code });
    has(errors[2], { code, path: file });
    assert.match(errors[2].message, new RegExp(`^heapdump write error ${code}`));
    assert.equal(errors[3], false);
    assert.deepEqual(left, ['file']);
  }
});

/** An agent with a directory that its user may not write to. Root may write everywhere, so root's child is nobody. */
async function unprivileged(t, env) {
  const base = temporaryDirectory(t);
  const closed = path.join(base, 'closed');
  mkdirSync(closed, { mode: 0o555 });
  chmodSync(base, 0o755);
  const agent = await startAgent(t, { env });
  // Once everything is loaded: the checkout may be root's alone.
  await agent.call(({ stillheap }) => {
    stillheap.writeSnapshot('/dev/null/x');
    stillheap.captureStream({ dir: '/dev/null' }).on('error', () => {});
    if (process.getuid() !== 0) return;
    process.setgroups([]);
    process.setgid(65534);
    process.setuid(65534);
  });
  return { agent, base, closed };
}

test('EACCES, as a user who may not', async (t) => {
  const { agent, closed } = await unprivileged(t);
  const file = path.join(closed, 'a.heapsnapshot');
  const { errors } = await agent.call(everyWay, { options: { file }, look: '/nonexistent' });
  has(errors[0], { code: 'EACCES', syscall: 'open', path: file });
  has(errors[1], { code: 'EACCES', syscall: 'open' });
  has(errors[2], { code: 'EACCES', syscall: 'open', path: file });
  assert.equal(errors[3], false);
  assert.deepEqual(readdirSync(closed), []);
  const forked = await agent.call(
    ({ stillheap, describe }, file) => stillheap.capture({ mode: 'auto', file }).catch(describe),
    file,
  );
  has(forked, { code: 'EACCES', syscall: 'open', path: file });
});

const asRoot = testIf(process.getuid() === 0, 'takes root, which changes to a user who may not');

asRoot("in a working directory of root's the temporary directory takes over, and says so", async (t) => {
  const { agent, base } = await unprivileged(t);
  const cwd = await agent.call(({ fs }, dir) => {
    process.chdir(dir);
    return fs.realpathSync('.');
  }, base);
  const result = await agent.call(({ stillheap }) => stillheap.capture());
  afterwards(t, () => require('node:fs').rmSync(result.file, { force: true }));
  assert.equal(path.dirname(result.file), os.tmpdir());
  assert.equal(result.fallbackDir.wanted, cwd);
  assert.match(result.fallbackDir.reason, /^EACCES/);
});

for (const mode of ['inline', 'auto']) {
  test(`EACCES of a signal's capture (${mode}): an error event, and a line on stderr without listeners`, async (t) => {
    const { agent, closed } = await unprivileged(t, { STILLHEAP_MODE: mode });
    const error = await agent.call(async ({ stillheap, describe, keep }, dir) => {
      stillheap.configure({ dir, name: 'named' });
      const failed = new Promise((resolve) => {
        keep.listener = (error) => resolve(describe(error));
        stillheap.on('error', keep.listener);
      });
      process.kill(process.pid, 'SIGUSR2');
      return failed;
    }, closed);
    const file = path.join(closed, 'named.heapsnapshot');
    has(error, { code: 'EACCES', syscall: 'open', path: file });
    await agent.call(({ stillheap, keep }) => stillheap.off('error', keep.listener));
    agent.kill('SIGUSR2');
    const [line] = await agent.output(/stillheap: .*EACCES.*/);
    assert.ok(line.includes(closed), line);
    assert.deepEqual(readdirSync(closed), []);
    assert.equal(await agent.call(() => 6 * 7), 42);
  });
}

test('EROFS', async (t) => {
  const dir = temporaryDirectory(t);
  const agent = await startAgent(t, { wrapper: withMount(dir, 'ro') });
  const file = path.join(dir, 'a.heapsnapshot');
  const { errors } = await agent.call(everyWay, { options: { file }, look: dir });
  has(errors[0], { code: 'EROFS', path: file, syscall: 'open' });
  has(errors[1], { code: 'EROFS' });
  has(errors[2], { code: 'EROFS', path: file });
  const named = await agent.call(
    ({ stillheap, describe }, dir) => stillheap.capture({ dir }).catch(describe),
    dir,
  );
  has(named, { code: 'EROFS' });
  assert.match(named.message, /STILLHEAP_DIR/, 'says what to do');
});

test('a read-only working directory falls back to the temporary one and says so', async (t) => {
  const dir = temporaryDirectory(t);
  const tmp = temporaryDirectory(t);
  const agent = await startAgent(t, { wrapper: withMount(dir, 'ro'), env: { TMPDIR: tmp } });
  const results = await agent.call(async ({ stillheap }, dir) => {
    process.chdir(dir);
    const names = [];
    const returned = stillheap.writeSnapshot((error, name) => names.push(error?.code ?? name));
    return { returned, names, captured: await stillheap.capture() };
  }, dir);
  assert.equal(results.returned, true);
  assert.equal(path.dirname(results.names[0]), tmp);
  assert.equal(path.dirname(results.captured.file), tmp);
  assert.equal(results.captured.fallbackDir.wanted, dir);
  assert.match(results.captured.fallbackDir.reason, /^EROFS/);
  readSnapshot(results.captured.file);
});

test('a directory that was asked for is never silently replaced', async (t) => {
  const dir = temporaryDirectory(t);
  const agent = await startAgent(t, {
    wrapper: withMount(dir, 'ro'),
    env: { TMPDIR: temporaryDirectory(t) },
  });
  const error = await agent.call(
    ({ stillheap, describe }, dir) => stillheap.capture({ dir }).catch(describe),
    dir,
  );
  has(error, { code: 'EROFS' });
});

test('a working directory that was removed: the temporary one', async (t) => {
  const tmp = temporaryDirectory(t);
  const agent = await startAgent(t, { env: { TMPDIR: tmp } });
  const result = await agent.call(async ({ stillheap, fs }) => {
    fs.mkdirSync('gone');
    process.chdir('gone');
    fs.rmdirSync('../gone');
    return stillheap.capture();
  });
  assert.equal(path.dirname(result.file), tmp);
  assert.ok(result.fallbackDir);
});

test('ENOSPC, refused up front: 1 MB', async (t) => {
  const dir = temporaryDirectory(t);
  const agent = await startAgent(t, { wrapper: withMount(dir, 'size=1m') });
  const file = path.join(dir, 'a.heapsnapshot');
  const outcome = await agent.call(
    async ({ stillheap, describe, files, fs }, { file, dir }) => {
      fs.writeFileSync(`${dir}/filler`, Buffer.alloc(64 * 1024));
      const phases = [];
      const onProgress = ({ phase }) => phases.push(phase);
      const error = await stillheap.capture({ file, onProgress }).catch(describe);
      return { error, phases, left: files(dir) };
    },
    { file, dir },
  );
  has(outcome.error, { code: 'ENOSPC', syscall: 'statvfs' });
  assert.match(outcome.error.message, /at least \d+ bytes and \d+ are free/);
  assert.deepEqual(outcome.left, ['filler']);
});

test('ENOSPC while writing: 3 MB, every way and with every compression', async (t) => {
  const dir = temporaryDirectory(t);
  const agent = await startAgent(t, { wrapper: withMount(dir, 'size=3m') });
  const file = path.join(dir, 'a.heapsnapshot');
  const { errors, left } = await agent.call(everyWay, { options: { file }, look: dir });
  for (const at of [0, 1, 2]) has(errors[at], { code: 'ENOSPC', syscall: 'write' });
  assert.equal(errors[0].path, file);
  assert.deepEqual(left, []);
  // The heap grows until even a compressed snapshot doesn't fit. Random text, or it would compress well.
  const compressed = await agent.call(async ({ stillheap, describe, files, keep, require }, dir) => {
    const { randomBytes } = require('node:crypto');
    keep.text = Array.from({ length: 4000 }, () => ({
      text: randomBytes(1024).toString('latin1').normalize('NFC'),
    }));
    const errors = [];
    for (const compress of ['gzip', 'zstd'])
      errors.push(await stillheap.capture({ dir, compress }).then(() => 'written', describe));
    return { errors, left: files(dir) };
  }, dir);
  for (const error of compressed.errors) has(error, { code: 'ENOSPC' });
  assert.deepEqual(compressed.left, []);
  // And the next one, elsewhere, is as good as the first.
  readSnapshot((await agent.call(({ stillheap }) => stillheap.capture())).file);
});

test('ENOSPC on the signal: one line, the service lives, the next signal works', async (t) => {
  const dir = temporaryDirectory(t);
  const wrapper = withMount(dir, 'size=3m');
  const agent = await startAgent(t, { wrapper, env: { STILLHEAP_DIR: dir } });
  agent.kill('SIGUSR2');
  const [line] = await agent.output(/stillheap: .*\n/);
  assert.match(line, /^stillheap: no heap snapshot was written: ENOSPC: /);
  const left = await agent.call(({ stillheap, files }, dir) => {
    const left = files(dir);
    stillheap.configure({ dir: '.' });
    return left;
  }, dir);
  assert.deepEqual(left, []);
  agent.kill('SIGUSR2');
  const [, file] = await agent.output(/stillheap: wrote (\S+)/);
  readSnapshot(file);
});

test('a target that appears while the snapshot is taken is kept', async (t) => {
  const agent = await startAgent(t);
  const outcome = await agent.call(async ({ stillheap, describe, fs, files }) => {
    const onProgress = ({ phase }) => phase === 'writing' && fs.writeFileSync('a.heapsnapshot', 'mine');
    // The writer may be quicker than this thread; then the name is taken before.
    const error = await stillheap.capture({ file: 'a.heapsnapshot', onProgress }).catch(describe);
    return { error, content: fs.readFileSync('a.heapsnapshot', 'utf8'), files: files() };
  });
  has(outcome.error, { code: 'EEXIST' });
  assert.equal(outcome.content, 'mine');
  assert.deepEqual(outcome.files, ['a.heapsnapshot']);
});

test('too many open files: an error, and later captures work', async (t) => {
  const agent = await startAgent(t, { wrapper: ['prlimit', '--nofile=64:64'] });
  const outcome = await agent.call(async ({ stillheap, fs, describe, files }) => {
    const open = [];
    let error;
    try {
      for (;;) open.push(fs.openSync('/dev/null'));
    } catch {
      error = await stillheap.capture().then(() => 'written', describe);
    }
    for (const fd of open) fs.closeSync(fd);
    return { error, good: await stillheap.capture({ file: 'good.heapsnapshot' }), files: files() };
  });
  has(outcome.error, { code: 'EMFILE' });
  assert.deepEqual(outcome.files, ['good.heapsnapshot']);
  readSnapshot(outcome.good.file);
});
