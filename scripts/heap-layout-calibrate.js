// Run by scripts/heap-layout.mjs in the Node that is to be learned, with --allow-natives-syntax and the number of
// MAP_TYPE: finds the maps in its own memory, one of each instance type, and has V8 print them. Words that only
// look like a map may end the process; what was printed before is what counts.
const fs = require('node:fs');

// The natives syntax is no JavaScript to other tools.
const print = new Function('address', '%DebugPrintPtr(address)');
const mapType = Number(process.argv[2]);
// Objects whose maps exist only once there is an object.
globalThis.kept = [
  new Map().entries(),
  new Set().values(),
  [].values(),
  new Float64Array(1),
  new DataView(new ArrayBuffer(8)),
  (function* () {})(),
  (async function* () {})(),
  (async () => {})(),
  new Proxy({}, {}),
  new WeakRef({}),
  new FinalizationRegistry(() => {}),
  new Intl.NumberFormat(),
  new Intl.DateTimeFormat(),
  'x'[Symbol.iterator](),
  /a/g[Symbol.matchAll]('a'),
  new SharedArrayBuffer(8),
  (function () {
    // biome-ignore lint/complexity/noArguments: an arguments object is what is wanted
    return arguments;
  })(1),
  class {},
  Object(1n),
  import('node:fs'),
  10n ** 50n,
];

const fd = fs.openSync('/proc/self/mem', 'r');
const ranges = fs
  .readFileSync('/proc/self/maps', 'utf8')
  .split('\n')
  .map((line) => /^([0-9a-f]+)-([0-9a-f]+) r\S+ \S+ \S+ \S+$/.exec(line.trim()))
  .filter(Boolean)
  .map(([, start, end]) => ({ start: BigInt(`0x${start}`), end: BigInt(`0x${end}`) }))
  .filter(({ start, end }) => start % 0x40000n === 0n && end - start <= 0x100000n && start < 0x7e0000000000n);

const metaMaps = new Set();
const pages = [];
for (const { start, end } of ranges) {
  const bytes = Buffer.alloc(Number(end - start));
  try {
    fs.readSync(fd, bytes, 0, bytes.length, start);
  } catch {
    continue;
  }
  const words = new BigUint64Array(bytes.buffer, bytes.byteOffset, bytes.length >> 3);
  pages.push({ start, bytes, words });
  for (let i = 0; i + 9 < words.length; i++) {
    const own = start + BigInt(i * 8) + 1n;
    if (words[i] === own && bytes.readUInt16LE(i * 8 + 12) === mapType) metaMaps.add(own);
  }
}
const found = new Map();
for (const { start, bytes, words } of pages) {
  for (let i = 0; i + 9 < words.length; i++) {
    if (!metaMaps.has(words[i])) continue;
    const type = bytes.readUInt16LE(i * 8 + 12);
    if (!found.has(type)) found.set(type, start + BigInt(i * 8));
  }
}
for (const [type, address] of [...found].sort(([a], [b]) => a - b)) {
  fs.writeSync(1, `@@ ${type}\n`);
  print(Number(address) + 1);
}
