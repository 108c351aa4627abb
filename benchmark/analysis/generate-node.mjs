// Makes a real heap snapshot of about a given size: class instances, maps, closures, linked lists and strings.
//   node generate-node.mjs --size 300MB --out FILE [--after FILE2]
// With --after the same process leaks a tenth more and writes a second snapshot, so that ids match.
// Beside each file goes FILE.expected.json with what is known by construction.
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { fileURLToPath } from 'node:url';
import v8 from 'node:v8';

const { values } = parseArgs({
  options: {
    size: { type: 'string' },
    out: { type: 'string' },
    after: { type: 'string' },
    child: { type: 'boolean' },
  },
});

// Bytes of snapshot per unit below and of an empty process, measured on Node 20 (other versions differ by a tenth).
const BYTES_PER_UNIT = 1560;
const BYTES_EMPTY = 4.6e6;

class PlantedRecord {
  constructor(i) {
    this.payload = { serial: i + 0.5, tag: `planted record ${i}` };
  }
}
class Address {
  constructor(i) {
    this.street = `${i} Elm Street`;
    this.city = CITIES[i % CITIES.length];
  }
}
class User {
  constructor(i) {
    this.name = `user-${i}`;
    this.address = new Address(i);
    this.visits = i * 1.25;
    this.tags = [i, `tag${i % 97}`];
  }
}
class ListNode {
  constructor(next, value) {
    this.next = next;
    this.value = value;
  }
}
const CITIES = ['Lisbon', 'Oslo', 'Quito', 'Hanoi', 'Accra'];

class Store {
  users = [];
  records = [];
  handlers = [];
  caches = [];
  list = null;
  texts = [];
  add(from, to) {
    for (let i = from; i < to; i++) {
      this.users.push(new User(i));
      if (i % 4 === 0) this.records.push(new PlantedRecord(i));
      const connection = { id: i, open: i % 3 === 0, peer: null };
      this.handlers.push(() => connection.id + i);
      this.list = new ListNode(this.list, i);
      if (i % 8 === 0)
        this.caches.push(
          new Map([
            [`k${i}`, { hits: i }],
            [`l${i}`, i],
            [{}, 'object key'],
          ]),
        );
      if (i % 16 === 0) this.caches.push(new Set([`s${i}`, this.users[i]]));
      this.texts.push(`line ${i}: ${'lorem ipsum "dolor"\n'.repeat(1 + (i & 3))}${i}`);
      if (i % 32 === 0) this.texts.push(new Uint8Array(64), new WeakRef(connection), /re+gexp/);
    }
    return this;
  }
}

function write(file, units, before) {
  v8.writeHeapSnapshot(file);
  const count = Math.ceil(units / 4);
  const planted = {
    class: 'PlantedRecord',
    count,
    added: before ? count - Math.ceil(before / 4) : 0,
    removed: 0,
  };
  writeFileSync(`${file}.expected.json`, `${JSON.stringify({ planted })}\n`);
}

const megabytes = /^(\d+)MB$/.exec(values.size ?? '');
if (!megabytes || !values.out) {
  console.error('usage: generate-node.mjs --size 300MB --out FILE [--after FILE2]');
  process.exit(2);
}
if (!values.child) {
  // A child of its own: the heap limit must be given when a process starts.
  const args = [
    '--max-old-space-size=16000',
    fileURLToPath(import.meta.url),
    ...process.argv.slice(2),
    '--child',
  ];
  process.exit(spawnSync(process.execPath, args, { stdio: 'inherit' }).status ?? 1);
}
const units = Math.max(8, Math.round((megabytes[1] * 1e6 - BYTES_EMPTY) / BYTES_PER_UNIT));
globalThis.store = new Store().add(0, units);
write(values.out, units);
if (values.after) {
  const grown = units + Math.ceil(units / 10);
  globalThis.store.add(units, grown).users.length = grown - 100;
  write(values.after, grown, units);
}
