'use strict';

/** An Error with a code. */
function failure(code, message, cause) {
  const error = new Error(message, cause === undefined ? undefined : { cause });
  error.code = code;
  return error;
}

/** The Error for what the addon says of a failure: code, errno, syscall and path as Node's own have them. */
function fromNative({ message, code, errno, syscall, path, report, reportBytes }) {
  const error = failure(code, message);
  if (errno !== undefined) error.errno = -errno;
  if (syscall !== undefined) error.syscall = syscall;
  if (path !== undefined) error.path = path;
  if (report) error.report = report;
  if (reportBytes) error.reportBytes = Buffer.from(reportBytes, 'hex');
  // As Node's own errors of this code have it.
  if (code === 'ERR_ACCESS_DENIED') Object.assign(error, { permission: 'FileSystemWrite', resource: path });
  return error;
}

/** For what can't be done here. */
function unavailable(what, reason) {
  return failure('ERR_STILLHEAP_UNSUPPORTED', `${what}: ${reason}`);
}

function given(value) {
  const { inspect } = require('node:util');
  return inspect(value, { depth: 0, maxStringLength: 60, breakLength: Number.POSITIVE_INFINITY });
}

/** A TypeError for a value of the wrong type. */
function wrongType(name, expected, value) {
  const error = new TypeError(`${name} must be ${expected}; given: ${given(value)}`);
  error.code = 'ERR_INVALID_ARG_TYPE';
  return error;
}

/** A TypeError for a value of the right type that can't be meant. */
function wrongValue(name, expected, value) {
  const error = new TypeError(`${name} must be ${expected}; given: ${given(value)}`);
  error.code = 'ERR_INVALID_ARG_VALUE';
  return error;
}

module.exports = { failure, fromNative, unavailable, wrongType, wrongValue };
