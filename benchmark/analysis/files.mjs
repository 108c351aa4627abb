// Makes the files to measure on, once; they stay in .cache/benchmark.
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { cache, here, root } from './install.mjs';
import { TOOLS, expectedOf } from './definitions.mjs';
import { measure } from './measure.mjs';

const folder = path.join(cache, 'benchmark');
export const fileOf = (name) => path.join(folder, `${name}.heapsnapshot`);

function synthBinary() {
  execFileSync('cargo', ['build', '--quiet', '--release', '-p', 'stillheap-synth'], {
    cwd: root,
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  return path.join(process.env.CARGO_TARGET_DIR ?? path.join(root, 'target'), 'release/synth');
}

// A real process's totals are not known by construction: DevTools, whose numbers are the ones to meet, gives them.
function completeExpected(file) {
  const expected = expectedOf(file);
  if (expected.totalSize !== undefined) return;
  const devtools = TOOLS.find((tool) => tool.name === 'Chrome DevTools');
  const run = measure(devtools.summary(file));
  if (run.status !== 0) throw new Error(`DevTools cannot read ${path.basename(file)}: ${run.stderr}`);
  const answer = devtools.read(run.stdout);
  const row = answer.classes.find((c) => c.name === expected.planted.class);
  if (row?.count !== expected.planted.count) {
    throw new Error(
      `${path.basename(file)}: ${expected.planted.count} instances were made, DevTools sees ${row?.count}`,
    );
  }
  Object.assign(expected, { nodes: answer.totals.nodes, totalSize: answer.totals.totalSize });
  expected.planted.retained = row.retainedSize;
  expected.from = 'Chrome DevTools';
  writeFileSync(`${file}.expected.json`, `${JSON.stringify(expected)}\n`);
}

/** The file called `node-300MB`, `synth-50MB-after` and the like, made if it is not there. */
export function prepare(name) {
  const file = fileOf(name);
  mkdirSync(folder, { recursive: true });
  if (!existsSync(`${file}.expected.json`)) {
    const [kind, size] = name.split('-');
    const first = fileOf(`${kind}-${size}`);
    console.error(`making ${kind}-${size}`);
    const script = path.join(here, 'generate-node.mjs');
    // Only the files that are compared need a second one of the same process.
    const compared = size === '50MB' || name.endsWith('-after');
    const second = compared ? fileOf(`${kind}-${size}-after`) : undefined;
    if (kind === 'node') {
      const args = [script, '--size', size, '--out', first];
      execFileSync(process.execPath, second ? [...args, '--after', second] : args, { stdio: 'inherit' });
    } else {
      const synth = synthBinary();
      execFileSync(synth, ['--size', size, '--out', first]);
      if (second) execFileSync(synth, ['--size', size, '--out', second, '--after']);
    }
  }
  completeExpected(file);
  return { file, bytes: statSync(file).size };
}
