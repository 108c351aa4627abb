// How much of what V8's generator writes our own reader writes of the same heap: runs the gallery's programs, stops each
// one's thread at its last moment, and has a forked child of each engine write it. Compares nodes by type, name and
// size, JavaScript's edges by source, kind, name and target.
//
//   node scripts/engine-fidelity.mjs                      all programs, on all majors
//     --nodes 24,26     on these majors
//     --only NAME,NAME  only these programs
//     --lines 20        so many of the differences, those that are most often found
//     --table           a table in Markdown instead of text
//
// Exits with 1 if a program ended otherwise than it should, or if too little was equal (see `least`).

import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { installLibraries } from '../gallery/support/install.mjs';
import { programs } from '../gallery/support/programs.mjs';
import { nodeBinary, supported, versions } from './node-versions.mjs';
import { root } from './setup.mjs';

const require = createRequire(import.meta.url);
const { compare, contents } = require('../__test__/support/fidelity.js');

/** The least share that must be equal of a program's JavaScript nodes and edges, and the most that may be too many. */
const least = 0.999;
const most = 0.002;

const { values } = parseArgs({
  options: {
    nodes: { type: 'string', default: supported.join(',') },
    only: { type: 'string', default: '' },
    lines: { type: 'string', default: '0' },
    table: { type: 'boolean', default: false },
  },
});
const words = (text) => text.split(',').filter((word) => word !== '');
const chosen = programs(words(values.only));
if (chosen.some(({ libraries }) => libraries)) installLibraries();

/** The two files of a program's heap. */
function capture(program, node, directory) {
  const { status, signal, stderr, error } = spawnSync(nodeBinary(node), [program.file], {
    cwd: root,
    encoding: 'utf8',
    timeout: 300_000,
    killSignal: 'SIGKILL',
    env: {
      ...process.env,
      STILLHEAP_MODE: 'fork',
      GALLERY_MODE: 'both',
      GALLERY_DIRECTORY: directory,
    },
  });
  if (status !== 0)
    throw new Error(`${program.name} ended with ${error ?? signal ?? status}: ${stderr.slice(-500)}`);
  return ['v8', 'own'].map((engine) => {
    const dir = path.join(directory, engine);
    return path.join(
      dir,
      readdirSync(dir).find((name) => name.endsWith('.heapsnapshot')),
    );
  });
}

const percent = (share, digits = 3) => `${(100 * share).toFixed(digits)} %`;

/** All programs' nodes of a type together. */
class Sums {
  types = new Map();
  differences = new Map();

  add(truth, found) {
    for (const type of new Set([...truth.kinds.keys(), ...found.kinds.keys()])) {
      const [a, b] = [truth, found].map(({ kinds }) => kinds.get(type) ?? new Map());
      const sum = this.types.get(type) ?? { v8: 0, own: 0, equal: 0 };
      for (const number of a.values()) sum.v8 += number;
      for (const number of b.values()) sum.own += number;
      for (const key of new Set([...a.keys(), ...b.keys()])) {
        const [one, other] = [a.get(key) ?? 0, b.get(key) ?? 0];
        sum.equal += Math.min(one, other);
        if (one !== other) this.note(`${type} ${key}`, one, other);
      }
      this.types.set(type, sum);
    }
    for (const key of new Set([...truth.links.keys(), ...found.links.keys()])) {
      const [one, other] = [truth.links.get(key) ?? 0, found.links.get(key) ?? 0];
      if (one !== other) this.note(`edge ${key}`, one, other);
    }
  }

  note(key, v8, own) {
    const sum = this.differences.get(key) ?? { v8: 0, own: 0 };
    sum.v8 += v8;
    sum.own += own;
    this.differences.set(key, sum);
  }
}

/** Rows of a table, and the differences that were found most often. */
function show(node, rows, sums) {
  const line = values.table ? (cells) => `| ${cells.join(' | ')} |` : (cells) => cells.join('\t');
  const print = (cells) => console.log(line(cells));
  const heading = (cells) => {
    print(cells);
    if (values.table) print(cells.map(() => '---'));
  };
  console.log(`\nNode ${versions[node]}`);
  heading([
    'program',
    'nodes V8 / own',
    'edges V8 / own',
    'JS nodes equal',
    'too many',
    'JS edges equal',
    'too many',
  ]);
  for (const row of rows) print(row);
  console.log('');
  heading(['type', 'V8', 'own', 'equal']);
  for (const [type, { v8, own, equal }] of [...sums.types].sort((a, b) => b[1].v8 - a[1].v8))
    print([type, v8, own, v8 === 0 ? '–' : percent(equal / v8, 2)]);
  const found = [...sums.differences].sort(([, a], [, b]) => Math.abs(b.v8 - b.own) - Math.abs(a.v8 - a.own));
  for (const [key, { v8, own }] of found.slice(0, Number(values.lines)))
    console.log(`    V8 ${v8}, own ${own}: ${key.replace(/\s+/g, ' ').slice(0, 200)}`);
}

for (const node of words(values.nodes)) {
  const rows = [];
  const sums = new Sums();
  for (const program of chosen) {
    const directory = mkdtempSync(path.join(tmpdir(), 'stillheap-engines-'));
    try {
      const [truth, found] = capture(program, node, directory).map(contents);
      sums.add(truth, found);
      const [nodes, edges] = ['count', 'links'].map((what) => compare(truth[what], found[what]));
      if (Math.min(nodes.share, edges.share) < least || Math.max(nodes.over, edges.over) > most)
        process.exitCode = 1;
      const [all, links] = ['nodes', 'edges'].map((what) => `${truth.total[what]} / ${found.total[what]}`);
      const shares = [nodes, edges].flatMap(({ share, over }) => [percent(share), percent(over)]);
      rows.push([program.name, all, links, ...shares]);
    } catch (error) {
      process.exitCode = 1;
      rows.push([program.name, error.message.replace(/\s+/g, ' ')]);
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
  }
  show(node, rows, sums);
}
