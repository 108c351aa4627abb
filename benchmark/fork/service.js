// A service with a heap of a given size and kind, which captures itself in a given way when it is told to.
// service.js MEGABYTES KIND

const http = require('node:http');

const [megabytes, kind] = process.argv.slice(2);
const keep = [];

class Small {
  constructor(i) {
    this.a = i;
    this.b = { i };
  }
}

/** Parts of a thousand each: V8's generator keeps a kilobyte for every index that the longest array has. */
function fill(bytes) {
  const begun = process.memoryUsage().heapUsed;
  for (let i = 0; process.memoryUsage().heapUsed - begun < bytes; ) {
    for (let part = 0; part < 4; part++) {
      const list = [];
      for (let n = 0; n < 1000; n++, i++) {
        if (kind === 'strings') list.push(Buffer.from(`${i} `.repeat(40) + Math.random()).toString('latin1'));
        else if (kind === 'arrays') list.push(n % 20 ? null : new Array(4000).fill(list));
        else list.push(new Small(i));
      }
      keep.push(list);
    }
  }
}

/** Allocates and lets go: what a service does all day. Milliseconds. */
function loop() {
  const begun = performance.now();
  let last;
  const window = new Array(50_000);
  for (let i = 0; i < 2_000_000; i++) window[i % window.length] = last = { i, list: [i] };
  return performance.now() - begun + (last.i < 0 ? 1 : 0);
}

/** So often that its median means something. */
const loops = () => Array.from({ length: 9 }, loop);

const stillheap = () => require('../../index.js');

const ways = {
  /** Nothing is captured, for about as long as a forked capture takes: what the figures are by themselves. */
  none: () => new Promise((resolve) => setTimeout(resolve, Math.max(3000, megabytes * 60), {})),
  fork: ({ file, scratch }) => stillheap().capture({ mode: 'fork', file, scratch }),
  inline: ({ file }) => stillheap().capture({ mode: 'inline', file }),
  'v8.writeHeapSnapshot'({ file }) {
    require('node:v8').writeHeapSnapshot(file);
    return {};
  },
  heapdump: ({ file, heapdump }) =>
    new Promise((resolve, reject) => {
      const done = (error) => (error ? reject(error) : resolve({}));
      require(heapdump).writeSnapshot(file, done);
    }),
  pause: ({ file }) => pauseOnly(file),
};

/** Forks and ends the child at once: the pause without what the child takes. */
async function pauseOnly(file) {
  const { isolate, captureOptions } = stillheap()[require('../../lib/module.js').internals];
  const { toNative } = require('../../lib/options.js');
  const options = { ...captureOptions({ mode: 'fork', force: true }), file };
  const operation = isolate.fork(JSON.stringify(toNative(options, 'call')));
  let pause;
  for (;;) {
    const state = JSON.parse(operation.poll());
    if (state.pause && !pause) {
      pause = state.pause;
      operation.cancel();
    }
    if (pause && !state.progress) return { pauseMs: pause.ms, pauseParts: pause.parts };
    if (state.error) throw Object.assign(new Error(state.error.message), { code: state.error.code });
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}

const answers = {
  async capture(order) {
    const begun = performance.now();
    try {
      const result = await ways[order.way](order);
      return { totalMs: performance.now() - begun, result };
    } catch (error) {
      return { totalMs: performance.now() - begun, error: `${error.code}: ${error.message}` };
    }
  },
  loops: () => ({ loops: loops() }),
  watch() {
    gaps = { longest: 0, last: performance.now() };
    turn();
    return {};
  },
  gap() {
    const { longest } = gaps;
    gaps = undefined;
    return { longest };
  },
};

/** The longest time between two turns of the event loop, while somebody wants to know. */
let gaps;
function turn() {
  if (gaps === undefined) return;
  const now = performance.now();
  gaps.longest = Math.max(gaps.longest, now - gaps.last);
  gaps.last = now;
  setImmediate(turn);
}

fill(Number(megabytes) * 1e6);
const server = http.createServer((_request, response) => {
  let text = '';
  for (let i = 0; i < 50; i++) text += JSON.stringify({ i, name: `item ${i}` });
  response.end(text);
});
// The first loops are slower: they are compiled, and the young generation grows.
loops();
server.listen(0, '127.0.0.1', () =>
  process.send({ port: server.address().port, rss: process.memoryUsage.rss() }),
);
process.on('message', async ({ ask, ...order }) => process.send(await answers[ask](order)));
process.on('disconnect', () => process.exit());
