'use strict';

// Drives a program of the gallery as traffic drives a service: calls its work again and again, and at three
// moments has stillheap capture the heap. Everything is counted, nothing is timed: a program's heap at its
// second moment is the same in every run.
//
//   node gallery/leaks/NAME.js                                     shows how its memory grows
//   GALLERY_DIRECTORY=DIR node gallery/leaks/NAME.js               writes DIR/{1,2,3}.heapsnapshot
//
// GALLERY_MODE: inline (the default), fork, gcore: then the files are cores that gdb's gcore writes, or both: at the last
// moment, DIR/own and DIR/v8 get what the two engines of forked captures make of one heap.
// GALLERY_OBJECT_IDS=keep: with ids, for tools that match by them.

const { spawnSync } = require('node:child_process');
const { renameSync } = require('node:fs');
const path = require('node:path');
const { captureBoth } = require('../../__test__/support/both.js');
const stillheap = require('../..');

const moments = 3;
const engines = ['own', 'v8'];

/**
 * Calls `work(n)` for n = 0, 1, 2, …, `warmUp` times before the first moment and `calls` times before each of
 * the others; then ends the process. What `work` returns is awaited.
 */
async function traffic(work, { warmUp = 100, calls = 300 } = {}) {
  let n = 0;
  for (let moment = 1; moment <= moments; moment += 1) {
    for (const end = n + (moment === 1 ? warmUp : calls); n < end; n += 1) {
      await work(n);
      if (n % 20 === 0) await new Promise(setImmediate);
    }
    await look(moment);
  }
  process.exit();
}

async function look(moment) {
  const directory = process.env.GALLERY_DIRECTORY;
  const { rss, heapUsed } = process.memoryUsage();
  process.stdout.write(
    `moment ${moment}: heap ${(heapUsed / 1e6).toFixed(1)} MB, RSS ${(rss / 1e6).toFixed(1)} MB\n`,
  );
  if (directory === undefined) return;
  if (process.env.GALLERY_MODE === 'both') {
    // The first ones bring code and strings into the heap that stay there.
    if (moment === moments - 1) captureBoth(stillheap, path.join(directory, 'warm'), engines);
    if (moment === moments) captureBoth(stillheap, directory, engines);
    return;
  }
  if (process.env.GALLERY_MODE === 'gcore') return writeCore(path.join(directory, `${moment}.heapsnapshot`));
  await stillheap.capture({
    file: path.join(directory, `${moment}.heapsnapshot`),
    mode: process.env.GALLERY_MODE ?? 'inline',
    keepObjectIds: process.env.GALLERY_OBJECT_IDS === 'keep',
    overwrite: true,
  });
}

/** A core file of this process, written by a debugger. The process waits for it. */
function writeCore(file) {
  const { status, error, stderr } = spawnSync('gcore', ['-o', file, process.pid], { encoding: 'utf8' });
  if (status !== 0) throw new Error(`gcore (package gdb): ${error?.message ?? stderr}`);
  renameSync(`${file}.${process.pid}`, file);
}

function start(work, options) {
  traffic(work, options).catch((error) => {
    console.error(error);
    process.exit(1);
  });
}

module.exports = { traffic: start };
