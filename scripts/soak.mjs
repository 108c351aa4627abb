// Minutes of a busy service under random captures and signals, on each major. Not part of `npm test`.
//
//   node scripts/soak.mjs [minutes per major, default 2] [majors, default all]
//
// The service (a process of its own) answers requests without rest while it is asked for snapshots by call,
// as streams, compressed, in workers and by signals; forked, or as STILLHEAP_MODE says. A client in another process
// asserts that every request was answered. At the end every file must be whole and nothing else may be left.

import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { nodeBinary, supported } from './node-versions.mjs';
import { root } from './setup.mjs';

const require = createRequire(import.meta.url);
const self = fileURLToPath(import.meta.url);
const [minutes = '2', ...majors] = process.argv.slice(2);

/** The service: prints its port, then answers; SIGTERM ends it with its figures. */
async function service() {
  const stillheap = require(root);
  const { createServer } = require('node:http');
  const { Worker } = require('node:worker_threads');
  const kindsOf = { call: 0, gzip: 0, zstd: 0, stream: 0, worker: 0, aborted: 0, signals: 0 };
  const figures = { ...kindsOf, fork: 0, inline: 0, attempts: 0, errors: [] };
  const failed = (error) => figures.errors.push(`${error.code} ${error.message}`);
  stillheap.on('error', failed);
  stillheap.on('snapshot', ({ trigger, mode, attempts = 0 }) => {
    if (trigger === 'signal') figures.signals++;
    // Files: streams and workers have none, or no event here.
    figures[mode]++;
    figures.attempts += attempts;
  });
  const sessions = new Map();
  const server = createServer((request, response) => {
    const id = Number(request.url.slice(1));
    sessions.set(id % 20_000, { id, text: `session ${id}`, list: [id] });
    response.end(String(id));
  });
  const capture = (compress) => () => stillheap.capture({ compress }).then(() => figures[compress]++);
  const kinds = [
    () => stillheap.capture().then(() => figures.call++),
    capture('gzip'),
    capture('zstd'),
    async () => {
      let bytes = 0;
      for await (const chunk of stillheap.captureStream()) bytes += chunk.length;
      if (bytes < 1e6) throw new Error(`a stream of ${bytes} bytes`);
      figures.stream++;
    },
    async () => {
      const signal = AbortSignal.timeout(Math.floor(Math.random() * 300));
      await stillheap.capture({ signal }).catch(() => figures.aborted++);
    },
    async () => {
      const source = `require(${JSON.stringify(root)}).capture()`;
      const worker = new Worker(source, { eval: true });
      const exit = new Promise((resolve) => worker.once('exit', resolve));
      if (Math.random() < 0.5) await worker.terminate();
      await exit;
      figures.worker++;
    },
  ];
  let ending = false;
  process.once('SIGTERM', () => {
    ending = true;
  });
  // A connection that the server closes for idling while it stands still would look like a lost request.
  server.keepAliveTimeout = 0;
  server.listen(0, () => console.log(server.address().port));
  while (!ending) {
    await kinds[Math.floor(Math.random() * kinds.length)]().catch(failed);
    await new Promise((resolve) => setTimeout(resolve, Math.random() * 500));
  }
  server.close();
  server.closeAllConnections();
  stillheap.stop();
  console.log(JSON.stringify({ ...figures, rss: process.memoryUsage.rss() }));
}

/** The client: requests, four at a time, until SIGTERM; prints how many and what went wrong. */
async function client(port) {
  const { Agent, get } = require('node:http');
  const agent = new Agent({ keepAlive: true, maxSockets: 4 });
  const figures = { requests: 0, slowestMs: 0, wrong: [] };
  let ending = false;
  process.once('SIGTERM', () => {
    ending = true;
  });
  const ask = (id) =>
    new Promise((resolve, reject) => {
      get({ port, path: `/${id}`, agent }, (response) => {
        let text = '';
        response.setEncoding('utf8').on('data', (chunk) => {
          text += chunk;
        });
        response.on('end', () => (text === String(id) ? resolve() : reject(new Error(`${id}: ${text}`))));
        response.on('error', reject);
      }).on('error', reject);
    });
  const loop = async () => {
    while (!ending) {
      const begun = performance.now();
      await ask(figures.requests++).catch((error) => figures.wrong.push(error.message));
      figures.slowestMs = Math.max(figures.slowestMs, Math.round(performance.now() - begun));
    }
  };
  await Promise.all([loop(), loop(), loop(), loop()]);
  agent.destroy();
  console.log(JSON.stringify(figures));
}

/** A child process, its output by lines. */
function start(binary, args, cwd) {
  const child = spawn(binary, [self, ...args], { cwd, stdio: ['ignore', 'pipe', 'inherit'] });
  let text = '';
  const waiting = [];
  child.stdout.setEncoding('utf8').on('data', (chunk) => {
    text += chunk;
    for (;;) {
      const end = text.indexOf('\n');
      if (end < 0 || waiting.length === 0) return;
      waiting.shift().resolve(text.slice(0, end));
      text = text.slice(end + 1);
    }
  });
  const ended = new Promise((resolve) => {
    child.once('close', (code, signal) => {
      for (const { reject } of waiting) reject(new Error(`${args[0]} ended early: ${code ?? signal}`));
      resolve({ code, signal });
    });
  });
  const line = () => new Promise((resolve, reject) => waiting.push({ resolve, reject }));
  return { child, ended, line };
}

/** Throws unless all are whole; in a Node that can read zstd. */
function checkAll(files) {
  const support = path.join(root, '__test__/support/snapshot.js');
  const source = `const { readSnapshot } = require(${JSON.stringify(support)});
    for (const file of process.argv.slice(1)) readSnapshot(file);`;
  const { status, stderr } = spawnSync(nodeBinary(24), ['-e', source, ...files], { encoding: 'utf8' });
  if (status !== 0) throw new Error(`a file is not whole: ${stderr}`);
}

async function soak(major) {
  const binary = nodeBinary(major);
  const directory = mkdtempSync(path.join(tmpdir(), 'stillheap-soak-'));
  const served = start(binary, ['--service'], directory);
  let asking;
  try {
    const port = await served.line();
    asking = start(process.execPath, ['--client', port], directory);
    const until = Date.now() + Number(minutes) * 60_000;
    let sent = 0;
    while (Date.now() < until && served.child.exitCode === null) {
      // One, or a storm.
      for (let n = Math.random() < 0.2 ? 100 : 1; n > 0; n--, sent++) served.child.kill('SIGUSR2');
      await new Promise((resolve) => setTimeout(resolve, Math.random() * 2000));
    }
    const asked = asking.line();
    asking.child.kill('SIGTERM');
    const client = JSON.parse(await asked);
    await asking.ended;
    const answered = served.line();
    served.child.kill('SIGTERM');
    const service = JSON.parse(await answered);
    const { code, signal } = await served.ended;
    const names = readdirSync(directory);
    checkAll(names.map((name) => path.join(directory, name)));
    const { wrong, ...requests } = client;
    const { errors, rss, ...captures } = service;
    console.log(`Node ${major}`, {
      ...requests,
      sent,
      ...captures,
      files: names.length,
      rssMb: Math.round(rss / 2 ** 20),
    });
    const problems = [
      ...wrong,
      ...errors,
      ...(code === 0 ? [] : [`the service ended with ${code ?? signal}`]),
    ];
    if (names.length === 0 || captures.signals === 0) problems.push('hardly anything happened');
    for (const problem of problems) console.error(`Node ${major}: ${problem}`);
    return problems.length === 0;
  } finally {
    served.child.kill('SIGKILL');
    asking?.child.kill('SIGKILL');
    rmSync(directory, { recursive: true, force: true });
  }
}

if (minutes === '--service') await service();
else if (minutes === '--client') await client(Number(majors[0]));
else {
  for (const major of majors.length > 0 ? majors.map(Number) : supported) {
    const well = await soak(major).catch((error) => {
      console.error(`Node ${major}: ${error.message}`);
      return false;
    });
    if (!well) process.exitCode = 1;
  }
}
