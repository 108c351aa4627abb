'use strict';

// The one way to stderr from JavaScript. `process.stderr.write` on a stream that nobody reads any more becomes an 'error'
// event without a listener, which ends the service (a Console of Node's own catches the first such event only).

const { writeSync } = require('node:fs');

/** Writes a line to stderr. Where that is closed, or has no room for it now, nobody is told. */
function say(line) {
  try {
    writeSync(2, `${line}\n`);
  } catch {
    // EPIPE, EAGAIN, EBADF.
  }
}

module.exports = { say };
