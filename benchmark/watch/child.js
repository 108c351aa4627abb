'use strict';

// Runs one program under a watch and says as JSON lines what the watch says.
//   node child.js PACKAGE NAME SECONDS

const { compressed, healthy, leaks } = require('./programs.js');

const [, , package_, name, seconds] = process.argv;
const stillheap = require(package_);
const { program, rate } = leaks[name] ?? { program: healthy[name] };
const watch = stillheap.watch(compressed);
const say = (event, data) => process.stdout.write(`${JSON.stringify({ event, ...data })}\n`);
const begun = performance.now();
const elapsed = () => (performance.now() - begun) / 1000;

let full = 0;
watch.on('stats', () => full++);
for (const event of ['leak', 'settled']) watch.on(event, (data) => say(event, { after: elapsed(), ...data }));

const step = program();
let last = elapsed();
let garbage;
const stepping = setInterval(() => {
  const now = elapsed();
  step(now, now - last);
  last = now;
  garbage = Array.from({ length: 500 }, (_, i) => ({ i }));
}, 10);
// In compressed time, V8 must collect a hundred times as often as it would.
const collecting = setInterval(() => watch.gc(), 120);

setTimeout(() => {
  clearInterval(stepping);
  clearInterval(collecting);
  say('end', { after: elapsed(), full, rate, engine: watch.engine, garbage: garbage?.length });
  process.exit();
}, Number(seconds) * 1000);
