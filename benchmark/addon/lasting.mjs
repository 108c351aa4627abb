// The lasting slow-down: how fast a loop that allocates much is after a snapshot, against the same loop before
// it, in the same process. V8 goes on following every object that moves once it has given ids, unless they
// are cleared (keepObjectIds: false, the default).
//
//   node benchmark/addon/lasting.mjs [processes per row, default 3]
//   HEAPDUMP=/path/to/node_modules/heapdump   adds the package heapdump, where it can be loaded

import { binaries, measure, median, record, root } from './support.mjs';

const processes = Number(process.argv[2] ?? 3);

const ways = {
  'nothing at all': '',
  'stillheap, default': 'await require(ROOT).capture({ file, overwrite: true });',
  'stillheap, keepObjectIds': 'await require(ROOT).capture({ file, overwrite: true, keepObjectIds: true });',
  'kept, then a default one':
    'const s = require(ROOT); await s.capture({ file, overwrite: true, keepObjectIds: true }); await s.capture({ file, overwrite: true });',
  'v8.writeHeapSnapshot': "require('node:v8').writeHeapSnapshot(file);",
};
if (process.env.HEAPDUMP) {
  ways.heapdump = 'require(process.env.HEAPDUMP).writeSnapshot(file);';
}

const probe = (way) => `
  const file = require('node:path').join(require('node:os').tmpdir(), 'stillheap-lasting.heapsnapshot');
  const ROOT = ${JSON.stringify(root)};
  // Survivors that move twice, as a service's do: a window of 200,000 objects over all that is made.
  const ring = new Array(2e5);
  let at = 0;
  const loop = () => {
    const begun = performance.now();
    for (let n = 0; n < 1.5e6; n++) {
      ring[at] = { n, next: ring[at === 0 ? 199999 : at - 1] ? 1 : 0, list: [n] };
      at = at === 199999 ? 0 : at + 1;
    }
    return performance.now() - begun;
  };
  (async () => {
    loop();
    const before = [loop(), loop(), loop()];
    ${way}
    loop();
    const after = [loop(), loop(), loop()];
    require('node:fs').rmSync(file, { force: true });
    console.log(JSON.stringify({ before, after }));
  })();`;

const rows = [];
const data = {};
for (const { major, binary } of binaries()) {
  const cells = [`Node ${major}`];
  data[major] = {};
  for (const [name, way] of Object.entries(ways)) {
    let cell = '-';
    try {
      const ratios = [];
      for (let n = 0; n < processes; n++) {
        const { before, after } = measure(binary, probe(way));
        ratios.push(median(after) / median(before));
      }
      data[major][name] = ratios;
      cell = `${median(ratios).toFixed(2)}×`;
    } catch (error) {
      data[major][name] = String(error.message).split('\n')[0];
    }
    cells.push(cell);
  }
  rows.push(cells);
}
record('addon-lasting', 'Allocation after a snapshot, against before', {
  explanation:
    `The time of a loop that allocates 3 million objects of which the last 400,000 survive, after the snapshot ` +
    `as a multiple of the time before it in the same process; the median of ${processes} processes. 1.00× means ` +
    `that nothing is left of the snapshot.`,
  columns: ['', ...Object.keys(ways)],
  rows,
  data,
});
