'use strict';

// A disk that is full, or that breaks: an error with its code, nothing under the file's name, nothing left over, and the
// service goes on. On some of these disks every write goes well and only the sync fails.

const assert = require('node:assert/strict');
const path = require('node:path');
const { root, startAgent, startNode, temporaryDirectory, withMount } = require('./support/child.js');
const { diskTest, failing, withFailingDisk } = require('./support/disk.js');
const { readSnapshot } = require('./support/snapshot.js');
const { test, testIf } = require('./support/test.js');

const forks = process.platform === 'linux' && Boolean(process.report?.getReport().header.glibcVersionRuntime);

/** The disks: what the system says, which test can have it, and the wrapper of a command that sees it. */
const disks = [
  {
    name: 'a full disk',
    code: 'ENOSPC',
    syscall: /^(statvfs|write)$/,
    when: test,
    wrapper: (_, at) => withMount(at, 'size=3m'),
  },
  ...failing.map((code) => ({
    name: code === 'EIO' ? 'a broken disk' : 'a disk that has promised too much',
    code,
    syscall: /^fsync$/,
    when: diskTest,
    wrapper: (t, at) => withFailingDisk(t, at, code),
  })),
];

/** So much text that the snapshot does not fit, whatever compresses it. */
const fill = ({ keep, require }) => {
  const { randomBytes } = require('node:crypto');
  keep.text = Array.from({ length: 16_000 }, () => ({ text: randomBytes(768).toString('base64') }));
};

/** What a capture that is called leaves, and whether the next one, elsewhere, goes well. */
const attempt = async ({ stillheap, describe, files }, { dir, options }) => {
  const error = await stillheap.capture({ dir, ...options }).then(() => 'written', describe);
  const left = files(dir);
  const { file } = await stillheap.capture({
    file: `good-${left.length}-${Math.random()}`,
    mode: options.mode,
  });
  return { error, left, file };
};

for (const { name, code, syscall, when, wrapper } of disks) {
  for (const mode of ['inline', 'fork']) {
    const both = mode === 'fork' && !forks ? testIf(false, 'captures are forked on Linux with glibc') : when;
    both(`${name}: capture(), ${mode}`, { timeout: 240_000 }, async (t) => {
      const dir = temporaryDirectory(t);
      const agent = await startAgent(t, { wrapper: wrapper(t, dir) });
      await agent.call(fill);
      for (const options of [
        {},
        { compress: 'gzip' },
        { compress: 'zstd' },
        { redact: true },
        { outlive: mode === 'fork' },
      ]) {
        const { error, left, file } = await agent.call(attempt, { dir, options: { mode, ...options } });
        const where = JSON.stringify([options, error]);
        assert.equal(error.code, code, where);
        assert.match(error.syscall, syscall, where);
        assert.doesNotMatch(error.message, /tried/, where);
        assert.deepEqual(
          left.filter((entry) => entry !== 'lost+found'),
          [],
          where,
        );
        readSnapshot(path.join(agent.cwd, path.basename(file)));
      }
    });

    both(`${name}: a signal, ${mode}`, { timeout: 120_000 }, async (t) => {
      const dir = temporaryDirectory(t);
      const env = { STILLHEAP_DIR: dir, STILLHEAP_MODE: mode };
      const agent = await startAgent(t, { wrapper: wrapper(t, dir), env });
      await agent.call(fill);
      agent.kill('SIGUSR2');
      const [line] = await agent.output(/stillheap: .*\n/);
      assert.match(line, new RegExp(`^stillheap: no heap snapshot was written: ${code}: `));
      const dump = startNode(t, [path.join(root, 'bin/stillheap.js'), 'dump', String(agent.pid), '--json']);
      await dump.ended;
      assert.notEqual(dump.outcome.code, 0, dump.describe('went well'));
      assert.equal(JSON.parse(dump.stdout).error.code, code, dump.stdout);
      const left = await agent.call(({ stillheap, files }, dir) => {
        stillheap.configure({ dir: '.' });
        return files(dir);
      }, dir);
      assert.deepEqual(
        left.filter((entry) => entry !== 'lost+found'),
        [],
      );
      agent.kill('SIGUSR2');
      readSnapshot((await agent.output(/stillheap: wrote (\S+)/))[1]);
    });
  }

  when(`${name}: at the heap limit`, { timeout: 240_000 }, async (t) => {
    for (const mode of forks ? ['inline', 'fork'] : ['inline']) {
      const dir = temporaryDirectory(t);
      const source = `
        const stillheap = require(${JSON.stringify(root)});
        const keep = [];
        let seen;
        const text = 'x'.repeat(1000);
        stillheap.captureNearHeapLimit({ dir: ${JSON.stringify(dir)}, mode: '${mode}' });
        const grow = () => {
          for (let i = 0; i < 5000; i++) keep.push({ i, text: i + text });
          const now = require('node:fs').readdirSync(${JSON.stringify(dir)}).join();
          if (now !== seen) require('node:fs').writeSync(1, now + '\\n');
          seen = now;
          setImmediate(grow);
        };
        grow();`;
      const child = startNode(t, ['--max-old-space-size=30', '-e', source], { wrapper: wrapper(t, dir) });
      await child.ended;
      assert.match(child.stderr, new RegExp(`no heap snapshot was written: ${code}: `), child.describe(mode));
      const left = child.stdout.trim().split('\n').at(-1).split(',');
      assert.deepEqual(
        left.filter((entry) => !['', 'lost+found'].includes(entry) && !entry.endsWith('.json')),
        [],
        child.describe(mode),
      );
    }
  });
}
