// How much of V8's own snapshot the heap's reader finds, for any Node binary: freezes a program after V8 wrote its
// snapshot, makes a core of it, converts that, and prints what share is equal and what differs.
//
//   node scripts/core-fidelity.mjs                                the binaries that the tests use
//   node scripts/core-fidelity.mjs /path/to/node … [--program FILE] [--lines 20]
//
// Programs: __test__/children/frozen.js (default), frozen-large.js.

import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { nodeBinary, supported } from './node-versions.mjs';
import { root } from './setup.mjs';

const require = createRequire(import.meta.url);
const { awaitFutex, writeCore } = require('../__test__/support/core.js');
const { compare, contents } = require('../__test__/support/fidelity.js');

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    program: { type: 'string', default: path.join(root, '__test__/children/frozen.js') },
    lines: { type: 'string', default: '20' },
  },
});

async function freeze(binary, directory) {
  const snapshot = path.join(directory, 'v8.heapsnapshot');
  const child = spawn(binary, [values.program, snapshot], { stdio: ['ignore', 'pipe', 'inherit'] });
  try {
    await new Promise((frozen, failed) => {
      child.stdout.once('data', frozen);
      child.once('exit', (code) => failed(new Error(`${binary} ended with ${code}`)));
    });
    awaitFutex(child.pid);
    const core = path.join(directory, 'core');
    writeCore(child.pid, core);
    return { snapshot, core };
  } finally {
    child.removeAllListeners('exit');
    child.kill('SIGKILL');
  }
}

async function measure(binary) {
  const directory = mkdtempSync(path.join(tmpdir(), 'stillheap-fidelity-'));
  try {
    const { snapshot, core } = await freeze(binary, directory);
    const output = path.join(directory, 'core.heapsnapshot');
    const stillheap = [path.join(root, 'bin/stillheap.js'), 'convert', core, '-o', output];
    const { status, stderr } = spawnSync(process.execPath, stillheap, { encoding: 'utf8' });
    if (status !== 0) throw new Error(`${binary}: ${stderr}`);
    const [truth, found] = [contents(snapshot), contents(output)];
    for (const [what, name] of Object.entries({ count: 'nodes', links: 'edges', places: 'positions' })) {
      const { share, over, different } = compare(truth[what], found[what]);
      console.log(
        `${binary}: ${name} ${(100 * share).toFixed(3)} % equal, ${(100 * over).toFixed(3)} % too many`,
      );
      for (const line of different.slice(0, Number(values.lines))) console.log(`    ${line}`);
    }
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

for (const binary of positionals.length > 0 ? positionals : supported.map(nodeBinary)) await measure(binary);
