'use strict';

// What is particular to heapdump's function writeSnapshot([filename][, callback]).

const { failure, wrongType } = require('./errors.js');
const { textPath } = require('./checks.js');

/** Both arguments are optional; everything else is refused before anything is written. */
function checkArguments(filename, callback) {
  if (typeof filename === 'function' && callback === undefined) {
    return { filename: undefined, callback: filename };
  }
  if (callback !== undefined && callback !== null && typeof callback !== 'function') {
    throw wrongType('The argument callback of writeSnapshot', 'a function', callback);
  }
  const name =
    filename === undefined || filename === null
      ? undefined
      : // As heapdump, which knew texts only.
        textPath('The argument filename of writeSnapshot', filename);
  return { filename: name, callback: callback ?? undefined };
}

/** heapdump's message, with what it left out. */
function outcomeToError({ message, code, errno, syscall, path: file }) {
  const detail = message.startsWith(`${code}: `) ? message : `${code}: ${message}`;
  const error = failure(code, `heapdump write error ${detail}`);
  if (errno !== undefined) error.errno = errno > 0 ? -errno : errno;
  if (syscall !== undefined) error.syscall = syscall;
  if (file !== undefined) error.path = file;
  return error;
}

module.exports = { checkArguments, outcomeToError };
