// The main job, on a service that leaks: three snapshots on a signal, and what to make of them.

import { spawn, spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { root, setup } from './setup.mjs';

const SNAPSHOTS = 3;
const SECONDS_BETWEEN = 5;
const SUBSCRIBERS = 4;

const say = (text = '') => console.log(text);
const megabytes = (bytes) => `${(bytes / 1e6).toFixed(1)} MB`;

setup();

const output = path.join(root, 'demo-output');
rmSync(output, { recursive: true, force: true });
mkdirSync(output);

say('\nStarting examples/subscriptions/server.js, a small web service that leaks.');
const service = spawn(process.execPath, [path.join(root, 'examples/subscriptions/server.js')], {
  cwd: output,
  env: { ...process.env, PORT: '0', NODE_HEAPDUMP_OPTIONS: '', STILLHEAP_DIR: '', STILLHEAP_SIGNAL: '' },
  stdio: ['ignore', 'pipe', 'pipe'],
});
const stopService = () => service.kill('SIGKILL');
process.on('exit', stopService);
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => process.exit(130));
service.on('exit', (code, signal) => {
  if (process.exitCode === undefined && !finished) {
    console.error(`The service ended unexpectedly (${signal ?? code}).`);
    process.exit(1);
  }
});
let finished = false;

const stdout = createInterface({ input: service.stdout });
const stderr = createInterface({ input: service.stderr });
const [line] = await once(stdout, 'line');
const address = line.match(/http:\S+/)[0];
say(line);

for (let n = 1; n <= SUBSCRIBERS; n += 1) {
  await fetch(`${address}/users/subscribe`, { method: 'POST', body: `user${n}@example.org` });
}
say(`${SUBSCRIBERS} users have subscribed (POST ${address}/users/subscribe). Watch its memory:\n`);

const files = [];
for (let number = 1; number <= SNAPSHOTS; number += 1) {
  for (let second = 0; second < SECONDS_BETWEEN; second += 1) {
    await sleep(1000);
    const memory = await (await fetch(`${address}/memory`)).json();
    say(`  RSS ${megabytes(memory.rss).padStart(9)}   heap ${megabytes(memory.heapUsed).padStart(9)}`);
  }
  say(`\n$ kill -USR2 ${service.pid}`);
  const written = once(stderr, 'line');
  process.kill(service.pid, 'SIGUSR2');
  const [report] = await written;
  say(`${report}\n`);
  const file = report.match(/wrote (\S+) \(/)?.[1];
  if (file === undefined) fail('No snapshot was written.');
  files.push(file);
}

finished = true;
stopService();
await once(service, 'exit');
const left = readdirSync(output).filter((name) => name.endsWith('.tmp'));
if (left.length > 0) fail(`Temporary files were left behind: ${left.join(', ')}`);

/** Runs the command line; it must end with one of these codes. */
const stillheapWith = (codes, ...args) => {
  say(`$ npx stillheap ${args.map((arg) => path.relative(root, arg) || arg).join(' ')}`);
  const { status } = spawnSync(process.execPath, [path.join(root, 'bin/stillheap.js'), ...args], {
    cwd: root,
    stdio: 'inherit',
  });
  if (!codes.includes(status)) fail(`It ended with ${status}.`);
  say();
};
const stillheap = (...args) => stillheapWith([0], ...args);
for (const file of files) stillheap('verify', path.relative(root, file));
say('Which classes grow from the first to the last?\n');
const [first, last] = [files[0], files[SNAPSHOTS - 1]].map((file) => path.relative(root, file));
stillheap('diff', first, last, '--limit', '8');

say('What leaks, and why? (Exit code 1 says that something does.)\n');
stillheapWith([1], 'leaks', ...files.map((file) => path.relative(root, file)));
checkVerdict();

say('All of it as a page:\n');
const page = path.relative(root, path.join(output, 'report.html'));
stillheap('report', ...files.map((file) => path.relative(root, file)), '-o', page);

say('What to do next:');
say(`  npx stillheap retainers ${last} EmailTemplate`);
say('      who holds the objects that grow: from the roots to them, shortest path first');
say(`  npx stillheap summary ${last}`);
say('      what the heap is made of, with the numbers that Chrome DevTools shows');
say('  Chrome DevTools, Memory panel, Load profile…');
say(`      opens the files in ${path.relative(process.cwd(), output) || output}`);
say('  examples/subscriptions/README.md');
say('      walks you through it, step by step');
say('\nThe verdict with its paths, the growth and every class, to look at in a browser:');
say(`  ${path.join(root, page)}`);

/** The demonstration is worth nothing if the verdict it shows is wrong. */
function checkVerdict() {
  const { stdout: answer } = spawnSync(
    process.execPath,
    [path.join(root, 'bin/stillheap.js'), 'leaks', '--json', ...files],
    { encoding: 'utf8', maxBuffer: 64e6 },
  );
  const { kind, variable, location } = JSON.parse(answer).suspects[0].cause;
  const source = readFileSync(location.script, 'utf8').split('\n')[location.line - 1];
  if (kind !== 'shared-context' || variable !== 'original' || !source.includes('const original = template')) {
    fail(`This verdict is wrong: the cause is the context that keeps 'original', not ${kind} ${variable}.`);
  }
}

function once(emitter, event) {
  return new Promise((resolve) => emitter.once(event, (...args) => resolve(args)));
}

function fail(message) {
  console.error(message);
  process.exit(1);
}
