// Writes the tables by which crates/heap reads V8's memory: one file per V8 major.minor under crates/heap/layouts.
//
//   node scripts/heap-layout.mjs                     the releases that the tests use (scripts/node-versions.mjs)
//   node scripts/heap-layout.mjs /path/to/bin/node   this one: a new file, or one more build of a known V8
//
// A table has V8's own debugging constants (the symbols v8dbg_* of the binary), the numbers of all instance types
// (which the symbols tell only in part, so a calibration asks V8 itself through %DebugPrintPtr), and a key: a hash
// of all constants. A binary with another key is refused, so a table can't be used for a layout that it is not of.
// The build ids let a core file be read where its binary is gone.

import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { nodeBinary, supported } from './node-versions.mjs';
import { root } from './setup.mjs';

const directory = path.join(root, 'crates/heap/layouts');
const calibration = path.join(path.dirname(fileURLToPath(import.meta.url)), 'heap-layout-calibrate.js');

/** A 64-bit little-endian ELF file: its dynamic symbols and its build id. */
function readElf(file) {
  const bytes = readFileSync(file);
  const number = (at) => Number(bytes.readBigUInt64LE(at));
  if (bytes.toString('latin1', 0, 6) !== '\x7fELF\x02\x01') throw new Error(`${file} is no 64-bit ELF file.`);
  const sections = [];
  const table = number(0x28);
  const width = bytes.readUInt16LE(0x3a);
  for (let index = 0; index < bytes.readUInt16LE(0x3c); index++) {
    const at = table + index * width;
    sections.push({
      type: bytes.readUInt32LE(at + 4),
      address: number(at + 0x10),
      offset: number(at + 0x18),
      size: number(at + 0x20),
      link: bytes.readUInt32LE(at + 0x28),
    });
  }
  const noBits = 8;
  const valueAt = (address, size) => {
    const section = sections.find(
      (s) => s.address <= address && address + size <= s.address + s.size && s.address,
    );
    if (!section) return undefined;
    if (section.type === noBits) return 0;
    const at = section.offset + (address - section.address);
    if (size === 1) return bytes.readInt8(at);
    if (size === 4) return bytes.readInt32LE(at);
    return Number(bytes.readBigInt64LE(at));
  };
  const dynamic = sections.find((s) => s.type === 11);
  if (!dynamic) throw new Error(`${file} has no dynamic symbols.`);
  const names = sections[dynamic.link];
  const constants = {};
  for (let at = dynamic.offset; at < dynamic.offset + dynamic.size; at += 24) {
    const start = names.offset + bytes.readUInt32LE(at);
    if (bytes.toString('latin1', start, start + 6) !== 'v8dbg_') continue;
    const name = bytes.toString('latin1', start + 6, bytes.indexOf(0, start));
    const size = number(at + 16);
    const value = [1, 4, 8].includes(size) ? valueAt(number(at + 8), size) : undefined;
    if (value !== undefined) constants[name] = value;
  }
  let buildId;
  for (const section of sections.filter((s) => s.type === 7)) {
    let at = section.offset;
    while (at < section.offset + section.size) {
      const [nameSize, size, type] = [0, 4, 8].map((k) => bytes.readUInt32LE(at + k));
      const start = at + 12 + ((nameSize + 3) & ~3);
      if (type === 3 && bytes.toString('latin1', at + 12, at + 15) === 'GNU') {
        buildId = bytes.toString('hex', start, start + size);
      }
      at = start + ((size + 3) & ~3);
    }
  }
  return { constants, buildId };
}

/** FNV-1a, 64 bits, over `name=value` lines in the order of the names; crates/heap computes the same. */
function keyOf(constants) {
  let hash = 0xcbf29ce484222325n;
  for (const name of Object.keys(constants).sort()) {
    for (const byte of Buffer.from(`${name}=${constants[name]}\n`)) {
      hash = BigInt.asUintN(64, (hash ^ BigInt(byte)) * 0x100000001b3n);
    }
  }
  return hash.toString(16).padStart(16, '0');
}

/** Every instance type of which a map was found, as V8 names it; what the symbols tell goes first. */
function instanceTypes(binary, constants) {
  const types = {};
  const mapType = constants.type_Map__MAP_TYPE;
  const { stdout } = spawnSync(binary, ['--allow-natives-syntax', calibration, String(mapType)], {
    encoding: 'latin1',
    maxBuffer: 1 << 28,
    timeout: 120_000,
  });
  let current;
  for (const line of (stdout ?? '').split('\n')) {
    const number = /^@@ (\d+)$/.exec(line);
    if (number) current = Number(number[1]);
    const name = /^ - type: (\w+)_TYPE$/.exec(line);
    // V8's instance types end below 4096.
    if (name && current !== undefined && current < 4096) {
      types[current] ??= name[1];
      current = undefined;
    }
  }
  const asked = Object.keys(types).length;
  if (asked < 150)
    throw new Error(`${binary}: only ${asked} instance types were told; is %DebugPrintPtr there?`);
  for (const [name, value] of Object.entries(constants)) {
    const type = /^type_\w+?__(\w+)_TYPE$/.exec(name);
    // V8 calls a DependentCode by the type it shares with WeakArrayList.
    if (type && type[1] !== 'DEPENDENT_CODE') types[value] = type[1];
  }
  types[constants.APIObjectType] = 'JS_API_OBJECT';
  // Words that look like a map and are none give numbers that name a type that has another number already.
  for (const [number, name] of Object.entries(types)) {
    const other =
      constants[Object.keys(constants).find((k) => k.endsWith(`__${name}_TYPE`) && k.startsWith('type_'))];
    if (other !== undefined && Number(number) !== other) delete types[number];
  }
  return types;
}

/** The table of one binary, merged into that of its V8. */
function update(binary) {
  const versions = JSON.parse(
    spawnSync(binary, ['-p', 'JSON.stringify(process.versions)'], { encoding: 'utf8' }).stdout,
  );
  const v8 = versions.v8.split('.').slice(0, 2).join('.');
  const file = path.join(directory, `v8-${v8}.json`);
  const { constants, buildId } = readElf(binary);
  const key = keyOf(constants);
  const old = existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : undefined;
  const types = instanceTypes(binary, constants);
  const table = old ?? { v8, keys: [], builds: {}, types, constants };
  // Another key of one V8 is accepted only where what it has agrees with the table.
  for (const [name, value] of Object.entries(constants)) {
    if (name in table.constants && table.constants[name] !== value) {
      throw new Error(`${binary}: ${name} is ${value}, in ${file} it is ${table.constants[name]}.`);
    }
  }
  for (const [number, name] of Object.entries(types)) {
    if (table.types[number] !== undefined && table.types[number] !== name) {
      throw new Error(`${binary}: type ${number} is ${name}, in ${file} it is ${table.types[number]}.`);
    }
    table.types[number] = name;
  }
  if (!table.keys.includes(key)) table.keys.push(key);
  if (buildId) table.builds[buildId] = versions.node;
  const sorted = (object) => Object.fromEntries(Object.entries(object).sort(([a], [b]) => (a < b ? -1 : 1)));
  const out = { ...table, builds: sorted(table.builds), constants: sorted(table.constants) };
  writeFileSync(file, JSON.stringify(out));
  // In the form that the check of formats asks for.
  const biome = path.join(root, 'node_modules/@biomejs/biome/bin/biome');
  const { status, stderr } = spawnSync(process.execPath, [biome, 'format', '--write', file], {
    encoding: 'utf8',
  });
  if (status !== 0) throw new Error(`${file} could not be formatted: ${stderr}`);
  console.log(
    `Node ${versions.node}, V8 ${v8}: key ${key}, ${Object.keys(types).length} types → ${path.relative(root, file)}`,
  );
}

const asked = process.argv.slice(2);
for (const binary of asked.length > 0 ? asked : supported.map(nodeBinary)) update(binary);
