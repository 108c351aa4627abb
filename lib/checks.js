'use strict';

// Checks of what callers hand over. Each takes the option's name, for the message, and the value, and returns the
// value in the form that is used from then on, or throws a TypeError.

const { wrongType, wrongValue } = require('./errors.js');

function string(name, value) {
  if (typeof value !== 'string') throw wrongType(name, 'a string', value);
  if (value === '') throw wrongValue(name, 'a string that is not empty', value);
  if (value.includes('\0')) throw wrongValue(name, 'a string without NUL bytes', value);
  return value;
}

/** A path that may not be UTF-8; a string if it is. */
function bytes(name, value) {
  const text = value.toString();
  string(name, text);
  return Buffer.from(text).equals(value) ? text : value;
}

function path(name, value) {
  if (value instanceof URL) {
    if (value.protocol !== 'file:') throw wrongValue(name, "a path or a 'file:' URL", value);
    return require('node:url').fileURLToPath(value);
  }
  if (Buffer.isBuffer(value)) return bytes(name, value);
  if (typeof value !== 'string') throw wrongType(name, "a string, a Buffer or a 'file:' URL", value);
  return string(name, value);
}

/** A path where bytes that are not UTF-8 are not taken. */
function textPath(name, value) {
  if (typeof value !== 'string' && !(value instanceof URL))
    throw wrongType(name, "a string or a 'file:' URL", value);
  return path(name, value);
}

function boolean(name, value) {
  if (typeof value !== 'boolean') throw wrongType(name, 'a boolean', value);
  return value;
}

/** A positive whole number of something. */
function amount(of) {
  return (name, value) => {
    if (typeof value !== 'number') throw wrongType(name, `a number of ${of}`, value);
    if (!Number.isSafeInteger(value) || value <= 0) {
      throw wrongValue(name, `a positive whole number of ${of}`, value);
    }
    return value;
  };
}

function oneOf(choices) {
  const words = choices.map((choice) => `'${choice}'`).join(', ');
  return (name, value) => {
    if (typeof value !== 'string') throw wrongType(name, `one of ${words}`, value);
    if (!choices.includes(value)) throw wrongValue(name, `one of ${words}`, value);
    return value;
  };
}

function callback(name, value) {
  if (typeof value !== 'function') throw wrongType(name, 'a function', value);
  return value;
}

function abortSignal(name, value) {
  if (typeof value !== 'object' || value === null || typeof value.aborted !== 'boolean') {
    throw wrongType(name, 'an AbortSignal', value);
  }
  return value;
}

/** A copy of `options` with every value checked; undefined ones are left out. */
function check(options, kinds, where) {
  if (options === undefined) return {};
  if (options === null || typeof options !== 'object' || Array.isArray(options)) {
    throw wrongType(where, 'an object', options);
  }
  const checked = {};
  for (const name of Object.keys(options)) {
    const kind = Object.hasOwn(kinds, name) ? kinds[name] : undefined;
    if (kind === undefined) {
      throw wrongValue(where, `an object whose keys are among ${Object.keys(kinds).join(', ')}`, options);
    }
    if (options[name] !== undefined) checked[name] = kind(`The option '${name}'`, options[name]);
  }
  return checked;
}

module.exports = { abortSignal, amount, boolean, callback, check, oneOf, path, string, textPath };
