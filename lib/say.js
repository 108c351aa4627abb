'use strict';

// Lines from JavaScript, to streams that nobody may read any more. A stream that has lost its reader emits 'error', which
// ends the service unless somebody listens. A write to a full pipe waits for the reader, unless the descriptor does not
// block.

const { fstatSync, writeSync } = require('node:fs');

/** What a stream may hold back while its reader does not read, in bytes. */
const mostHeldBack = 65_536;

/** Writes a line to one of the process's streams. Nothing happens if its reader has gone. */
function print(stream, line) {
  if (stream.writableLength > mostHeldBack) return;
  const ignore = () => {};
  stream.once('error', ignore);
  stream.write(`${line}\n`, (error) => {
    if (!error) stream.off('error', ignore);
  });
}

/** The addon, if it can be loaded. */
function addon() {
  try {
    return require('./native.js');
  } catch {
    return undefined;
  }
}

/**
 * Writes a line to stderr, and never waits for who reads it. Where stderr is closed, nobody is told.
 *
 * The addon asks whether there is room. Without it, a pipe is left to `process.stderr`, which makes the descriptor
 * non-blocking for all processes that share it. Node does the same when a program uses its console.
 */
function say(line) {
  try {
    const native = addon();
    if (native) native.say(line);
    else if (mayBeFull(fstatSync(2))) print(process.stderr, line);
    else writeSync(2, `${line}\n`);
  } catch {
    // EPIPE, EAGAIN, EBADF.
  }
}

function mayBeFull(stat) {
  return stat.isFIFO() || stat.isSocket();
}

module.exports = { print, say };
