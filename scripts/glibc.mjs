// Which glibc a binary needs at least: the newest symbol version that it names, from its section .gnu.version_r.
//
//   node scripts/glibc.mjs FILE…     prints `VERSION FILE` lines

import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const SHT_GNU_VERNEED = 0x6ffffffe;

function* sections(bytes) {
  const table = Number(bytes.readBigUInt64LE(0x28));
  const [size, count] = [bytes.readUInt16LE(0x3a), bytes.readUInt16LE(0x3c)];
  for (let n = 0; n < count; n++) {
    const at = table + n * size;
    yield {
      type: bytes.readUInt32LE(at + 4),
      offset: Number(bytes.readBigUInt64LE(at + 24)),
      link: bytes.readUInt32LE(at + 40),
      info: bytes.readUInt32LE(at + 44),
    };
  }
}

/** Every symbol version that a 64-bit little-endian ELF file asks for, such as `GLIBC_2.17`. */
export function versionsNeeded(bytes) {
  if (bytes.readUInt32BE(0) !== 0x7f454c46 || bytes[4] !== 2 || bytes[5] !== 1) {
    throw new Error('not a 64-bit little-endian ELF file');
  }
  const all = [...sections(bytes)];
  const needed = all.find(({ type }) => type === SHT_GNU_VERNEED);
  if (needed === undefined) return [];
  const strings = all[needed.link].offset;
  const text = (at) => bytes.toString('latin1', strings + at, bytes.indexOf(0, strings + at));
  const names = [];
  // Elf64_Verneed: version, cnt, file, aux, next; Elf64_Vernaux: hash, flags, other, name, next.
  for (let n = 0, at = needed.offset; n < needed.info; n++, at += bytes.readUInt32LE(at + 12)) {
    const count = bytes.readUInt16LE(at + 2);
    for (
      let m = 0, aux = at + bytes.readUInt32LE(at + 8);
      m < count;
      m++, aux += bytes.readUInt32LE(aux + 12)
    ) {
      names.push(text(bytes.readUInt32LE(aux + 8)));
    }
  }
  return names;
}

/** `2.28` for a file that needs glibc 2.28; `0` for one that needs none. */
export function glibcNeeded(file) {
  const versions = versionsNeeded(readFileSync(file))
    .map((name) => /^GLIBC_(\d.*)$/.exec(name)?.[1])
    .filter((version) => version !== undefined);
  return versions.sort((a, b) => a.localeCompare(b, 'en', { numeric: true })).pop() ?? '0';
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  for (const file of process.argv.slice(2)) console.log(glibcNeeded(file), file);
}
