// One scenario of scripts/fork-stress.mjs: fork-stress.js SCENARIO CAPTURES. The last line on stdout is the
// report; the exit status is 0 if all went as it should.

const { spawn } = require('node:child_process');
const cluster = require('node:cluster');
const fs = require('node:fs');
const http = require('node:http');
const os = require('node:os');
const path = require('node:path');
const { Worker, isMainThread, parentPort, workerData } = require('node:worker_threads');
const stillheap = require('../../index.js');

const [scenario, asked] = isMainThread ? process.argv.slice(2) : [];
const captures = Number(asked);

class Thing {
  constructor(i) {
    this.name = `thing ${i}`;
    this.next = { i, list: [i, i + 1] };
  }
}

/**
 * Keeps the collector busy: allocates all the time, keeps a part, lets go of the rest. What it keeps is little, since
 * a capture's time goes with it; and it leaves the child, who stands back behind it, some of the machine.
 */
function allocate(size) {
  const kept = new Array(size);
  let i = 0;
  const timer = setInterval(() => {
    for (let n = 0; n < 1500; n++) kept[i++ % size] = new Thing(i);
  }, 2);
  return () => clearInterval(timer);
}

/** A module whose only function adds two numbers, called all the time. */
function wasm() {
  const bytes = Uint8Array.from([
    0, 97, 115, 109, 1, 0, 0, 0, 1, 7, 1, 96, 2, 127, 127, 1, 127, 3, 2, 1, 0, 5, 3, 1, 0, 1, 7, 7, 1, 3, 97,
    100, 100, 0, 0, 10, 9, 1, 7, 0, 32, 0, 32, 1, 106, 11,
  ]);
  const timer = setInterval(() => {
    const { add } = new WebAssembly.Instance(new WebAssembly.Module(bytes)).exports;
    for (let n = 0; n < 10_000; n++) if (add(n, 1) !== n + 1) throw new Error('wasm is wrong');
  }, 2);
  return () => clearInterval(timer);
}

function worker(how) {
  return new Worker(__filename, {
    workerData: { how },
  });
}

/** Workers that come and go, some of them terminated in the middle of something. */
function workers() {
  let stopped = false;
  const idle = worker('idle');
  const turn = async () => {
    while (!stopped) {
      const busy = worker('allocate');
      await new Promise((resolve) => busy.once('message', resolve));
      await busy.terminate();
    }
    await idle.terminate();
  };
  const ended = turn();
  return () => {
    stopped = true;
    return ended;
  };
}

/** Children of the application, each of which must end with the status it was told. */
function children(report) {
  let stopped = false;
  const turn = async () => {
    for (let status = 0; !stopped; status = (status + 1) % 100) {
      const child = spawn('/bin/sh', ['-c', `exit ${status}`], {
        stdio: 'pipe',
      });
      const code = await new Promise((resolve) => child.once('close', resolve));
      report.children = (report.children ?? 0) + 1;
      if (code !== status) report.wrongStatus = `${code} instead of ${status}`;
    }
  };
  const ended = turn();
  return () => {
    stopped = true;
    return ended;
  };
}

/** An HTTP server that asks itself all the time. */
async function server(report) {
  const listener = http.createServer((_request, response) => response.end('here'));
  await new Promise((resolve) => listener.listen(0, '127.0.0.1', resolve));
  const { port } = listener.address();
  let stopped = false;
  report.slowestAnswerMs = 0;
  report.answers = 0;
  const ask = () =>
    new Promise((resolve) => {
      const begun = performance.now();
      const request = http.get({ port, host: '127.0.0.1' }, (response) => {
        response.resume().once('end', () => {
          report.answers += 1;
          report.slowestAnswerMs = Math.max(report.slowestAnswerMs, performance.now() - begun);
          resolve();
        });
      });
      request.once('error', ({ code, message }) => {
        report.lost = `${code}: ${message}${request.reusedSocket ? ' on a connection that was used before' : ''}`;
        resolve();
      });
    });
  const turn = async () => {
    while (!stopped) {
      await ask();
      // The forked children, who stand back behind everybody else, need some of the machine, too.
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
  };
  const ended = turn();
  return {
    async stopAsking() {
      stopped = true;
      await ended;
    },
    close: () => new Promise((resolve) => listener.close(resolve)),
  };
}

/** The results of all captures of a scenario. */
function emptyReport() {
  return { good: 0, forks: 0, retried: {}, errors: {}, longestPauseMs: 0, slowestMs: 0 };
}

function count(table, key, times = 1) {
  table[key] = (table[key] ?? 0) + times;
}

/** Adds one capture's result. */
function add(report, { attempts, failedAttempts = [], pauseMs, durationMs }) {
  report.good += 1;
  report.forks += attempts;
  for (const reason of failedAttempts) count(report.retried, reason);
  report.longestPauseMs = Math.max(report.longestPauseMs, pauseMs / attempts);
  report.slowestMs = Math.max(report.slowestMs, Math.round(durationMs));
}

function addError(report, error) {
  count(report.errors, `${error.code}: ${error.message.replace(/'[^']*'/g, '…')}`);
}

/** Whether the system still knows a process. */
function lives(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

/** The forked children that this process has now. */
function forkedChildren() {
  const ids = fs.readdirSync('/proc/self/task').flatMap((task) => {
    try {
      return fs.readFileSync(`/proc/self/task/${task}/children`, 'utf8').trim().split(' ');
    } catch {
      return [];
    }
  });
  const name = (id) => {
    try {
      return fs.readFileSync(`/proc/${id}/comm`, 'utf8').trim();
    } catch {
      return '';
    }
  };
  return ids.filter((id) => id !== '' && name(id) === 'stillheap-child').map(Number);
}

/** The one child that is there, or what there is after ten seconds: a child that fails early is forked again. */
async function oneChild() {
  const patience = performance.now() + 10_000;
  let children = forkedChildren();
  while (children.length !== 1 && performance.now() < patience) {
    await new Promise((resolve) => setTimeout(resolve, 1));
    children = forkedChildren();
  }
  return children;
}

/** The end of a snapshot, and that it is one. */
function check(file) {
  const size = fs.statSync(file).size;
  const descriptor = fs.openSync(file);
  const tail = Buffer.alloc(16);
  fs.readSync(descriptor, tail, 0, 16, size - 16);
  fs.closeSync(descriptor);
  if (!tail.toString('latin1').trimEnd().endsWith(']}')) throw new Error(`${file} is incomplete`);
}

async function captureAll(report, capture) {
  for (let n = 0; n < captures; n++) {
    try {
      const result = await capture();
      if (result.mode !== 'fork') throw new Error(`mode ${result.mode}: ${result.modeReason}`);
      // Every tenth is read in full.
      if (n % 10 === 0) JSON.parse(fs.readFileSync(result.file, 'latin1'));
      else check(result.file);
      fs.rmSync(result.file);
      add(report, result);
    } catch (error) {
      addError(report, error);
    }
  }
}

async function main() {
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'stillheap-stress-'));
  const report = { captures, ...emptyReport() };
  const here = () => stillheap.capture({ mode: 'fork', dir, timeLimit: 120_000 });
  const stops = [];
  const is = (...names) => names.includes(scenario) || scenario === 'all';
  // Enough to be marked step by step; all else is there to be in the way, not to be large.
  stops.push(allocate(is('marking') ? 20_000 : 2_000));
  if (is('wasm')) stops.push(wasm());
  if (is('workers')) stops.push(workers());
  if (is('spawn')) stops.push(children(report));
  if (is('http')) {
    const { stopAsking, close } = await server(report);
    stops.push(stopAsking, close);
  }
  if (scenario === 'cluster') await inCluster(report);
  else if (scenario === 'from-workers') await fromWorkers(report, dir);
  else await captureAll(report, here);
  for (const stop of stops) await stop();
  report.left = fs.readdirSync(dir);
  const wrong = report.wrongStatus || report.lost || Object.keys(report.errors).length > 0;
  fs.rmSync(dir, { recursive: true });
  console.log(JSON.stringify(report));
  process.exitCode = report.good === captures && report.left.length === 0 && !wrong ? 0 : 1;
}

/**
 * Captures by workers of their own heaps. After each, another worker is terminated while it captures: every second one
 * as soon as its child is there, the others at any moment. The child must then be gone, too.
 */
async function fromWorkers(report, dir) {
  report.cut = { forked: 0, anytime: 0 };
  for (let n = 0; n < captures; n++) {
    const own = new Worker(__filename, { workerData: { how: 'capture', dir } });
    const { result, error } = await new Promise((resolve) => {
      own.once('message', resolve);
      own.once('error', (error) => resolve({ error }));
    });
    if (error) {
      addError(report, error);
    } else {
      check(result.file);
      fs.rmSync(result.file);
      add(report, result);
    }
    await own.terminate();
    const when = n % 2 === 0 ? 'forked' : 'anytime';
    const cut = new Worker(__filename, {
      workerData: { how: 'cut', when, dir },
    });
    await new Promise((resolve) => cut.once('message', resolve));
    const children = when === 'forked' ? await oneChild() : forkedChildren();
    if (when === 'forked' && children.length !== 1)
      count(report.errors, `${children.length} children to cut`);
    await cut.terminate();
    report.cut[when] += 1;
    // It is told to end at once; until the system has done so takes a moment.
    const patience = performance.now() + 10_000;
    while (children.some(lives)) {
      if (performance.now() > patience) {
        count(report.errors, 'a terminated worker left its child');
        break;
      }
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }
  // The last one's child may have been ended a moment ago, or have finished a moment before.
  await stillheap.capture({ mode: 'fork', dir }).then(({ file }) => fs.rmSync(file));
  for (const name of fs.readdirSync(dir)) if (name.endsWith('.heapsnapshot')) fs.rmSync(path.join(dir, name));
}

/** Captures in the workers of a cluster that shares a port; the primary asks them all the time. */
async function inCluster(report) {
  cluster.setupPrimary({
    exec: __filename,
    args: ['in-cluster', String(Math.ceil(captures / 2))],
  });
  const members = [cluster.fork(), cluster.fork()];
  const reports = members.map(
    (member) =>
      new Promise((resolve) =>
        member.on('message', (message) => message.good !== undefined && resolve(message)),
      ),
  );
  const codes = members.map((member) => new Promise((resolve) => member.once('exit', resolve)));
  for (const one of await Promise.all(reports)) {
    report.good += one.good;
    report.forks += one.forks;
    for (const most of ['longestPauseMs', 'slowestMs']) report[most] = Math.max(report[most], one[most]);
    for (const table of ['errors', 'retried'])
      for (const [reason, times] of Object.entries(one[table])) count(report[table], reason, times);
    report.answers = (report.answers ?? 0) + one.answers;
    report.slowestAnswerMs = Math.max(report.slowestAnswerMs ?? 0, one.slowestAnswerMs);
    if (one.lost) report.lost = one.lost;
  }
  for (const member of members) member.disconnect();
  for (const code of await Promise.all(codes))
    if (code !== 0) report.wrongStatus = `a member ended with ${code}`;
  report.good = Math.min(report.good, captures);
}

async function member() {
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'stillheap-stress-'));
  const report = emptyReport();
  const stop = allocate(2_000);
  const { stopAsking } = await server(report);
  await captureAll(report, () => stillheap.capture({ mode: 'fork', dir, timeLimit: 120_000 }));
  // The other member may still ask this one: the server is closed by `disconnect`, when both have ended.
  await stopAsking();
  stop();
  fs.rmSync(dir, { recursive: true });
  process.send(report);
}

async function inside() {
  const { how, when, dir } = workerData;
  if (how === 'idle') return void setInterval(() => {}, 1000);
  allocate(2_000);
  const tell = (message) => parentPort.postMessage(message);
  if (how === 'capture') {
    const capture = stillheap.capture({ mode: 'fork', dir, timeLimit: 120_000 });
    capture.then(
      ({ file, attempts, failedAttempts, pauseMs, durationMs }) =>
        tell({ result: { file, attempts, failedAttempts, pauseMs, durationMs } }),
      ({ code, message }) => tell({ error: { code, message } }),
    );
  } else if (how === 'cut') {
    // The child's first sign of life is the first progress there is.
    const onProgress = when === 'forked' ? () => tell('now') : undefined;
    stillheap.capture({ mode: 'fork', dir, onProgress }).catch(() => {});
    if (when !== 'forked') setTimeout(() => tell('now'), Math.random() * 60);
  } else {
    setTimeout(() => tell('now'), Math.random() * 40);
  }
}

if (!isMainThread) inside();
else if (scenario === 'in-cluster') member();
else main();
