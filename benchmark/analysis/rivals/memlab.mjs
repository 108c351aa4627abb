// memlab's heap library: reads the file and computes distances, dominators and retained sizes, then sums up by class,
// since the library has no such table of its own.
//   node memlab.mjs FOLDER summary FILE      -> JSON on stdout
import { createRequire } from 'node:module';
import path from 'node:path';
import { statSync } from 'node:fs';

const [folder, , file] = process.argv.slice(2);
const require = createRequire(path.join(folder, 'package.json'));
const { getFullHeapFromFile } = require('@memlab/heap-analysis');
// The terminal animations would go into the measure, and onto stdout.
const { config } = require('@memlab/core');
config.muteConsole = true;

const heap = await getFullHeapFromFile(file);
const classes = new Map();
let totalSize = 0,
  nodes = 0;
heap.nodes.forEach((node) => {
  nodes++;
  totalSize += node.self_size;
  const name = node.type === 'object' || node.type === 'native' ? node.name : `(${node.type})`;
  let row = classes.get(name);
  if (!row) {
    row = { key: name, name, count: 0, shallowSize: 0, retainedSize: 0 };
    classes.set(name, row);
  }
  row.count++;
  row.shallowSize += node.self_size;
  // Instances that a dominator of the same class already covers would be counted twice; walking up is what a user
  // of the library would write.
  for (let up = node.dominatorNode; ; up = up.dominatorNode) {
    if (!up || up.id === up.dominatorNode?.id) {
      row.retainedSize += node.retainedSize;
      break;
    }
    if (up.name === node.name && up.type === node.type) break;
    if (node.type !== 'object') break;
  }
});
const totals = { bytes: statSync(file).size, nodes, totalSize };
process.stdout.write(`${JSON.stringify({ totals, classes: [...classes.values()] })}\n`);
process.exit(0);
