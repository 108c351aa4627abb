// `npm test`: from a fresh clone, everything. Sets up, checks formats and lints, runs the tests of every
// crate, and the addon's tests on each supported Node with the one binary. Steps that don't depend on a
// failed one still run; the summary at the end has them all, and every test that was skipped, with its reason.
//
//   npm test                       all steps
//   npm test -- addon types        only these steps (see `steps` below)
//   npm test -- addon --node 22    on one major
//   npm test -- addon --node 22 signal handlers    only these test files
//
// With CI set, a skipped test that scripts/skips.mjs does not expect fails the run.

import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { main as book, ready as bookReady } from './book.mjs';
import { browser } from './browser.mjs';
import { main as figures } from './figures.mjs';
import { headers } from './headers.mjs';
import { main as layers } from './layers.mjs';
import { main as links } from './links.mjs';
import { nodeBinary, supported } from './node-versions.mjs';
import { root, setup } from './setup.mjs';
import { unexpected } from './skips.mjs';
import { main as words } from './words.mjs';

/** The major on which what takes minutes is done at full length. */
const thorough = 24;

/**
 * Test files whose subject doesn't differ between majors: the analysis, the package, other people's libraries, what
 * takes minutes. They run on the thorough major only.
 */
const once = [
  'analysis',
  'assert-no-leak',
  'error-codes',
  'full-disk',
  'gallery',
  'growth',
  'metrics-libraries',
  'options',
  'options-table',
  'package',
  'release',
  'results-table',
];

/** Names of the steps; .github/workflows/ci.yml runs each of them. */
export const known = [
  ...[
    'lint',
    'types',
    'layers',
    'words',
    'figures',
    'links',
    'fmt',
    'licences',
    'clippy',
    'doc',
    'fuzz',
    'crates',
    'abi',
    'book',
  ],
  ...['report', 'addon'],
];

/** Where the tests of this run report what was skipped, and how long each file took. */
let notes;
const rustSkips = () => path.join(notes, 'rust.ndjson');

function call(command, args, env = {}) {
  const { status, signal, error } = spawnSync(command, args, {
    cwd: root,
    stdio: 'inherit',
    env: { ...process.env, ...env },
  });
  if (error) console.error(`Could not run ${command}: ${error.message}`);
  else if (signal) console.error(`${command} was ended by ${signal}`);
  return status === 0;
}

/** A tool of node_modules, run with this Node. */
function tool(script, ...args) {
  return call(process.execPath, [path.join(root, 'node_modules', script), ...args]);
}

function cargo(...args) {
  return call('cargo', args, args[0] === 'doc' ? { RUSTDOCFLAGS: '-D warnings' } : {});
}

/** The crates' tests; with STILLHEAP_NEXTEST=1 by nextest, a process for each, which keeps every core busy. */
function crates() {
  const env = { STILLHEAP_SKIPS: rustSkips() };
  if (process.env.STILLHEAP_NEXTEST !== '1')
    return call('cargo', ['test', '--workspace', '--no-fail-fast', '--quiet'], env);
  const options = ['--workspace', '--no-fail-fast', '--status-level', 'fail', '--final-status-level', 'fail'];
  const tests = call('cargo', ['nextest', 'run', ...options, '--cargo-quiet'], env);
  // nextest does not run the examples in the documentation.
  return call('cargo', ['test', '--workspace', '--doc', '--quiet'], env) && tests;
}

/**
 * Licences, and with cargo-deny the rest of deny.toml: duplicates, sources. Advisories need the network; the workflow `ci`
 * looks at them.
 */
function licences() {
  const allowed = call(process.execPath, ['scripts/licences.mjs', '--check']);
  if (spawnSync('cargo', ['deny', '--version'], { stdio: 'ignore' }).status !== 0) {
    console.log('cargo-deny is not installed, so only the licences were checked.');
    return allowed;
  }
  const options = ['deny', '--offline', '--log-level', 'error', 'check', 'bans', 'licenses', 'sources'];
  return call('cargo', options) && allowed;
}

/** The fuzz targets compile. They are checked without libFuzzer's C++ code, which only linking needs. */
function fuzz() {
  const lock = existsSync(path.join(root, 'fuzz/Cargo.lock')) ? ['--locked'] : [];
  const args = ['check', '--manifest-path', 'fuzz/Cargo.toml', '--bins', '--quiet', ...lock];
  // In the workspace's folder, where clippy has checked most dependencies already.
  return call('cargo', [...args, '--target-dir', 'target'], {
    CUSTOM_LIBFUZZER_PATH: path.join(root, 'fuzz/Cargo.toml'),
  });
}

function testFiles(asked, major) {
  const wanted = asked.map((name) => path.basename(name, '.test.js'));
  const directory = path.join(root, '__test__');
  const names = readdirSync(directory)
    .filter((name) => name.endsWith('.test.js'))
    .map((name) => name.slice(0, -'.test.js'.length));
  const chosen =
    wanted.length === 0
      ? names.filter((name) => major === thorough || !once.includes(name))
      : names.filter((name) => wanted.includes(name));
  if (chosen.length < wanted.length) throw new Error(`There are only ${names.join(', ')}.`);
  return chosen.map((name) => path.join('__test__', `${name}.test.js`));
}

/** Runs files with node:test, its report shown and noted. A run in which no test runs is a failure. */
function nodeTest(binary, run, options, files, env) {
  const file = path.join(notes, `${run}.ndjson`);
  const reporters = [
    ...['--test-reporter=spec', '--test-reporter-destination=stdout'],
    ...[`--test-reporter=${path.join(root, 'scripts/reporter.mjs')}`, `--test-reporter-destination=${file}`],
  ];
  const passed = call(binary, ['--test', ...reporters, ...options, ...files], env);
  if (lines(file).length > 0) return passed;
  console.error('No test ran.');
  return false;
}

function lines(file) {
  if (!existsSync(file)) return [];
  const text = readFileSync(file, 'utf8').trim();
  return text === '' ? [] : text.split('\n').map((line) => JSON.parse(line));
}

function addon(major, wanted) {
  const binary = nodeBinary(major);
  const files = major === 18 ? [path.join('__test__', 'smoke.test.js')] : testFiles(wanted, major);
  // Node 18's runner doesn't know it; there is one file for it.
  const options = major === 18 ? [] : ['--test-concurrency=3'];
  return nodeTest(binary, `node${major}`, options, files, {
    STILLHEAP_TEST_LENGTH: major === thorough ? 'full' : 'short',
  });
}

/** V8's layouts, as every major's headers have them. */
function abi() {
  const test = ['test', '-p', 'stillheap-v8', '--lib', '--quiet', '--', '--ignored', 'headers::'];
  return call('cargo', test, { STILLHEAP_NODE_HEADERS: headers() });
}

/** The report in a browser, and the assistant's protocol: what they are made of doesn't differ between majors. */
function report() {
  browser();
  const directory = path.join(root, '__test__/report');
  const files = readdirSync(directory).filter((name) => name.endsWith('.test.mjs'));
  return nodeTest(
    nodeBinary(thorough),
    'report',
    ['--test-concurrency=2'],
    files.map((name) => path.join(directory, name)),
    {},
  );
}

/** In a process of its own: it needs a package, and this file is loaded before there are any. */
function apiReference() {
  return call(process.execPath, ['scripts/api-reference.mjs', '--check']);
}

/** The documents as a site. It takes minutes where mdBook has to be compiled first, so that is done only if asked for. */
function site(asked) {
  const current = apiReference();
  if (asked || bookReady()) return book() && current;
  console.log('mdBook is not installed: `npm test -- book` compiles it and builds the site.');
  return current;
}

/** Every test that was skipped: `{ run, test, reason, full }`. */
function skips() {
  const found = lines(rustSkips()).map(({ test, reason }) => ({ run: 'crates', test, reason, full: true }));
  for (const run of ['report', ...[18, ...supported].map((major) => `node${major}`)]) {
    const full = run === 'report' || run === `node${thorough}`;
    for (const { name, skip } of lines(path.join(notes, `${run}.ndjson`))) {
      if (skip === undefined || skip === false) continue;
      const reason = skip === true || skip === '' ? 'no reason given' : skip;
      found.push({ run, test: name, reason, full });
    }
  }
  return found;
}

/** Every step: name → function that says whether it went well. */
function steps({ majors, chosen, files }) {
  const all = {
    lint: () => tool('@biomejs/biome/bin/biome', 'check', '--error-on-warnings', '.'),
    types: () => tool('typescript/bin/tsc', '--project', 'tsconfig.json'),
    layers: () => layers([]),
    words,
    figures,
    links,
    fmt: () => cargo('fmt', '--all', '--check'),
    licences,
    clippy: () => cargo('clippy', '--workspace', '--all-targets', '--quiet', '--', '-D', 'warnings'),
    doc: () => cargo('doc', '--workspace', '--no-deps', '--document-private-items', '--quiet'),
    fuzz,
    crates,
    abi,
    book: () => site(chosen.includes('book')),
    report,
  };
  for (const major of majors) all[`addon on Node ${major}`] = () => addon(major, files);
  return all;
}

function parse(args) {
  const at = args.indexOf('--node');
  const majors = at < 0 ? [18, ...supported] : [Number(args[at + 1])];
  const words = at < 0 ? args : args.filter((_, n) => n !== at && n !== at + 1);
  return {
    majors,
    chosen: words.filter((word) => known.includes(word)),
    files: words.filter((word) => !known.includes(word)),
  };
}

function seconds(since) {
  return `${((performance.now() - since) / 1000).toFixed(1).padStart(6)} s`;
}

export function main(args) {
  const { majors, chosen, files } = parse(args);
  const begun = performance.now();
  notes = mkdtempSync(path.join(tmpdir(), 'stillheap-test-'));
  const summary = [];
  let good = true;
  const step = (name, body) => {
    console.log(`\n=== ${name}`);
    const since = performance.now();
    let well = false;
    try {
      well = body() !== false;
    } catch (error) {
      console.error(error.message);
    }
    summary.push(`${well ? 'ok    ' : 'FAILED'} ${seconds(since)}  ${name}`);
    good &&= well;
  };
  // As napi builds, which always names its target: what the addon is made of is then not compiled again for the tests.
  process.env.CARGO_BUILD_TARGET ??= /^host: (.+)$/m.exec(
    spawnSync('rustc', ['-vV'], { encoding: 'utf8' }).stdout,
  )?.[1];
  // Ends the process if it fails: without the addon there is nothing to test.
  step('setup', setup);
  for (const [name, body] of Object.entries(steps({ majors, chosen, files }))) {
    if (chosen.length === 0 || chosen.includes(name.split(' ')[0])) step(name, body);
  }
  const skipped = skips();
  const wrong = unexpected(skipped);
  rmSync(notes, { recursive: true, force: true });
  for (const { run, test, reason } of skipped) summary.push(`skipped  ${run}: ${test}: ${reason}`);
  if (skipped.length > 0) summary.push(`${skipped.length} skipped`);
  if (wrong.length > 0 && process.env.CI) {
    summary.push(`FAILED  ${wrong.length} skipped that scripts/skips.mjs does not expect`);
    good = false;
  }
  console.log(
    `\n${summary.join('\n')}\n${good ? 'All steps passed' : 'NOT all steps passed'} after${seconds(begun)}.`,
  );
  return good ? 0 : 1;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) process.exitCode = main(process.argv.slice(2));
