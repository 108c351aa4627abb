// Chrome DevTools' own answers, which the tests compare with:
//
//   node scripts/devtools/make.mjs                    makes the fixtures anew: snapshots of each Node, answers to them
//   node scripts/devtools/make.mjs --answers          asks DevTools again about the snapshots that are there
//   node scripts/devtools/make.mjs --check            the same, and compares with what is there instead of writing
//   node scripts/devtools/make.mjs --graphs N         N more random graphs (from crates/synth), with answers
//   node scripts/devtools/make.mjs --into FOLDER      somewhere else; add FILE… for answers about snapshots of yours
//
// STILLHEAP_DEVTOOLS=FOLDER cargo test -p stillheap-analysis lets the tests read such a folder.
// What is in a folder is described in crates/testing/fixtures/devtools/README.md.

import { execFileSync, spawnSync } from 'node:child_process';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { isDeepStrictEqual, parseArgs } from 'node:util';
import zlib from 'node:zlib';
import { nodeBinary } from '../node-versions.mjs';
import { difference, numbers, questions } from './answers.mjs';
import { engine, version } from './engine.mjs';

const here = path.dirname(fileURLToPath(import.meta.url));
const root = path.resolve(here, '../..');
const fixtures = path.join(root, 'crates/testing/fixtures/devtools');

/** One of each kind; the file of each stays under a megabyte. */
const SNAPSHOTS = [
  { name: 'node20', major: 20 },
  { name: 'node22-numeric-values', major: 22, flags: ['--numeric-values'] },
  { name: 'node24', major: 24, after: 'node24-after' },
  { name: 'node26', major: 26 },
  { name: 'node26-internals', major: 26, flags: ['--internals'] },
];
const TIMELINE = { name: 'node24-timeline', major: 24 };

// zstd is what the tests' crates read already, and node:zlib has it from 22.15 on.
if (!zlib.zstdCompressSync) {
  const { status } = spawnSync(nodeBinary(24), process.argv.slice(1), { stdio: 'inherit' });
  process.exit(status ?? 1);
}
const { constants } = zlib;
const pack = (text) =>
  zlib.zstdCompressSync(text, {
    params: { [constants.ZSTD_c_compressionLevel]: 19, [constants.ZSTD_c_windowLog]: 24 },
  });
const unpack = (file) => {
  const bytes = readFileSync(file);
  if (file.endsWith('.zst')) return zlib.zstdDecompressSync(bytes).toString();
  return (file.endsWith('.gz') ? zlib.gunzipSync(bytes) : bytes).toString();
};

function program(major, folder, ...words) {
  // A copy, so that the paths in the snapshot's strings are those of a temporary folder.
  const binary = path.join(folder, `node${major}`);
  if (!existsSync(binary)) copyFileSync(nodeBinary(major), binary);
  copyFileSync(path.join(here, 'program.js'), path.join(folder, 'program.js'));
  execFileSync(binary, ['program.js', ...words], {
    cwd: folder,
    env: {},
    stdio: ['ignore', 'inherit', 'inherit'],
  });
}

function snapshots(into) {
  const folder = mkdtempSync(path.join(tmpdir(), 'devtools-'));
  const store = (file, name) =>
    writeFileSync(path.join(into, `${name}.zst`), pack(readFileSync(path.join(folder, file))));
  try {
    for (const { name, major, after, flags = [] } of SNAPSHOTS) {
      program(major, folder, 'snapshot', 'first', ...(after ? ['second'] : []), ...flags);
      store('first', `${name}.heapsnapshot`);
      if (after) store('second', `${after}.heapsnapshot`);
    }
    program(TIMELINE.major, folder, 'timeline', 'first');
    store('first', `${TIMELINE.name}.heaptimeline`);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Writes a file of answers, or compares with the one that is there; whether they are the same. */
function settle(file, answers, check) {
  if (!check) {
    writeFileSync(file, pack(JSON.stringify(answers)));
    return true;
  }
  const same = isDeepStrictEqual(JSON.parse(unpack(file)), JSON.parse(JSON.stringify(answers)));
  if (!same) console.error(`${file} differs from what DevTools ${version} says`);
  return same;
}

/** Asks about NAME.heapsnapshot(.zst|.gz); with NAME-after beside NAME, about their difference as well. */
async function answer(files, into, check) {
  const { load, NodeFilter } = await engine();
  let good = true;
  for (const file of files) {
    const name = path.basename(file).replace(/\.heapsnapshot(\.zst|\.gz)?$/, '');
    const text = unpack(file);
    const snapshot = await load(text);
    const answers = {
      engine: version,
      ...numbers(snapshot, NodeFilter, text),
      ...questions(snapshot, NodeFilter),
    };
    const base = files.find((other) => path.basename(other).startsWith(`${name.replace(/-after$/, '')}.`));
    if (name.endsWith('-after') && base) {
      const older = await load(unpack(base));
      answers.difference = { base: name.slice(0, -'-after'.length), classes: difference(older, snapshot) };
    }
    good = settle(path.join(into, `${name}.answers.json.zst`), answers, check) && good;
    console.log(`${name}: ${snapshot.nodeCount} nodes`);
  }
  return good;
}

/** A random graph and what DevTools says of it; `error` where DevTools itself fails. */
async function graph({ load, NodeFilter }, name, text, before) {
  try {
    const snapshot = await load(text);
    const answers = numbers(snapshot, NodeFilter, text);
    if (before?.snapshot) {
      answers.difference = { base: before.name, classes: difference(before.snapshot, snapshot) };
    }
    return { snapshot, name, answers };
  } catch (error) {
    return { name, answers: { error: String(error.message ?? error) } };
  }
}

/** One line of JSON for each graph: its name, its text, the answers. */
async function graphs(texts, file, check) {
  const devtools = await engine();
  const lines = [];
  let before;
  for (const [name, text] of texts) {
    const one = await graph(devtools, name, text, before);
    lines.push(JSON.stringify({ name, graph: text, answers: one.answers }));
    before = one;
  }
  if (!check) {
    writeFileSync(file, pack(`${lines.join('\n')}\n`));
    return true;
  }
  const same = unpack(file) === `${lines.join('\n')}\n`;
  if (!same) console.error(`${file} differs from what DevTools ${version} says`);
  return same;
}

function stored(file) {
  const lines = unpack(file).trim().split('\n');
  return lines.map((line) => JSON.parse(line)).map(({ name, graph: text }) => [name, text]);
}

function random(count) {
  const folder = mkdtempSync(path.join(tmpdir(), 'graphs-'));
  const command = [
    'run',
    '--quiet',
    '--release',
    '-p',
    'stillheap-synth',
    '--example',
    'answers',
    '--',
    folder,
    '0',
  ];
  try {
    execFileSync('cargo', [...command, String(Math.ceil(count / 2))], { cwd: root, stdio: 'inherit' });
    const names = readdirSync(folder).filter((name) => name.endsWith('.heapsnapshot'));
    // The younger one of a pair comes after the older one: it is compared with the graph before it.
    const key = (name) => parseInt(name, 10) * 2 + Number(name.includes('-after'));
    names.sort((a, b) => key(a) - key(b));
    return names.map((name) => [
      name.replace('.heapsnapshot', ''),
      readFileSync(path.join(folder, name), 'utf8'),
    ]);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function main() {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      answers: { type: 'boolean' },
      check: { type: 'boolean' },
      graphs: { type: 'string' },
      into: { type: 'string' },
    },
  });
  const into = path.resolve(values.into ?? fixtures);
  mkdirSync(into, { recursive: true });
  const packed = path.join(into, 'graphs.ndjson.zst');
  if (values.graphs) return graphs(random(Number(values.graphs)), packed, false);
  if (positionals.length > 0) return answer(positionals, into, false);
  if (!values.answers && !values.check) snapshots(into);
  const files = readdirSync(into).filter((name) => /\.heapsnapshot(\.zst|\.gz)?$/.test(name));
  const good = await answer(
    files.sort().map((name) => path.join(into, name)),
    into,
    values.check,
  );
  if (!existsSync(packed)) return good;
  return (await graphs(stored(packed), packed, values.check)) && good;
}

process.exitCode = (await main()) ? 0 : 1;
