// The service of the tests. Knows nothing of stillheap; says on standard output where it listens, and keeps count of what
// went wrong in it.
const { createServer } = require('node:http');
const { spawnSync, exec } = require('node:child_process');
const fs = require('node:fs');
const { Worker } = require('node:worker_threads');

const faults = [];
let waited = 0;
const kept = Array.from({ length: 20000 }, (_, n) => ({ n, text: `item ${n}` }));

const server = createServer((request, response) => {
  // Becomes another program, with the same id, which listens elsewhere.
  if (request.url === '/become')
    process.execve(process.execPath, [process.execPath, '-e', 'setInterval(() => {}, 1e6)']);
  const answers = { '/': 'alive', '/faults': JSON.stringify(faults), '/waited': String(waited) };
  response.end(answers[request.url] ?? String(kept.length));
});

// Threads that come and go.
if (process.argv.includes('threads')) {
  const start = () => new Worker('', { eval: true }).on('exit', start);
  for (let n = 0; n < 4; n++) start();
}

// Calls that the kernel begins again, or whose time it goes on counting.
if (process.argv.includes('waits')) {
  const tell = (message) => (message === 'done' ? waited++ : faults.push(message));
  const run = (code) =>
    new Worker(
      `const { parentPort } = require('node:worker_threads'); const fs = require('node:fs'); ${code}`,
      {
        eval: true,
      },
    )
      .on('message', tell)
      .on('error', (error) => faults.push(String(error)));
  // futex with a timeout
  run(`
    const words = new Int32Array(new SharedArrayBuffer(4));
    for (;;) {
      const begun = performance.now();
      const how = Atomics.wait(words, 0, 0, 40);
      const took = performance.now() - begun;
      parentPort.postMessage(how === 'timed-out' && took >= 39 ? 'done' : how + ' after ' + took);
    }`);
  // reading from a pipe, which nothing comes out of for a while
  run(`
    const { spawn } = require('node:child_process');
    const child = spawn('sh', ['-c', 'while sleep 0.05; do echo a line; done'], { stdio: ['ignore', 'pipe', 'inherit'] });
    child.stdout.setEncoding('utf8').on('data', (text) => {
      for (const line of text.trim().split('\\n')) parentPort.postMessage(line === 'a line' ? 'done' : line);
    });`);
  // sleeping in the kernel, and locks
  run(`
    for (;;) {
      const fd = fs.openSync('/proc/self/stat');
      const text = fs.readFileSync(fd, 'latin1');
      fs.closeSync(fd);
      parentPort.postMessage(text.includes('node') || text.length > 50 ? 'done' : text);
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5);
    }`);
  // the thread pool, and timers of the event loop
  setInterval(() => {
    const due = performance.now() + 20;
    setTimeout(() => {
      if (performance.now() < due - 2) faults.push('a timer was early');
      fs.readFile('/proc/self/status', 'utf8', (error, text) => {
        if (error || !text.startsWith('Name:')) faults.push(String(error ?? text));
        else waited++;
      });
    }, 20);
  }, 10);
}

if (process.argv.includes('spawns')) {
  setInterval(() => {
    const { status, error } = spawnSync('true');
    if (status !== 0) faults.push(`spawnSync: ${status} ${error}`);
    else waited++;
  }, 20);
  setInterval(() => {
    exec('exit 0', (error) => {
      if (error) faults.push(String(error));
      else waited++;
    });
  }, 15);
}

process.stdin.on('end', () => process.exit()).resume();
server.listen(0, '127.0.0.1', () => fs.writeSync(1, `${server.address().port}\n`));
