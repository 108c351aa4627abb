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

function fill(bytes) {
  const begun = process.memoryUsage().heapUsed;
  for (let i = 0; process.memoryUsage.rss() && process.memoryUsage().heapUsed - begun < bytes; ) {
    for (let n = 0; n < 2000; n++, i++) {
      if (kind === 'strings') keep.push(`${i} `.repeat(40) + Math.random());
      else if (kind === 'arrays') keep.push(n % 20 ? null : new Array(4000).fill(keep));
      else keep.push(new Small(i));
    }
    if (kind === 'strings') for (let n = keep.length - 2000; n < keep.length; n++) Number(keep[n]);
  }
}

/** Allocates and lets go: what a service does all day. Milliseconds. */
function loop() {
  const begun = performance.now();
  let last;
  const window = new Array(50_000);
  for (let i = 0; i < 3_000_000; i++) window[i % window.length] = last = { i, list: [i] };
  return performance.now() - begun + (last.i < 0 ? 1 : 0);
}

const ways = {
  async fork(file) {
    return await require('../../index.js').capture({
      mode: 'fork',
      file,
      force: true,
    });
  },
  async inline(file) {
    return await require('../../index.js').capture({ mode: 'inline', file });
  },
  async 'v8.writeHeapSnapshot'(file) {
    require('node:v8').writeHeapSnapshot(file);
    return {};
  },
  async heapdump(file) {
    require(process.env.HEAPDUMP).writeSnapshot(file);
    return {};
  },
};

fill(Number(megabytes) * 1e6);
const server = http.createServer((_request, response) => {
  let text = '';
  for (let i = 0; i < 50; i++) text += JSON.stringify({ i, name: `item ${i}` });
  response.end(text);
});
server.listen(0, '127.0.0.1', () =>
  process.send({ port: server.address().port, loop: [loop(), loop(), loop()] }),
);
process.on('message', async ({ way, file }) => {
  if (!way) return;
  const begun = performance.now();
  try {
    const result = await ways[way](file);
    const totalMs = performance.now() - begun;
    process.send({ totalMs, result });
  } catch (error) {
    process.send({
      totalMs: performance.now() - begun,
      error: `${error.code}: ${error.message}`,
    });
  }
});
process.on('message', ({ again }) => again && process.send({ loop: [loop(), loop(), loop()] }));
process.on('disconnect', () => process.exit());
