// Does a service notice that it is attached to again and again, or that the command is killed?
//
//   node benchmark/attach/stress.mjs --nodes 20,22,24,26 --attaches 1000 --kills 20 --record
//
// The service (__test__/children/unprepared.js) allocates, has two workers and --cpu-prof, starts programs with spawnSync and
// exec, takes a signal every 4 ms, and answers three clients. It is attached to by examples/freeze of crates/attach, which keeps
// each copy for 20 ms. Then `stillheap dump` is killed with SIGKILL at random moments, and once at each of its steps.
// --record writes benchmark/record/DATE-attach-stress.md.

import { execFileSync, fork, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { Agent, get } from 'node:http';
import { loadavg, tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import { nodeBinary, supported, versions } from '../../scripts/node-versions.mjs';
import { median, record, root } from '../addon/support.mjs';

const { values } = parseArgs({
  options: {
    nodes: { type: 'string', default: supported.join(',') },
    attaches: { type: 'string', default: '1000' },
    kills: { type: 'string', default: '20' },
    hold: { type: 'string', default: '20' },
    record: { type: 'boolean', default: false },
  },
});

const steps = [
  ...['before', 'stopped', 'written', 'sent', 'forked', 'back', 'main-gone', 'copied', 'frozen'],
  ...['reaping', 'sent-to-reap'],
];
const script = path.join(root, '__test__/children/unprepared.js');
const stillheap = path.join(root, 'bin/stillheap.js');
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

function freezer() {
  const args = ['build', '--release', '--quiet', '-p', 'stillheap-attach', '--example', 'freeze'];
  execFileSync('cargo', args, { cwd: root, stdio: 'inherit' });
  return path.join(root, 'target/release/examples/freeze');
}

class Service {
  answered = 0;
  failures = [];
  #running = true;

  static async start(major) {
    const service = new Service();
    service.directory = mkdtempSync(path.join(tmpdir(), 'stillheap-stress-'));
    service.process = fork(script, ['--busy', '--workers'], {
      execPath: nodeBinary(major),
      execArgv: ['--cpu-prof', `--cpu-prof-dir=${service.directory}`],
    });
    service.process.once('exit', (code, signal) => {
      if (service.#running) service.failures.push(`the service ended: ${code ?? signal}`);
    });
    const [{ data: port }] = await once(service.process, 'message');
    const agent = new Agent({ keepAlive: true });
    service.clients = Array.from({ length: 3 }, async () => {
      while (service.#running) {
        try {
          await ask(port, agent);
          service.answered++;
        } catch (error) {
          service.failures.push(String(error));
          await sleep(10);
        }
      }
    });
    service.signals = setInterval(() => service.process.kill('SIGUSR2'), 4);
    // Workers and the profiler's threads are there, the young generation has grown.
    await sleep(5000);
    return service;
  }

  /** What an attach must leave as it was: the least of some looks, because the service starts programs of its own. */
  async traces() {
    const { pid } = this.process;
    const text = (name) => readFileSync(`/proc/${pid}/${name}`, 'utf8');
    const now = () => ({
      children: readdirSync(`/proc/${pid}/task`).flatMap((thread) =>
        text(`task/${thread}/children`).split(' ').filter(Boolean),
      ).length,
      descriptors: readdirSync(`/proc/${pid}/fd`).length,
      threads: readdirSync(`/proc/${pid}/task`).length,
      tracer: Number(/TracerPid:\s*(\d+)/.exec(text('status'))[1]),
      residentMB: Math.round(Number(/VmRSS:\s*(\d+)/.exec(text('status'))[1]) / 1000),
    });
    const looks = [];
    for (let n = 0; n < 100; n++) {
      try {
        looks.push(now());
      } catch (error) {
        if (!['ENOENT', 'ESRCH'].includes(error.code)) throw error;
      }
      await sleep(20);
    }
    return Object.fromEntries(
      Object.keys(looks[0]).map((key) => [key, Math.min(...looks.map((look) => look[key]))]),
    );
  }

  async counts() {
    const message = once(this.process, 'message');
    this.process.send({});
    return (await message)[0].data;
  }

  async stop() {
    this.#running = false;
    clearInterval(this.signals);
    await Promise.all(this.clients);
    this.process.kill('SIGKILL');
    rmSync(this.directory, { recursive: true, force: true });
  }
}

function ask(port, agent) {
  return new Promise((resolve, reject) => {
    const request = get({ port, agent, timeout: 60_000 }, (response) => {
      response.resume().once('end', resolve).once('error', reject);
    });
    request.once('error', reject).once('timeout', () => request.destroy(new Error('no answer')));
  });
}

/** Attaches so often; each attempt's line of JSON. */
async function attach(pid, freeze) {
  const child = spawn(freeze, [pid, values.attaches, values.hold].map(String), {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const lines = [];
  for await (const line of createInterface({ input: child.stdout })) lines.push(JSON.parse(line));
  return lines;
}

/** Runs `dump`, kills it after so long or at a step; the signal that ended it, if one did. */
async function killed(service, { after, step }) {
  const args = ['dump', service.process.pid, '--how', 'attach', '--dir', service.directory].map(String);
  const env = { ...process.env, ...(step && { STILLHEAP_TEST_DIE: step }) };
  const child = spawn(process.execPath, [stillheap, ...args], { stdio: 'ignore', env });
  const timer = after === undefined ? undefined : setTimeout(() => child.kill('SIGKILL'), after);
  const [, signal] = await once(child, 'exit');
  clearTimeout(timer);
  return signal;
}

async function stress(major, freeze) {
  const service = await Service.start(major);
  try {
    const before = await service.traces();
    const lines = await attach(service.process.pid, freeze);
    const after = await service.traces();
    const { answered } = service;
    const well = lines.filter(({ ok }) => ok);
    const pauses = well.map(({ pauseMs }) => pauseMs).sort((a, b) => a - b);
    const refused = {};
    for (const { kind } of lines.filter(({ ok }) => !ok)) refused[kind] = (refused[kind] ?? 0) + 1;

    const begun = performance.now();
    await killed(service, {});
    const whole = performance.now() - begun;
    const kills = { random: 0, steps: 0 };
    for (let n = 0; n < Number(values.kills); n++) {
      if ((await killed(service, { after: Math.random() * whole })) === 'SIGKILL') kills.random++;
      // The first whole run takes away what was left.
      if (n % 4 === 3) await killed(service, {});
    }
    for (const step of steps) {
      if ((await killed(service, { step })) === 'SIGKILL') kills.steps++;
    }
    for (let n = 0; n < 6; n++) await killed(service, {});
    const atLast = await service.traces();
    const counts = await service.counts();
    return {
      node: versions[major],
      attaches: lines.length,
      ok: well.length,
      refused,
      notReaped: well.filter(({ reaped, whole }) => !reaped || !whole).length,
      pauseMs: { median: median(pauses), longest: pauses.at(-1) },
      answered,
      answeredInAll: service.answered,
      failures: service.failures,
      signals: counts.signals,
      spawned: counts.spawned,
      spawnsFailed: counts.failed,
      kills,
      before,
      after,
      afterKills: atLast,
    };
  } finally {
    await service.stop();
  }
}

const load = loadavg()[0].toFixed(1);
const freeze = freezer();
const data = [];
const three = ({ before, after, afterKills }, key) =>
  [before, after, afterKills].map((look) => look[key]).join(' / ');

function save() {
  record('attach-stress', 'Attaching again and again', {
    explanation: `\`node benchmark/attach/stress.mjs ${process.argv.slice(2).join(' ')}\`, load ${load} at the beginning. The service allocates, has two workers and --cpu-prof, starts programs with spawnSync and exec, takes a signal every 4 ms, and answers three clients all the time. "Killed": \`stillheap dump\` ended by SIGKILL at random moments of its run, and at each of its ${steps.length} steps. Children, descriptors, threads and resident MB: before, after the attaches, after the kills; the least of 100 looks.`,
    columns: [
      ...['Node', 'attached', 'refused', 'copy lost or not reaped', 'pause ms median / longest'],
      ...['requests answered', 'failed', 'programs started', 'failed', 'killed: moments, steps'],
      ...['children', 'descriptors', 'threads', 'resident MB'],
    ],
    rows: data.map((row) => [
      row.node,
      `${row.ok} of ${row.attaches}`,
      Object.entries(row.refused)
        .map(([kind, times]) => `${kind} ${times}`)
        .join(', ') || 0,
      row.notReaped,
      `${row.pauseMs.median.toFixed(1)} / ${row.pauseMs.longest.toFixed(1)}`,
      row.answeredInAll,
      row.failures.length,
      row.spawned,
      row.spawnsFailed,
      `${row.kills.random}, ${row.kills.steps}`,
      ...['children', 'descriptors', 'threads', 'residentMB'].map((key) => three(row, key)),
    ]),
    data,
  });
}

for (const major of values.nodes.split(',')) {
  const result = await stress(major, freeze);
  console.error(JSON.stringify(result));
  data.push(result);
  // After each, so that what was measured is there if the rest is not.
  if (values.record) save();
}
