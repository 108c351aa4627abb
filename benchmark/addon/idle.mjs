// What the loaded module costs a service that never takes a snapshot: the time of `require`, RSS, and CPU
// while idle. Processes with and without it take turns; medians are compared. Goals: under 15 ms, under 3 MB,
// no CPU that can be measured (a tick of the clock is 10 ms; less than two over the whole time counts as none).
//
//   node benchmark/addon/idle.mjs [seconds of idling, default 5] [pairs, default 9]

import { binaries, measure, median, record, root } from './support.mjs';

const seconds = Number(process.argv[2] ?? 5);
const pairs = Number(process.argv[3] ?? 9);

// A small HTTP service that has answered requests and collected its garbage: a bare process hasn't touched the
// parts of Node that any service uses, and they would count as the module's.
const probe = (load, idle) => `
  const { readFileSync } = require('node:fs');
  const before = performance.now();
  ${load ? `require(${JSON.stringify(root)});` : ''}
  const requireMs = performance.now() - before;
  const ticks = () => {
    const fields = readFileSync('/proc/self/stat', 'utf8').split(') ')[1].split(' ');
    return Number(fields[11]) + Number(fields[12]);
  };
  const switches = () => {
    const { voluntaryContextSwitches, involuntaryContextSwitches } = process.resourceUsage();
    return voluntaryContextSwitches + involuntaryContextSwitches;
  };
  const server = require('node:http').createServer((request, response) => {
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify({ path: request.url, items: new Array(100).fill('x') }));
  });
  server.listen(0, '127.0.0.1', async () => {
    const { port } = server.address();
    for (let n = 0; n < 200; n++) await (await fetch('http://127.0.0.1:' + port + '/' + n)).json();
    gc();
    gc();
    setTimeout(() => {
      const status = readFileSync('/proc/self/status', 'utf8');
      const kilobytes = (field) => Number(status.match(new RegExp(field + ':\\\\s+(\\\\d+)'))[1]);
      const [rssKb, anonymousKb] = ['VmRSS', 'RssAnon'].map(kilobytes);
      const [cpu, wakeups] = [ticks(), switches()];
      setTimeout(() => {
        console.log(JSON.stringify({
          requireMs, rssKb, anonymousKb, cpuMs: (ticks() - cpu) * 10, wakeups: switches() - wakeups,
        }));
        process.exit();
      }, ${idle * 1000});
    }, 300);
  });`;

const options = { args: ['--expose-gc'] };
const rows = [];
const data = {};
for (const { major, binary } of binaries()) {
  const runs = { with: [], without: [] };
  for (let n = 0; n < pairs; n++) {
    for (const how of ['with', 'without'])
      runs[how].push(measure(binary, probe(how === 'with', 0.1), options));
  }
  const idle = {};
  for (const how of ['with', 'without']) idle[how] = measure(binary, probe(how === 'with', seconds), options);
  const of = (how, field) => median(runs[how].map((run) => run[field]));
  const requireMs = of('with', 'requireMs');
  const rssMb = (of('with', 'rssKb') - of('without', 'rssKb')) / 1024;
  const anonymousMb = (of('with', 'anonymousKb') - of('without', 'anonymousKb')) / 1024;
  data[major] = { requireMs, rssMb, anonymousMb, idle, runs };
  rows.push([
    `Node ${major}`,
    `${requireMs.toFixed(1)} ms`,
    `${rssMb.toFixed(2)} MB`,
    `${anonymousMb.toFixed(2)} MB`,
    `${idle.with.cpuMs} ms (${idle.without.cpuMs} ms without)`,
    `${idle.with.wakeups} (${idle.without.wakeups} without)`,
  ]);
  if (requireMs >= 15 || rssMb >= 3 || idle.with.cpuMs - idle.without.cpuMs >= 20) process.exitCode = 1;
}
record('addon-idle', 'What the loaded module costs when idle', {
  explanation:
    `\`require\` and RSS: medians of ${pairs} processes with and ${pairs} without the module, taking turns. ` +
    `The process is an HTTP service that has answered 200 requests and collected its garbage. What is not private is pages of files, shared by all processes. ` +
    `CPU and context switches: over ${seconds} s of idling. Goals: under 15 ms, under 3 MB, no CPU.`,
  columns: ['', 'require', 'RSS', 'of it private (RssAnon)', 'CPU while idle', 'context switches while idle'],
  rows,
  data,
});
