// Compares the core with Chrome DevTools' own engine on random graphs, node by node:
//   cargo run --release -p stillheap-synth --example answers -- FOLDER 0 1000
//   node fuzz/against-devtools.mjs FOLDER
// Prints one line for each seed that differs and exits with 1 if any does.
import { readFileSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { engine } from '../scripts/devtools/engine.mjs';

const { load, NodeFilter } = await engine();
const read = (file) => load(readFileSync(file, 'utf8'));

function answers(snapshot) {
  const classes = {};
  for (const [key, a] of Object.entries(snapshot.aggregatesWithFilter(new NodeFilter()))) {
    classes[key] = [a.name, a.count, a.distance, a.self, a.maxRet];
  }
  const nodes = [];
  const node = snapshot.rootNode();
  for (let i = 0; i < snapshot.nodeCount; i++) {
    node.nodeIndex = i * snapshot.nodeFieldCount;
    const dominator = node.dominatorIndex() / snapshot.nodeFieldCount;
    nodes.push([
      node.selfSize(),
      node.retainedSize(),
      snapshot.nodeDistances[i],
      dominator,
      node.className(),
    ]);
  }
  return { classes, nodes, statistics: snapshot.getStatistics() };
}

// The first place where two answers differ, as a path with both values.
function difference(theirs, ours, at = '') {
  if (theirs !== null && typeof theirs === 'object' && ours !== null && typeof ours === 'object') {
    for (const key of new Set([...Object.keys(theirs), ...Object.keys(ours)])) {
      const found = difference(theirs[key], ours[key], `${at}/${key}`);
      if (found) return found;
    }
    return undefined;
  }
  return theirs === ours
    ? undefined
    : `${at}: DevTools ${JSON.stringify(theirs)}, ours ${JSON.stringify(ours)}`;
}

const folder = process.argv[2];
const seeds = readdirSync(folder)
  .filter((f) => /^\d+\.json$/.test(f))
  .map((f) => parseInt(f, 10))
  .sort((a, b) => a - b);
let differ = 0,
  refused = 0;
for (const seed of seeds) {
  const ours = JSON.parse(readFileSync(path.join(folder, `${seed}.json`), 'utf8'));
  let found;
  try {
    const old = await read(path.join(folder, `${seed}.heapsnapshot`));
    const young = await read(path.join(folder, `${seed}-after.heapsnapshot`));
    const [a, b] = [answers(old), answers(young)];
    const rows = young.calculateSnapshotDiff(1, old.aggregatesForDiff(young.interfaceDefinitions()));
    const diff = Object.fromEntries(
      Object.entries(rows).map(([key, d]) => [
        key,
        [d.addedCount, d.removedCount, d.addedSize, d.removedSize],
      ]),
    );
    found =
      difference(a, ours.old, 'old') ??
      difference(b, ours.young, 'young') ??
      difference(diff, ours.diff, 'diff');
  } catch (error) {
    refused++;
    if (process.argv.includes('--verbose'))
      console.log(`seed ${seed}: DevTools fails: ${error?.message ?? error}`);
    continue;
  }
  if (found) {
    differ++;
    console.log(`seed ${seed}: ${found}`);
  }
}
console.log(`${seeds.length} seeds: ${differ} differ, DevTools fails on ${refused}`);
process.exit(differ ? 1 : 0);
