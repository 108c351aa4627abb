// Every labelled program under the watch, on every supported Node: which leaks are told, after how long and at
// which speed, and which alarms are false. Prints the table of the record in benchmark/record.
//
//   node benchmark/watch/run.mjs [--node 22] [--seconds 36] [--jobs 4] [NAME…]

import { spawn } from 'node:child_process';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import { nodeBinary, supported } from '../../scripts/node-versions.mjs';
import { requireRelease, root } from '../../scripts/setup.mjs';
import programs from './programs.js';

requireRelease();

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    node: { type: 'string' },
    seconds: { type: 'string', default: '36' },
    jobs: { type: 'string', default: '4' },
  },
});
const majors = values.node ? [Number(values.node)] : supported;
const child = path.join(root, 'benchmark/watch/child.js');

/** Runs a program; gives what the watch said. */
function observe(major, name) {
  return new Promise((resolve, reject) => {
    const events = [];
    const running = spawn(nodeBinary(major), [child, root, name, values.seconds], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    createInterface({ input: running.stdout }).on('line', (line) => events.push(JSON.parse(line)));
    running.on('error', reject);
    running.on('close', (code) => {
      if (code === 0) resolve(events);
      else reject(new Error(`${name} on Node ${major} ended with ${code}`));
    });
  });
}

function cell(name, events) {
  const label = programs.leaks[name];
  const told = events.filter(({ event }) => event === 'leak');
  if (label === undefined) return told.length === 0 ? 'silent' : `FALSE ALARM (${told[0].what})`;
  const leak = told.find(({ what }) => what === label.what);
  if (leak === undefined) return 'MISSED';
  const others = told.filter(({ what }) => what !== label.what).map(({ what }) => `, also ${what}`);
  const error = label.rate && ((leak.velocity / 3600 / label.rate - 1) * 100).toFixed(1);
  return `${leak.after.toFixed(0)} s${label.rate ? `, speed ${error} %` : ''}${others.join('')}`;
}

const names = [...Object.keys(programs.leaks), ...Object.keys(programs.healthy)];
const chosen = positionals.length === 0 ? names : positionals;
const pairs = chosen.flatMap((name) => majors.map((major) => ({ name, major })));
const results = new Map();
const waiting = [...pairs];
await Promise.all(
  Array.from({ length: Number(values.jobs) }, async () => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      results.set(`${next.major} ${next.name}`, cell(next.name, await observe(next.major, next.name)));
    }
  }),
);

console.log(`| program | label | ${majors.map((major) => `Node ${major}`).join(' | ')} |`);
console.log(`|---|---|${majors.map(() => '---|').join('')}`);
for (const name of chosen) {
  const label = programs.leaks[name] ? `leak (${programs.leaks[name].what})` : 'no leak';
  const cells = majors.map((major) => results.get(`${major} ${name}`));
  console.log(`| ${name} | ${label} | ${cells.join(' | ')} |`);
}
process.exitCode = [...results.values()].some((text) => /MISSED|FALSE/.test(text)) ? 1 : 0;
