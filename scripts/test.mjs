// `npm test`: from a fresh clone, everything. Sets up, checks formats and lints, runs the tests of every
// crate, and the addon's tests on each supported Node with the one binary. Steps that don't depend on a
// failed one still run; the summary at the end has them all.
//
//   npm test                       all steps
//   npm test -- addon types        only these steps (see `steps` below)
//   npm test -- addon --node 22    on one major
//   npm test -- addon --node 22 signal handlers    only these test files

import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { browser } from './browser.mjs';
import { headers } from './headers.mjs';
import { main as layers } from './layers.mjs';
import { nodeBinary, supported } from './node-versions.mjs';
import { root, setup } from './setup.mjs';

/** The major on which what takes minutes is done at full length. */
const thorough = 24;

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

function testFiles(asked) {
  const wanted = asked.map((name) => path.basename(name, '.test.js'));
  const directory = path.join(root, '__test__');
  const names = readdirSync(directory).filter((name) => name.endsWith('.test.js'));
  const chosen =
    wanted.length === 0 ? names : names.filter((name) => wanted.includes(name.slice(0, -'.test.js'.length)));
  if (chosen.length < wanted.length) throw new Error(`There are only ${names.join(', ')}.`);
  return chosen.map((name) => path.join('__test__', name));
}

function addon(major, wanted) {
  const binary = nodeBinary(major);
  const files = major === 18 ? [path.join('__test__', 'smoke.test.js')] : testFiles(wanted);
  // Node 18's runner knows neither; there is one file for it.
  const options = major === 18 ? [] : ['--test-reporter=spec', '--test-concurrency=3'];
  return call(binary, ['--test', ...options, ...files], {
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
  return call(nodeBinary(thorough), [
    ...['--test', '--test-reporter=spec', '--test-concurrency=2'],
    ...files.map((name) => path.join(directory, name)),
  ]);
}

/** Every step: name → function that says whether it went well. */
function steps({ majors, files }) {
  const all = {
    lint: () => tool('@biomejs/biome/bin/biome', 'check', '--error-on-warnings', '.'),
    types: () => tool('typescript/bin/tsc', '--project', 'tsconfig.json'),
    layers: () => layers([]),
    fmt: () => cargo('fmt', '--all', '--check'),
    clippy: () => cargo('clippy', '--workspace', '--all-targets', '--quiet', '--', '-D', 'warnings'),
    doc: () => cargo('doc', '--workspace', '--no-deps', '--document-private-items', '--quiet'),
    crates: () => cargo('test', '--workspace', '--quiet'),
    abi,
    report,
  };
  for (const major of majors) all[`addon on Node ${major}`] = () => addon(major, files);
  return all;
}

function parse(args) {
  const at = args.indexOf('--node');
  const majors = at < 0 ? [18, ...supported] : [Number(args[at + 1])];
  const words = at < 0 ? args : args.filter((_, n) => n !== at && n !== at + 1);
  const known = ['lint', 'types', 'layers', 'fmt', 'clippy', 'doc', 'crates', 'abi', 'report', 'addon'];
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
  const lines = [];
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
    lines.push(`${well ? 'ok    ' : 'FAILED'} ${seconds(since)}  ${name}`);
    good &&= well;
  };
  // Ends the process if it fails: without the addon there is nothing to test.
  step('setup', setup);
  for (const [name, body] of Object.entries(steps({ majors, files }))) {
    if (chosen.length === 0 || chosen.includes(name.split(' ')[0])) step(name, body);
  }
  console.log(`\n${lines.join('\n')}\n${good ? 'All is well' : 'NOT all is well'} after${seconds(begun)}.`);
  return good ? 0 : 1;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) process.exitCode = main(process.argv.slice(2));
