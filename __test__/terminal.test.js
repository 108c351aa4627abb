'use strict';

// What the commands on running processes print for people, at the widths of terminals; and how the command line behaves on
// a real one. (Golden files of crates/cli have the other commands.)

const assert = require('node:assert/strict');
const { spawnSync } = require('node:child_process');
const { readdirSync, writeFileSync } = require('node:fs');
const path = require('node:path');
const { root, startNode, temporaryDirectory } = require('./support/child.js');
const { test, testIf } = require('./support/test.js');

const bin = path.join(root, 'bin/stillheap.js');
const supported = process.platform === 'linux' && process.arch === 'x64';
const skip = supported ? false : 'attaching is for Linux on x86-64';

async function stillheap(t, args, { columns, env = {}, cwd } = {}) {
  const width = columns === undefined ? {} : { STILLHEAP_COLUMNS: String(columns) };
  const child = startNode(t, [bin, ...args.map(String)], { env: { ...width, ...env }, cwd });
  const { code } = await child.ended;
  return { code, stdout: child.stdout, stderr: child.stderr };
}

/** Lines of a text that match, one after the other; every number and path stands for others. */
function assertLines(text, patterns, message) {
  const lines = text.trimEnd().split('\n');
  const shown = `${message}\n${text}`;
  for (const [at, pattern] of patterns.entries()) assert.match(lines[at] ?? '(no line)', pattern, shown);
  assert.equal(lines.length, patterns.length, shown);
}

const size = String.raw`\d[\d.]* k?M?B`;

test('info, stack and dump fit the terminal', { skip }, async (t) => {
  const service = startNode(t, [path.join(__dirname, 'children/unprepared.js')], { ipc: true });
  await service.event('port');
  const directory = temporaryDirectory(t);
  for (const columns of [60, 80, 120, 200]) {
    const file = path.join(directory, `${columns}.heapsnapshot`);
    const texts = {};
    for (const [name, ...more] of [['info'], ['stack'], ['dump', '--output', file]]) {
      const { code, stdout, stderr } = await stillheap(t, [name, service.pid, ...more], { columns });
      assert.equal(code, 0, stderr);
      texts[name] = stdout;
      for (const line of stdout.split('\n')) {
        // A path that is longer than the terminal stays whole, so that it can be copied.
        assert.ok(line.length <= columns || line.includes(file), `${name} at ${columns}: ${line}`);
      }
    }
    const memory = `${size} resident: ${size} written by the process \\(V8 pages ${size}\\), ${size} of files`;
    assertLines(
      texts.info.replace(/\n {12}/g, ' '),
      [
        /^process {5}\d+$/,
        /^command {5}.*unprepared\.js$/,
        /^node {8}v\d+\.\d+\.\d+, V8 \S+$/,
        /^running {5}\d+ s$/,
        /^threads {5}\d+$/,
        /^handles {5}\d+ open descriptors, \d+ of them sockets$/,
        new RegExp(`^memory {6}${memory}$`),
        new RegExp(`^live {8}[\\d,]+ objects in ${size} of isolate 0$`),
        new RegExp(`^isolate {5}0 ${size}, the main thread's$`),
        /^paused {6}\d+ ms$/,
        /^$/,
        /^Next: stillheap leaks \d+$/,
      ],
      `info at ${columns}`,
    );
    assert.match(texts.stack, /^(No thread was running JavaScript|thread \d+ \(the main thread\)\n {2}\S)/);
    assert.match(texts.stack, /\npaused \d+ ms\n$/);
    assertLines(
      texts.dump.replace(/ \\\n {5}/g, ''),
      [
        /\.heapsnapshot$/,
        new RegExp(`^ {2}${size}, paused \\d+ ms$`),
        /^$/,
        /^Next: stillheap leaks .*\.heapsnapshot$/,
      ],
      `dump at ${columns}`,
    );
  }
});

test('watch leaves columns out on a narrow terminal', { skip }, async (t) => {
  const program = path.join(temporaryDirectory(t), 'collect.js');
  writeFileSync(
    program,
    `require(${JSON.stringify(root)}).watch({ warmup: 0 });
    require('node:v8').setFlagsFromString('--expose-gc');
    const gc = require('node:vm').runInNewContext('gc');
    setInterval(gc, 50);
    require('node:fs').writeSync(1, 'ready\\n');`,
  );
  const service = startNode(t, [program]);
  await service.output(/ready/, 'stdout');
  for (const [columns, shown] of [
    [60, /^\S+Z {2}heap +[\d.]+ k?MB$/],
    [80, /^\S+Z {2}heap +[\d.]+ k?MB {2}rss +[\d.]+ MB {2}full +\d+ {2}paused +\d+ ms$/],
  ]) {
    const { code, stdout, stderr } = await stillheap(t, ['watch', service.pid, '--for', '2s'], { columns });
    assert.equal(code, 0, stderr);
    const lines = stdout.trimEnd().split('\n');
    assert.ok(lines.length > 1, stdout);
    for (const line of lines) assert.ok(line.length <= columns, `${columns}: ${line}`);
    // Without a velocity, which comes later and has a column of its own.
    const first = lines[0].replace(/ {2}[+-]\S+ \S+\/h$/, '');
    assert.match(first, shown);
  }
});

/** A command on a terminal of its own, with what the terminal was sent. */
function onTerminal(t, command, { env = {}, columns = 80, rows = 24 } = {}) {
  const log = path.join(temporaryDirectory(t), 'typescript');
  const { status, error } = spawnSync(
    'script',
    ['-qefc', `stty cols ${columns} rows ${rows}; ${command}`, log],
    {
      encoding: 'utf8',
      env: { ...process.env, TERM: 'xterm-256color', CI: '', NO_COLOR: '', ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: 120_000,
    },
  );
  assert.equal(error, undefined);
  return { status, text: require('node:fs').readFileSync(log, 'utf8') };
}

const hasScript = spawnSync('script', ['--version']).status === 0;
const fixture = (name) => path.join(root, 'crates/cli/tests/fixtures', `${name}.heapsnapshot`);
const leaks = ['leak', 'leak-after', 'leak-later'].map(fixture).join(' ');
const command = (words) => `'${process.execPath}' '${bin}' ${words}`;

testIf(hasScript, 'script(1) is not installed')('on a terminal', async (t) => {
  const ESC = '\x1b';

  await t.test('there are colours, unless NO_COLOR, CI or a dumb terminal forbid them', () => {
    const plain = { PAGER: 'cat' };
    assert.ok(
      onTerminal(t, command(`summary ${fixture('leak')} --no-pager`), { env: plain }).text.includes(ESC),
    );
    for (const env of [{ NO_COLOR: '1' }, { TERM: 'dumb' }]) {
      const { text } = onTerminal(t, command(`summary ${fixture('leak')} --no-pager`), {
        env: { ...plain, ...env },
      });
      assert.ok(!text.includes(ESC), JSON.stringify(env));
    }
    const never = onTerminal(t, command(`summary ${fixture('leak')} --no-pager --color never`), {
      env: plain,
    });
    assert.ok(!never.text.includes(ESC));
  });

  await t.test('what is longer than the terminal goes through the pager, and what is not does not', () => {
    const pager = path.join(temporaryDirectory(t), 'pager');
    writeFileSync(pager, '#!/bin/sh\necho PAGER\ncat\n', { mode: 0o755 });
    const env = { PAGER: pager };
    const long = onTerminal(t, command(`summary ${fixture('leak')} --limit 0`), { env, rows: 10 });
    assert.match(long.text, /PAGER/);
    const short = onTerminal(t, command(`verify ${fixture('leak')}`), { env, rows: 40 });
    assert.doesNotMatch(short.text, /PAGER/);
    const none = onTerminal(t, command(`summary ${fixture('leak')} --limit 0 --no-pager`), { env, rows: 10 });
    assert.doesNotMatch(none.text, /PAGER/);
  });

  await t.test('places are links where the terminal opens them', () => {
    const words = command(`closures ${fixture('leak')} --no-pager`);
    const links = (env) => onTerminal(t, words, { env }).text.split(`${ESC}]8;;file:///`).length - 1;
    assert.equal(links({ FORCE_HYPERLINK: '0' }), 0);
    assert.ok(links({ FORCE_HYPERLINK: '1' }) > 0 || !/closures.*\//.test(words));
  });

  await t.test('exit codes are those of a pipe', () => {
    assert.equal(onTerminal(t, command(`leaks ${leaks} --no-pager`)).status, 0);
    assert.equal(onTerminal(t, command('verify /nowhere.heapsnapshot')).status, 2);
    assert.equal(onTerminal(t, command(`verify ${fixture('truncated')}`)).status, 1);
    assert.equal(onTerminal(t, command('nonsense')).status, 2);
  });
});

test('Ctrl-C while snapshots are taken leaves no file and no copy', { skip }, async (t) => {
  const service = startNode(t, [path.join(__dirname, 'children/unprepared.js')], { ipc: true });
  await service.event('port');
  const temporary = temporaryDirectory(t);
  const child = startNode(t, [bin, 'leaks', String(service.pid), '--every', '60s'], {
    env: { TMPDIR: temporary },
  });
  await child.output(/snapshot 1 of 3/, 'stderr');
  process.kill(child.pid, 'SIGINT');
  const { code, signal } = await child.ended;
  assert.ok(code === 2 || signal === 'SIGINT' || code === 130, `${code} ${signal} ${child.stderr}`);
  assert.deepEqual(readdirSync(temporary), []);
  assert.match(child.stderr, /interrupted/);
});
