'use strict';

// What the commands on running processes print for people, at the widths of terminals; and how the command line behaves on
// a real one. (Golden files of crates/cli have the other commands.)

const assert = require('node:assert/strict');
const { spawnSync } = require('node:child_process');
const { readdirSync, readFileSync, writeFileSync } = require('node:fs');
const { constants } = require('node:os');
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
    const info = texts.info.replace(/\n {12}/g, ' ').split('\n');
    // As many collections as there were, and a line for each kind of timer.
    const varying = /^(collection|timer) +\S/;
    assertLines(
      info.filter((line) => !varying.test(line)).join('\n'),
      [
        /^process {5}\d+$/,
        /^command {5}.*unprepared\.js$/,
        /^node {8}v\d+\.\d+\.\d+, V8 \S+$/,
        /^running {5}\d+ s$/,
        /^threads {5}\d+$/,
        /^descriptors \d+, \d+ of them sockets$/,
        new RegExp(`^memory {6}${memory}$`),
        new RegExp(`^live {8}[\\d,]+ objects in ${size} of isolate 0$`),
        new RegExp(`^isolate {5}0 ${size}, the main thread's$`),
        /^handles {5}(\d+ \w+(, )?)+$/,
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
    [60, /^\S+Z {2}heap +[\d.]+ k?MB( {2}rss +[\d.]+ MB)?$/],
    [80, /^\S+Z {2}heap +[\d.]+ k?MB {2}rss +[\d.]+ MB( {2}full +\d+)?( {2}paused +\d+ ms)?$/],
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
  return { status, text: readFileSync(log, 'utf8') };
}

const hasScript = spawnSync('script', ['--version']).status === 0;
const fixture = (name) => path.join(root, 'crates/cli/tests/fixtures', `${name}.heapsnapshot`);
const leaks = ['leak', 'leak-after', 'leak-later'].map(fixture).join(' ');
const command = (words) => `'${process.execPath}' '${bin}' ${words}`;

testIf(hasScript, 'script(1) is not installed')('on a terminal', async (t) => {
  const ESC = '\x1b';
  // biome-ignore lint/suspicious/noControlCharactersInRegex: that is what is looked for
  const colour = /\x1b\[[\d;]*m/;

  await t.test(
    'there are colours, unless NO_COLOR or --color forbid them, and no escape at all on a dumb terminal',
    () => {
      const words = `summary ${fixture('leak')} --no-pager`;
      const run = (env, more = '') => onTerminal(t, command(`${words} ${more}`), { env }).text;
      assert.match(run({}), colour);
      assert.doesNotMatch(run({ NO_COLOR: '1' }), colour);
      assert.doesNotMatch(run({}, '--color never'), colour);
      // Also where CI is set, even if it is empty.
      for (const CI of ['', 'true']) assert.ok(!run({ TERM: 'dumb', CI }).includes(ESC), CI);
      for (const words of ['--help', 'nonsense']) {
        assert.ok(!onTerminal(t, command(words), { env: { TERM: 'dumb' } }).text.includes(ESC), words);
      }
      assert.match(run({ TERM: 'dumb' }, '--color always'), colour);
    },
  );

  await t.test('progress is drawn, but not on a dumb terminal', { skip }, async () => {
    const service = startNode(t, [path.join(__dirname, 'children/unprepared.js')], { ipc: true });
    await service.event('port');
    const words = command(`leaks ${service.pid} --every 1s --captures 2 --no-pager`);
    assert.ok(onTerminal(t, words, { env: { NO_COLOR: '1' } }).text.includes(ESC));
    const dumb = onTerminal(t, words, { env: { TERM: 'dumb' } }).text;
    assert.match(dumb, /snapshot 2 of 2/);
    // The two are gone by now, so no command on them is suggested.
    assert.match(dumb, new RegExp(`^Next: stillheap leaks ${service.pid} --every 1s --keep \\.\\r?$`, 'm'));
    assert.ok(!dumb.includes(ESC), JSON.stringify(dumb));
  });

  await t.test('what is longer than the terminal goes through the pager, and what is not does not', () => {
    const pager = path.join(temporaryDirectory(t), 'pager');
    writeFileSync(pager, '#!/bin/sh\necho PAGER\ncat\n', { mode: 0o755 });
    const env = { PAGER: pager };
    const long = onTerminal(t, command(`summary ${fixture('leak')} --limit 0`), { env, rows: 10 });
    assert.match(long.text, /\nPAGER\r?\n/);
    assert.match(long.text, /EmailTemplate/);
    const short = onTerminal(t, command(`verify ${fixture('leak')}`), { env, rows: 40 });
    assert.doesNotMatch(short.text, /\nPAGER\r?\n/);
    const none = onTerminal(t, command(`summary ${fixture('leak')} --limit 0 --no-pager`), { env, rows: 10 });
    assert.doesNotMatch(none.text, /\nPAGER\r?\n/);
  });

  await t.test('Ctrl-C is left to the pager', () => {
    const env = { PAGER: 'kill -INT $PPID; sleep 0.5; echo PAGER; cat' };
    const { status, text } = onTerminal(t, command(`summary ${fixture('leak')} --limit 0`), {
      env,
      rows: 10,
    });
    assert.match(text, /\nPAGER\r?\n/);
    assert.match(text, /EmailTemplate/);
    assert.equal(status, 0);
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

test('a signal while snapshots are taken leaves no file and no copy', { skip }, async (t) => {
  const service = startNode(t, [path.join(__dirname, 'children/unprepared.js')], { ipc: true });
  await service.event('port');
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
    const temporary = temporaryDirectory(t);
    const child = startNode(t, [bin, 'leaks', String(service.pid), '--every', '60s'], {
      env: { TMPDIR: temporary },
    });
    await child.output(/snapshot 1 of 3/, 'stderr');
    process.kill(child.pid, signal);
    const { code, signal: by } = await child.ended;
    assert.deepEqual({ code, by }, { code: 2, by: null }, child.stderr);
    assert.deepEqual(readdirSync(temporary), [], signal);
    assert.match(child.stderr, /interrupted; the process continues/);
  }
  assert.equal(readFileSync(`/proc/${service.pid}/task/${service.pid}/children`, 'utf8'), '');
});

test('a signal ends a command that has nothing to remove', { skip }, async (t) => {
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
    // It waits for its input.
    const child = startNode(t, [bin, 'summary', '-'], { stdio: ['pipe', 'pipe', 'pipe'] });
    // The last one that is installed, and Node has no handler of its own for it.
    await caught(child.pid, 'SIGHUP');
    process.kill(child.pid, signal);
    assert.equal((await child.ended).signal, signal);
  }
});

/** Waits until a process has a handler for a signal. */
async function caught(pid, signal) {
  const bit = 1n << BigInt(constants.signals[signal] - 1);
  for (;;) {
    const mask = /^SigCgt:\s*(\w+)$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))[1];
    if (BigInt(`0x${mask}`) & bit) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
