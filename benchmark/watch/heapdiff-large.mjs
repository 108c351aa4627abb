// memwatch's HeapDiff on what broke the old one: a heap of more than 2 GB. Says what was found, and for how long the
// process stood still. Wants 8 GB of memory.
//
//   node --max-old-space-size=6000 benchmark/watch/heapdiff-large.mjs

import memwatch from '../../memwatch.js';

class Block {
  constructor() {
    this.numbers = new Array(1_000_000).fill(1.5);
  }
}

let longest = 0;
let last = performance.now();
const clock = setInterval(() => {
  longest = Math.max(longest, performance.now() - last);
  last = performance.now();
}, 1);
/** The longest that the event loop stood still since the last call. */
function pause() {
  const result = Math.max(longest, performance.now() - last);
  [longest, last] = [0, performance.now()];
  return `${result.toFixed(0)} ms`;
}

const kept = Array.from({ length: 150 }, () => new Block());
pause();
const diff = new memwatch.HeapDiff();
const first = pause();
for (let i = 0; i < 150; i++) kept.push(new Block());
// What allocating took is not the question.
await new Promise((resolve) => setTimeout(resolve, 100));
pause();
const { before, after, change } = await diff.endAsync();
const second = pause();
clearInterval(clock);
const blocks = change.details.find(({ what }) => what === 'Block');
console.log({ before, after, change: change.size_bytes, blocks, pauses: { first, second } });
const right =
  blocks['+'] === 150 && after.size_bytes > 2.3e9 && Math.abs(change.size_bytes - 150 * 8_000_000) < 20e6;
console.log(right ? 'right' : 'WRONG');
process.exitCode = right ? 0 : 1;
