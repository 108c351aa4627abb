// Forks captures out of a process that does all it can to be in the way: constant allocation, timers, wasm,
// workers that start, are terminated and capture themselves, child processes, cluster, an HTTP server under
// load. Every capture must end in a valid snapshot or a clear error, none may hang, the server must answer
// throughout, and the application's own children must end as they should.
//
//   node scripts/fork-stress.mjs [captures per scenario] [scenario …]

import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const child = path.join(root, '__test__/children/fork-stress.js');

export const scenarios = [
  'allocation',
  'marking',
  'workers',
  'from-workers',
  'wasm',
  'spawn',
  'cluster',
  'http',
  'all',
];

/** Runs one scenario in a process of its own; its report, or what went wrong. */
export function stress(scenario, captures, { node = process.execPath, timeout = 600_000 } = {}) {
  const { stdout, stderr, status, signal } = spawnSync(node, [child, scenario, String(captures)], {
    encoding: 'utf8',
    timeout,
    killSignal: 'SIGKILL',
    env: { ...process.env, NODE_HEAPDUMP_OPTIONS: 'nosignal' },
  });
  const line = stdout.trim().split('\n').at(-1);
  try {
    return { scenario, status, signal, ...JSON.parse(line) };
  } catch {
    return { scenario, status, signal, failed: stderr.slice(-2000) || stdout.slice(-2000) };
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const captures = Number(process.argv[2] ?? 100);
  const chosen = process.argv.length > 3 ? process.argv.slice(3) : scenarios;
  let bad = 0;
  for (const scenario of chosen) {
    const report = stress(scenario, captures, { timeout: captures * 20_000 });
    if (report.status !== 0) bad += 1;
    console.log(JSON.stringify({ node: process.version, ...report }));
  }
  process.exitCode = bad;
}
