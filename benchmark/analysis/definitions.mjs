// What is measured: the files, the questions, and how each tool is asked. Answers are checked for every run.
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { here, rivals, root } from './install.mjs';

export const SIZES = [5, 50, 300, 1000];

/** Files by name; `node-` ones come out of a real process, `synth-` ones out of crates/synth. */
export function fileNames(megabytes) {
  return [`node-${megabytes}MB`, `synth-${megabytes}MB`];
}

const node = [process.execPath, '--max-old-space-size=16000'];

// A binary that needs a newer C library than the machine has is run with the one that newer-glibc.sh fetched.
function withNewerGlibc(binary) {
  const lib = path.join(rivals, 'glibc/usr/lib/x86_64-linux-gnu');
  const loader = path.join(lib, 'ld-linux-x86-64.so.2');
  return existsSync(loader)
    ? [loader, '--library-path', `${lib}:/usr/lib/x86_64-linux-gnu`, binary]
    : [binary];
}

export function heapSnapshotTool() {
  const platform = `${process.platform}-${process.arch}`;
  return withNewerGlibc(path.join(rivals, `tool/node_modules/@heap-snapshot/${platform}/heap-snapshot`));
}

function stillheap() {
  const target = process.env.CARGO_TARGET_DIR ?? path.join(root, 'target');
  const built = ['release'].map((profile) => path.join(target, profile, 'stillheap'));
  return process.env.STILLHEAP_BIN ?? built.find(existsSync);
}

// Reads what the rival prints for people: "▶ Name [script_id=82:L35:26]  ×1,083   2   48 kB   1%   1.3 MB  15%".
function readTable(text) {
  const classes = [];
  for (const line of text.split('\n')) {
    const match = /^▶ (.*?) {2}×([\d,]+) +(\S+) +([\d.]+ \S?B) +\d+% +([\d.]+ \S?B) +\d+%$/.exec(
      line.trimEnd(),
    );
    if (match) {
      classes.push({
        name: match[1].replace(/ \[script_id=.*\]$/, ''),
        count: Number(match[2].replaceAll(',', '')),
        shallowSize: match[4],
        retainedSize: match[5],
      });
    }
  }
  return { totals: {}, classes };
}

function readDiffTable(text) {
  const classes = [];
  for (const line of text.split('\n')) {
    const cells = line.trimEnd().split(/ {2,}/);
    const numbers = cells.slice(1, 4).map((cell) => Number(cell.replace(/[+,−–-]/g, '')));
    if (line.startsWith('▶') && numbers.every(Number.isFinite)) {
      const name = cells[0].slice(2).replace(/ \[script_id=.*\]$/, '');
      classes.push({ name, addedCount: numbers[0], removedCount: numbers[1] });
    }
  }
  return { classes };
}

/** The tools, ours first: `summary`, `diff` and `leaks` give a command line, `read…` makes an answer of its output. */
export const TOOLS = [
  {
    name: 'stillheap',
    available: () => Boolean(stillheap()),
    summary: (file) => [stillheap(), 'summary', file, '--json', '--limit', '0', '--no-index'],
    diff: (old, young) => [stillheap(), 'diff', old, young, '--json', '--limit', '0', '--no-index'],
    leaks: (old, young) => [stillheap(), 'leaks', old, young, '--json', '--no-index'],
    read: JSON.parse,
    readDiff: JSON.parse,
    readLeaks: JSON.parse,
  },
  {
    // No rival says what leaks; what it costs beyond loading both files is measured against this.
    name: 'stillheap summary, of both',
    available: () => Boolean(stillheap()),
    leaks: (old, young) => [
      'sh',
      '-c',
      'for file; do "$0" summary "$file" --json --limit 0 --no-index; done',
      stillheap(),
      old,
      young,
    ],
  },
  {
    // The answers are the same as above; what is measured is Node's start and the wrapper around the binary or addon.
    name: 'stillheap (bin/stillheap.js)',
    onlyIfAsked: true,
    available: () => existsSync(path.join(root, 'bin/stillheap.js')),
    summary: (file) => [
      process.execPath,
      path.join(root, 'bin/stillheap.js'),
      'summary',
      file,
      '--json',
      '--limit',
      '0',
      '--no-index',
    ],
    diff: (old, young) => [
      process.execPath,
      path.join(root, 'bin/stillheap.js'),
      'diff',
      old,
      young,
      '--json',
      '--limit',
      '0',
      '--no-index',
    ],
    read: JSON.parse,
    readDiff: JSON.parse,
  },
  {
    name: '@heap-snapshot/tool',
    available: () => true,
    summary: (file) => [...heapSnapshotTool(), 'summary', file],
    // Its first argument is the newer snapshot, the second the one to compare with.
    diff: (old, young) => [...heapSnapshotTool(), 'diff', young, old],
    read: readTable,
    readDiff: readDiffTable,
  },
  {
    name: 'Chrome DevTools',
    available: () => true,
    summary: (file) => [
      ...node,
      path.join(here, 'rivals/devtools.mjs'),
      path.join(rivals, 'devtools/engine.mjs'),
      'summary',
      file,
    ],
    diff: (old, young) => [
      ...node,
      path.join(here, 'rivals/devtools.mjs'),
      path.join(rivals, 'devtools/engine.mjs'),
      'diff',
      old,
      young,
    ],
    read: JSON.parse,
    readDiff: JSON.parse,
  },
  {
    name: 'memlab',
    available: () => true,
    // Its library has no comparison of two snapshots by class.
    summary: (file) => [
      ...node,
      path.join(here, 'rivals/memlab.mjs'),
      path.join(rivals, 'memlab'),
      'summary',
      file,
    ],
    read: JSON.parse,
  },
];

export const expectedOf = (file) => JSON.parse(readFileSync(`${file}.expected.json`, 'utf8'));

// @heap-snapshot/tool's units are powers of 1,024.
const UNITS = { B: 1, kB: 2 ** 10, MB: 2 ** 20, GB: 2 ** 30 };

// A size that was printed rounded is right if the exact one rounds to it.
function sameSize(said, exact) {
  if (typeof said === 'number') return said === exact;
  const [number, unit] = said.split(' ');
  const decimals = (number.split('.')[1] ?? '').length;
  return Math.abs(Number(number) * UNITS[unit] - exact) <= 0.5 * 10 ** -decimals * UNITS[unit] + 1e-6;
}

/** What of `answer` is not as expected, in words; nothing if all is as expected. */
export function differences(answer, expected) {
  const found = [];
  const say = (what, said, right) => found.push(`${what} ${said} instead of ${right}`);
  const { planted } = expected;
  for (const total of ['nodes', 'edges', 'totalSize']) {
    const said = answer.totals?.[total];
    if (said !== undefined && expected[total] !== undefined && said !== expected[total]) {
      say(total, said, expected[total]);
    }
  }
  const row = answer.classes.find((c) => c.name === planted.class);
  if (!row) return [...found, `no class ${planted.class}`];
  if (row.count !== planted.count) say(`count of ${planted.class}`, row.count, planted.count);
  if (planted.retained !== undefined && !sameSize(row.retainedSize, planted.retained)) {
    say(`retained size of ${planted.class}`, row.retainedSize, planted.retained);
  }
  return found;
}

export function diffDifferences(answer, expected) {
  const { planted } = expected;
  const row = answer.classes.find((c) => c.name === planted.class);
  if (!row) return [`no class ${planted.class}`];
  const found = [];
  for (const [key, right] of [
    ['addedCount', planted.added],
    ['removedCount', planted.removed],
  ]) {
    if (row[key] !== right) found.push(`${key} of ${planted.class} ${row[key]} instead of ${right}`);
  }
  return found;
}

/** A synthetic heap that grows has more of everything that hangs on its users, and they are in an array. */
export function leaksDifferences(answer) {
  const said = answer.suspects[0]?.className;
  return said === 'User' ? [] : [`${said} leaks instead of User`];
}
