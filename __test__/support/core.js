'use strict';

// Writes the core of a process that stands still: what gcore does, without a debugger. The process must be a child
// of this one, and every thread's stack pointer is known because each of them waits in a system call.

const {
  closeSync,
  ftruncateSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  writeSync,
} = require('node:fs');

const page = 4096;
const notes = { prstatus: 1, prpsinfo: 3, auxv: 6, file: 0x46494c45 };

/** The mappings of a process that a core has: readable, and neither the kernel's own nor of a device. */
function mappings(pid) {
  const line = /^([0-9a-f]+)-([0-9a-f]+) (....) ([0-9a-f]+) \S+ (\d+)\s*(.*)$/;
  return readFileSync(`/proc/${pid}/maps`, 'utf8')
    .split('\n')
    .map((text) => line.exec(text))
    .filter(Boolean)
    .map(([, start, end, permissions, offset, inode, name]) => ({
      start: BigInt(`0x${start}`),
      end: BigInt(`0x${end}`),
      readable: permissions[0] === 'r',
      writable: permissions[1] === 'w',
      executable: permissions[2] === 'x',
      offset: BigInt(`0x${offset}`),
      file: inode === '0' ? undefined : name,
      name,
    }))
    .filter(({ name }) => !name.startsWith('[v'));
}

function note(type, description) {
  const head = Buffer.alloc(12 + 8);
  head.writeUInt32LE(5, 0);
  head.writeUInt32LE(description.length, 4);
  head.writeUInt32LE(type, 8);
  head.write('CORE\0', 12, 'latin1');
  return Buffer.concat([head, description, Buffer.alloc((4 - (description.length % 4)) % 4)]);
}

/** What a thread is doing, as soon as it is what is waited for. */
function awaitThread(pid, tid, wanted) {
  const cell = new Int32Array(new SharedArrayBuffer(4));
  for (let tries = 0; tries < 2000; tries++) {
    const words = readFileSync(`/proc/${pid}/task/${tid}/syscall`, 'utf8').trim().split(' ');
    if (wanted(words)) return words;
    Atomics.wait(cell, 0, 0, 5);
  }
  throw new Error(`thread ${tid} of process ${pid} doesn't come to rest`);
}

/** Returns when the main thread waits in a futex, which is where Atomics.wait takes it. */
function awaitFutex(pid) {
  const futex = process.arch === 'arm64' ? '98' : '202';
  awaitThread(pid, pid, ([call]) => call === futex);
}

/** elf_prstatus of a thread: its id and its stack and instruction pointers. */
function threadStatus(pid, tid) {
  const status = Buffer.alloc(336);
  status.writeUInt32LE(tid, 32);
  const words = awaitThread(pid, tid, ([call]) => call !== 'running');
  const [stack, instruction] = words.slice(-2);
  const [ip, sp] = process.arch === 'arm64' ? [32, 31] : [16, 19];
  status.writeBigUInt64LE(BigInt(instruction), 112 + 8 * ip);
  status.writeBigUInt64LE(BigInt(stack), 112 + 8 * sp);
  return note(notes.prstatus, status);
}

function fileTable(all) {
  const files = all.filter((mapping) => mapping.file);
  const table = Buffer.alloc(16 + 24 * files.length);
  table.writeBigUInt64LE(BigInt(files.length), 0);
  table.writeBigUInt64LE(BigInt(page), 8);
  files.forEach(({ start, end, offset }, index) => {
    [start, end, offset / BigInt(page)].forEach((value, field) => {
      table.writeBigUInt64LE(value, 16 + 24 * index + 8 * field);
    });
  });
  return note(notes.file, Buffer.concat([table, Buffer.from(files.map(({ file }) => `${file}\0`).join(''))]));
}

function allNotes(pid, all) {
  const process_ = Buffer.alloc(136);
  process_.writeUInt32LE(pid, 24);
  const threads = readdirSync(`/proc/${pid}/task`).map(Number);
  return Buffer.concat([
    ...threads.map((tid) => threadStatus(pid, tid)),
    note(notes.prpsinfo, process_),
    note(notes.auxv, readFileSync(`/proc/${pid}/auxv`)),
    fileTable(all),
  ]);
}

/** Bytes of a mapping that the core has: of a file that nobody wrote to only the first page, as from the kernel. */
function dumped({ start, end, readable, writable, file }) {
  if (!readable) return 0;
  return file && !writable ? page : Number(end - start);
}

/** Stops the process, which stays so, and writes its core; pages of zeros become holes. */
function writeCore(pid, path) {
  process.kill(pid, 'SIGSTOP');
  const all = mappings(pid);
  const noteBytes = allNotes(pid, all);
  const headers = Buffer.alloc(64 + 56 * (all.length + 1));
  headers.write('\x7fELF\x02\x01\x01', 0, 'latin1');
  headers.writeUInt16LE(4, 16); // ET_CORE
  headers.writeUInt16LE(process.arch === 'arm64' ? 183 : 62, 18);
  headers.writeUInt32LE(1, 20);
  headers.writeBigUInt64LE(64n, 32);
  headers.writeUInt16LE(64, 52);
  headers.writeUInt16LE(56, 54);
  headers.writeUInt16LE(all.length + 1, 56);
  const segment = (index, type, flags, offset, address, inFile, inMemory) => {
    const at = 64 + 56 * index;
    headers.writeUInt32LE(type, at);
    headers.writeUInt32LE(flags, at + 4);
    [offset, address, 0, inFile, inMemory, type === 1 ? page : 4].forEach((value, field) => {
      headers.writeBigUInt64LE(BigInt(value), at + 8 + 8 * field);
    });
  };
  segment(0, 4, 0, headers.length, 0, noteBytes.length, 0);
  const out = openSync(path, 'w', 0o600);
  const memory = openSync(`/proc/${pid}/mem`, 'r');
  let offset = Math.ceil((headers.length + noteBytes.length) / page) * page;
  const buffer = Buffer.alloc(1 << 16);
  const zeros = Buffer.alloc(buffer.length);
  all.forEach((mapping, index) => {
    const size = dumped(mapping);
    const flags = (mapping.readable ? 4 : 0) | (mapping.writable ? 2 : 0) | (mapping.executable ? 1 : 0);
    segment(index + 1, 1, flags, offset, mapping.start, size, mapping.end - mapping.start);
    for (let at = 0; at < size; at += buffer.length) {
      const length = Math.min(buffer.length, size - at);
      let read;
      try {
        read = readSync(memory, buffer, 0, length, mapping.start + BigInt(at));
      } catch {
        continue; // a page that has nothing behind it
      }
      const part = buffer.subarray(0, read);
      if (!part.equals(zeros.subarray(0, read))) writeSync(out, part, 0, read, offset + at);
    }
    offset += size;
  });
  ftruncateSync(out, offset);
  writeSync(out, headers, 0, headers.length, 0);
  writeSync(out, noteBytes, 0, noteBytes.length, headers.length);
  closeSync(memory);
  closeSync(out);
}

module.exports = { awaitFutex, writeCore };
