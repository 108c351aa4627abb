// Leaks that were published, of real packages and of Node: does the verdict name class, holder, line and kind?
//
//   node gallery/published.mjs                       all, on this Node's major, captured by a forked child
//   node gallery/published.mjs NAME…                 some
//   node gallery/published.mjs --mended              the mended programs: nothing may be accused
//   node gallery/published.mjs --node 20,26 --mode fork,inline --json FILE
//
// Each folder of published/ has a program, the exact versions of its packages, and what must be said of it, as patterns:
// `class` of the first suspect, `holder` in the sentence, `lines` ([script, first, last], any of the places given),
// `kinds`. They were written from the program and the package, not from what the verdict says.
// STILLHEAP_BIN is a build of the command line to use instead of the addon's. Exits with 1 unless all are right.

import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { nodeBinary } from '../scripts/node-versions.mjs';
import { root } from '../scripts/setup.mjs';
import { installLibraries } from './support/install.mjs';
import libraries from './support/libraries.js';

const base = path.join(root, 'gallery/published');
const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    node: { type: 'string', default: process.versions.node.split('.')[0] },
    mode: { type: 'string', default: 'fork' },
    mended: { type: 'boolean', default: false },
    json: { type: 'string' },
  },
});

function call(command, args, settings) {
  const result = spawnSync(command, args, {
    encoding: 'utf8',
    maxBuffer: 1 << 28,
    timeout: 180_000,
    ...settings,
  });
  if (result.error) throw result.error;
  return result;
}

/** Runs a program, which writes three snapshots into `directory`. */
function capture(name, major, mode, directory) {
  const folder = path.join(base, name);
  installLibraries(libraries.publishedBy(folder));
  const { status, signal, stderr } = call(nodeBinary(Number(major)), [path.join(folder, 'program.js')], {
    cwd: folder,
    env: {
      ...process.env,
      NODE_ENV: 'production',
      GALLERY_DIRECTORY: directory,
      GALLERY_MODE: mode,
      ...(options.mended ? { GALLERY_MENDED: '1' } : {}),
    },
  });
  if (status !== 0)
    throw new Error(`the program ended with ${signal ?? status}: ${stderr.trim().slice(-300)}`);
  return [1, 2, 3].map((moment) => path.join(directory, `${moment}.heapsnapshot`));
}

function ask(name, files) {
  const bin = process.env.STILLHEAP_BIN;
  const [command, ...first] = bin ? [bin] : [process.execPath, path.join(root, 'bin/stillheap.js')];
  const args = [...first, 'leaks', '--json', '--no-index', ...files];
  const { status, stdout, stderr } = call(command, args, { cwd: path.join(base, name) });
  if (status > 1) throw new Error(`'stillheap leaks' ended with ${status}: ${stderr.trim().slice(-300)}`);
  return JSON.parse(stdout);
}

function judge(name, answer) {
  const said = answer.verdict;
  if (options.mended) return { right: answer.suspects.length === 0, said };
  const expected = JSON.parse(readFileSync(path.join(base, name, 'expected.json'), 'utf8'));
  const [first] = answer.suspects;
  if (first === undefined) return { right: false, marks: '----', said };
  const { cause } = first;
  const places = [cause.location, ...cause.related.map(({ location }) => location)];
  const isRight = ([script, from, to]) =>
    places.some(
      (place) => place && new RegExp(script).test(place.script) && place.line >= from && place.line <= to,
    );
  const good = [
    new RegExp(expected.class).test(first.className),
    new RegExp(expected.holder).test(`${cause.detail} ${cause.variable ?? ''} ${said}`),
    expected.lines.length === 0 || expected.lines.some(isRight),
    expected.kinds.includes(cause.kind),
  ];
  const marks = ['C', 'H', 'L', 'K'].map((mark, at) => (good[at] ? mark : '-')).join('');
  return { right: good.every(Boolean), marks, said };
}

function examine(name, major, mode) {
  const about = { name, major: Number(major), mode };
  const directory = mkdtempSync(path.join(tmpdir(), `published-${name}-`));
  try {
    return { ...about, ...judge(name, ask(name, capture(name, major, mode, directory))) };
  } catch (error) {
    return { ...about, right: false, marks: 'failed', said: error.message.replace(/\s*\n\s*/g, ' ') };
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

const all = readdirSync(base).sort();
const unknown = positionals.find((name) => !all.includes(name));
if (unknown !== undefined) throw new Error(`There is no '${unknown}', only ${all.join(', ')}.`);
const results = [];
for (const major of options.node.split(',')) {
  for (const mode of options.mode.split(',')) {
    for (const name of positionals.length > 0 ? positionals : all) {
      const result = examine(name, major, mode);
      results.push(result);
      const mark = result.marks ?? (result.right ? 'silent' : 'FALSE ALARM');
      console.log(`${name.padEnd(24)} ${major} ${mode.padEnd(6)} ${mark.padEnd(6)} ${result.said}`);
    }
  }
}
if (options.json !== undefined) writeFileSync(options.json, JSON.stringify({ results }, null, 1));
console.log(`${results.filter(({ right }) => right).length} of ${results.length} right`);
process.exitCode = results.every(({ right }) => right) ? 0 : 1;
