// Forks captures out of a process that does all it can to be in the way: constant allocation, timers, wasm,
// workers that start, are terminated and capture themselves, child processes, cluster, an HTTP server under
// load. Every capture must end in a valid snapshot or a clear error, none may hang, the server must answer
// throughout, and the application's own children must end as they should.
//
//   node scripts/fork-stress.mjs [captures per scenario and round, default 40] [scenario …]
//     --nodes 20,22,24,26    majors (default all)
//     --rounds 3             each major's scenarios so many times, the majors by turns
//     --out FILE             one JSON line per run is appended to it
//     --table FILE           runs nothing: the table of such a file
//
// One process at a time. About a second per capture on two busy cores.

import { spawnSync } from 'node:child_process';
import { appendFileSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { nodeBinary, supported } from './node-versions.mjs';

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const child = path.join(root, '__test__/children/fork-stress.js');

const scenarios = [
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
function stress(scenario, captures, node) {
  const { stdout, stderr, status, signal } = spawnSync(node, [child, scenario, String(captures)], {
    encoding: 'utf8',
    // It never should: a capture that hangs would be ended after two minutes by its own time limit.
    timeout: 60_000 + captures * 20_000,
    killSignal: 'SIGKILL',
    env: { ...process.env, NODE_HEAPDUMP_OPTIONS: 'nosignal' },
  });
  try {
    return { scenario, status, signal, ...JSON.parse(stdout.trim().split('\n').at(-1)) };
  } catch {
    return { scenario, status, signal, captures, failed: (stderr || stdout).slice(-2000) };
  }
}

/** Why a child was forked again, in a few words. */
function shortly(reason) {
  if (reason.includes('waited for another thread')) return 'would have waited';
  if (reason.includes('needed a lock')) return 'needed a lock';
  return reason.replace(/^the forked child /, '').replace(/; nothing was written/, '');
}

function sum(table, more, name = (key) => key) {
  for (const [key, times] of Object.entries(more ?? {})) table[name(key)] = (table[name(key)] ?? 0) + times;
}

const listed = (table) =>
  Object.entries(table)
    .map(([what, times]) => `${times} ${what}`)
    .join(', ');

/** All runs of a major and scenario as one row. */
function table(runs) {
  const rows = new Map();
  const rowOf = (node, scenario) => {
    const key = `${node} ${scenario}`;
    if (!rows.has(key)) {
      const counts = { runs: 0, captures: 0, good: 0, forks: 0, answers: 0, children: 0, cut: 0 };
      const most = { longestPauseMs: 0, slowestMs: 0, slowestAnswerMs: 0 };
      rows.set(key, { node, scenario, ...counts, ...most, retried: {}, errors: {}, wrong: [] });
    }
    return rows.get(key);
  };
  for (const run of runs) {
    for (const row of [rowOf(run.node, run.scenario), rowOf(run.node, '**together**')]) {
      row.runs += 1;
      for (const name of ['captures', 'good', 'forks', 'answers', 'children']) row[name] += run[name] ?? 0;
      for (const name of ['longestPauseMs', 'slowestMs', 'slowestAnswerMs'])
        row[name] = Math.max(row[name], run[name] ?? 0);
      row.cut += (run.cut?.forked ?? 0) + (run.cut?.anytime ?? 0);
      sum(row.retried, run.retried, shortly);
      sum(row.errors, run.errors);
      const { failed, signal, lost, wrongStatus, left } = run;
      for (const what of [failed, signal, lost, wrongStatus, left?.length ? `left ${left}` : undefined])
        if (what) row.wrong.push(what.replace(/\s+/g, ' ').slice(0, 300));
    }
  }
  const lines = [
    '| Node | scenario | good | children | forked again because it | errors, wrong, lost | longest pause ms | slowest capture s | other |',
    '|---|---|--:|--:|---|---|--:|--:|---|',
  ];
  const order = (row) => `${row.node}${String(scenarios.indexOf(row.scenario) + 1 || 99).padStart(2, '0')}`;
  for (const row of [...rows.values()].sort((a, b) => (order(a) < order(b) ? -1 : 1))) {
    const other = [
      row.answers ? `${row.answers} answers, slowest ${Math.round(row.slowestAnswerMs)} ms` : '',
      row.children ? `${row.children} children of the application` : '',
      row.cut ? `${row.cut} workers terminated in their captures` : '',
    ];
    lines.push(
      `| ${[
        row.node,
        row.scenario,
        `${row.good} of ${row.captures}`,
        row.forks,
        listed(row.retried) || '–',
        [listed(row.errors), ...row.wrong].filter(Boolean).join('; ') || '–',
        Math.round(row.longestPauseMs),
        (row.slowestMs / 1000).toFixed(1),
        other.filter(Boolean).join(', ') || '–',
      ].join(' | ')} |`,
    );
  }
  return lines.join('\n');
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    nodes: { type: 'string', default: supported.join(',') },
    rounds: { type: 'string', default: '1' },
    out: { type: 'string' },
    table: { type: 'string' },
  },
});
const [captures = '40', ...chosen] = positionals;
for (const name of chosen) if (!scenarios.includes(name)) throw new Error(`There is no scenario '${name}'.`);

if (values.table) {
  const lines = readFileSync(values.table, 'utf8').trim().split('\n');
  console.log(table(lines.map((line) => JSON.parse(line))));
} else {
  const runs = [];
  for (let round = 0; round < Number(values.rounds); round++) {
    for (const scenario of chosen.length > 0 ? chosen : scenarios) {
      for (const major of values.nodes.split(',')) {
        const run = { node: major, ...stress(scenario, Number(captures), nodeBinary(major)) };
        runs.push(run);
        if (values.out) appendFileSync(values.out, `${JSON.stringify(run)}\n`);
        console.error(JSON.stringify(run));
        if (run.status !== 0) process.exitCode = 1;
      }
    }
  }
  console.log(table(runs));
}
