// How long a service stands still: attached to, copied by the addon's own fork, and by gcore; one after the other in one
// process, in one run. So the ratios hold on a machine that does other things, too.
//
//   node benchmark/attach/pauses.mjs --nodes 20,22,24,26 --megabytes 200,1000,4000 --rounds 5 --record
//
// A gap is the longest time between two turns of the service's event loop, which does nothing else meanwhile.
// --record writes benchmark/record/DATE-attach-pauses.md.

import { execFileSync, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { loadavg, tmpdir } from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { nodeBinary, supported, versions } from '../../scripts/node-versions.mjs';
import { median, record, root } from '../addon/support.mjs';

const { values } = parseArgs({
  options: {
    nodes: { type: 'string', default: supported.join(',') },
    megabytes: { type: 'string', default: '200,1000' },
    rounds: { type: 'string', default: '5' },
    record: { type: 'boolean', default: false },
  },
});
const list = (name) => values[name].split(',').map(Number);
const freeze = path.join(root, 'target/release/examples/freeze');

function build() {
  const args = ['build', '--release', '--quiet', '-p', 'stillheap-attach', '--example', 'freeze'];
  execFileSync('cargo', args, { cwd: root, stdio: 'inherit' });
}

async function measure(major, megabytes) {
  const directory = mkdtempSync(path.join(tmpdir(), 'stillheap-pauses-'));
  const child = fork(path.join(root, 'benchmark/fork/service.js'), [String(megabytes), 'small'], {
    execPath: nodeBinary(major),
    execArgv: [`--max-old-space-size=${megabytes * 4 + 1500}`],
    env: { ...process.env, NODE_HEAPDUMP_OPTIONS: 'nosignal' },
  });
  const ended = once(child, 'exit').then(([code, signal]) => {
    throw new Error(`the service ended with ${code ?? signal}`);
  });
  ended.catch(() => {});
  const message = async () => (await Promise.race([once(child, 'message'), ended]))[0];
  const ask = (what) => {
    child.send(what);
    return message();
  };
  /** Does something to the service; the gap that it saw, and what the tool itself says of the pause. */
  const gap = async (work) => {
    await ask({ ask: 'watch' });
    // Some turns without anything.
    await new Promise((resolve) => setTimeout(resolve, 200));
    const pauseMs = await work();
    const { longest } = await ask({ ask: 'gap' });
    return { gapMs: longest, pauseMs };
  };
  const run = (command, args) =>
    execFileSync(command, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
  const ways = {
    none: () => new Promise((resolve) => setTimeout(resolve, 300)),
    attach() {
      const answer = JSON.parse(run(freeze, [String(child.pid), '1']));
      if (!answer.ok) throw new Error(answer.message);
      return answer.pauseMs;
    },
    async fork() {
      const { result, error } = await ask({
        ask: 'capture',
        way: 'pause',
        file: path.join(directory, `${performance.now()}.heapsnapshot`),
      });
      if (error) throw new Error(error);
      return result.pauseMs;
    },
    gcore() {
      run('gcore', ['-o', path.join(directory, 'core'), String(child.pid)]);
      rmSync(path.join(directory, `core.${child.pid}`), { force: true });
    },
  };
  try {
    const { rss } = await message();
    // The addon is loaded, and its first fork made, before anything is measured.
    await ways.fork();
    const results = { none: [], attach: [], fork: [], gcore: [] };
    for (let round = 0; round < Number(values.rounds); round++) {
      for (const [name, work] of Object.entries(ways)) {
        try {
          results[name].push(await gap(work));
        } catch (error) {
          console.error(`${versions[major]}, ${megabytes} MB, ${name}: ${error.message}`);
          await ask({ ask: 'gap' });
        }
      }
    }
    const middle = (name, what) => median(results[name].map((result) => result[what]));
    return {
      node: versions[major],
      megabytes,
      residentMB: Math.round(rss / 1e6),
      gapMs: Object.fromEntries(Object.keys(results).map((name) => [name, middle(name, 'gapMs')])),
      pauseMs: { attach: middle('attach', 'pauseMs'), fork: middle('fork', 'pauseMs') },
      runs: Object.fromEntries(Object.entries(results).map(([name, all]) => [name, all.length])),
      all: results,
    };
  } finally {
    child.kill('SIGKILL');
    rmSync(directory, { recursive: true, force: true });
  }
}

build();
const load = loadavg()[0].toFixed(1);
const data = [];
const one = (number) => number?.toFixed(1) ?? '–';
const ratio = (a, b) => (a / b).toFixed(2);

function save() {
  record('attach-pauses', 'How long a service stands still', {
    explanation: `\`node benchmark/attach/pauses.mjs ${process.argv.slice(2).join(' ')}\`, load ${load} at the beginning, other work on the machine: believe the ratios. Medians of ${values.rounds} rounds, the ways by turns in one process. Gap: the longest time between two turns of the service's event loop, in ms; "none" is without anything. Pause: what the tool itself measured.`,
    columns: [
      ...['Node', 'heap MB', 'resident MB', 'gap: none', 'attach', "addon's fork", 'gcore'],
      ...['attach / fork', 'gcore / attach', 'pause: attach', "addon's fork"],
    ],
    rows: data.map(({ node, megabytes, residentMB, gapMs, pauseMs }) => [
      ...[node, megabytes, residentMB, one(gapMs.none), one(gapMs.attach), one(gapMs.fork), one(gapMs.gcore)],
      ...[
        ratio(gapMs.attach, gapMs.fork),
        ratio(gapMs.gcore, gapMs.attach),
        one(pauseMs.attach),
        one(pauseMs.fork),
      ],
    ]),
    data,
  });
}

for (const megabytes of list('megabytes')) {
  for (const major of list('nodes')) {
    if (megabytes * 4e6 > process.availableMemory()) {
      console.error(`${megabytes} MB on ${major}: not enough memory is free`);
      continue;
    }
    const result = await measure(major, megabytes);
    console.error(JSON.stringify({ ...result, all: undefined }));
    data.push(result);
    // After each, so that what was measured is there if the rest is not.
    if (values.record) save();
  }
}
