'use strict';

// Checks options and reads the environment. Everything is checked before anything is done.

const { constants } = require('node:os');
const { wrongType, wrongValue } = require('./errors.js');

const compressions = ['none', 'gzip', 'zstd'];
const modes = ['auto', 'inline', 'fork'];
const scratches = ['memory', 'disk', 'auto'];
const threadChoices = ['main', 'all'];
const fallbacks = ['none', 'inline'];

/** Signals whose default or use by the runtime leaves room for a handler of ours. */
const usableSignals = [
  'SIGUSR2',
  'SIGUSR1',
  'SIGHUP',
  'SIGQUIT',
  'SIGWINCH',
  'SIGURG',
  'SIGIO',
  'SIGPWR',
  'SIGALRM',
];

function string(name, value) {
  if (typeof value !== 'string') throw wrongType(name, 'a string', value);
  if (value === '') throw wrongValue(name, 'a string that is not empty', value);
  if (value.includes('\0')) throw wrongValue(name, 'a string without NUL bytes', value);
  return value;
}

function path(name, value) {
  if (value instanceof URL) {
    if (value.protocol !== 'file:') throw wrongValue(name, "a path or a 'file:' URL", value);
    return require('node:url').fileURLToPath(value);
  }
  if (typeof value !== 'string') throw wrongType(name, "a string or a 'file:' URL", value);
  return string(name, value);
}

function boolean(name, value) {
  if (typeof value !== 'boolean') throw wrongType(name, 'a boolean', value);
  return value;
}

function milliseconds(name, value) {
  if (typeof value !== 'number') throw wrongType(name, 'a number of milliseconds', value);
  if (!Number.isInteger(value) || value <= 0)
    throw wrongValue(name, 'a positive whole number of milliseconds', value);
  return value;
}

function bytes(name, value) {
  if (typeof value !== 'number') throw wrongType(name, 'a number of bytes', value);
  if (!Number.isSafeInteger(value) || value <= 0)
    throw wrongValue(name, 'a positive whole number of bytes', value);
  return value;
}

/** V8's own choice where no interval is given: it costs next to nothing. */
const SAMPLING_INTERVAL = 512 * 1024;

/** An allocation in every so many bytes; null for none. */
function sampling(name, value) {
  if (typeof value === 'boolean') return value ? SAMPLING_INTERVAL : null;
  if (typeof value !== 'number') throw wrongType(name, 'a boolean or a number of bytes', value);
  return bytes(name, value);
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

function template(name, value) {
  string(name, value);
  const problem = value.match(/[/\\]/)
    ? 'a file name without a directory (directories go into dir)'
    : value.replace(/\{(date|pid|thread|seq)\}/g, '').match(/[{}]/)
      ? 'a file name whose placeholders are {date}, {pid}, {thread} or {seq}'
      : value.replace(/\.heapsnapshot(\.gz|\.zst)?$/, '') === ''
        ? 'a file name that is more than an extension'
        : undefined;
  if (problem !== undefined) throw wrongValue(name, problem, value);
  return value;
}

/** The signal's number; null for none. */
function signal(name, value) {
  if (value === false || value === 'none') return null;
  const expected = `false or one of ${usableSignals.join(', ')}`;
  if (typeof value !== 'string') throw wrongType(name, expected, value);
  const known = value.startsWith('SIG') ? value : `SIG${value}`;
  if (!usableSignals.includes(known) || constants.signals[known] === undefined) {
    throw wrongValue(name, expected, value);
  }
  return constants.signals[known];
}

/** What is taken out of the snapshot: null for nothing. */
function redaction(name, value) {
  if (value === false) return null;
  if (value === true) return { source: true };
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw wrongType(name, 'a boolean or an object', value);
  }
  for (const key of Object.keys(value)) {
    if (key !== 'source') throw wrongValue(name, "a boolean or an object whose only key is 'source'", value);
  }
  const source = value.source === undefined || boolean(`${name.slice(0, -1)}.source'`, value.source);
  return { source };
}

/** What a single capture and the defaults for all of them have in common. */
const common = {
  dir: path,
  fallbackDir: path,
  name: template,
  mode: oneOf(modes),
  compress: oneOf(compressions),
  numericValues: boolean,
  internals: boolean,
  keepObjectIds: boolean,
  overwrite: boolean,
  redact: redaction,
  fallback: oneOf(fallbacks),
  force: boolean,
  scratch: oneOf(scratches),
  timeLimit: milliseconds,
  outlive: boolean,
};

const perCapture = { ...common, file: path, onProgress: callback, signal: abortSignal };
const { file: _file, name: _name, overwrite: _overwrite, ...perStream } = perCapture;

const { keepObjectIds: _ids, outlive: _outlive, fallback: _fallback, ...atLimit } = common;
const perNearLimit = { ...atLimit, hold: boolean, quiet: boolean, raise: bytes, sample: sampling };

/** What the snapshots of a leak may be told; fallback and outlive have their use there. */
const { keepObjectIds: _leakIds, ...atLeak } = common;

/** Whether, and how: a boolean, or options, which stay as they were given and are checked again when they count. */
function nearHeapLimit(name, value) {
  if (typeof value === 'boolean') return value;
  if (typeof value !== 'object' || value === null) throw wrongType(name, 'a boolean or an object', value);
  check(value, perNearLimit, name);
  return value;
}

const perProcess = {
  ...common,
  signal,
  threads: oneOf(threadChoices),
  quiet: boolean,
  nearHeapLimit,
};

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

/** A capture's options: what `extension` says of a given file counts more than the defaults' compression. */
function captureOptions(options, defaults) {
  const checked = check(options, perCapture, 'The argument of capture');
  if (checked.file !== undefined) {
    for (const other of ['dir', 'name']) {
      if (checked[other] !== undefined) {
        throw wrongValue(`The option '${other}'`, "left out where 'file' is given", checked[other]);
      }
    }
    checked.compress ??= compressionOf(checked.file);
  }
  return { ...defaults, ...checked };
}

/** A stream's options: those of a capture but for what concerns the file. */
function streamOptions(options, defaults) {
  return { ...defaults, ...check(options, perStream, 'The argument of captureStream') };
}

/** What shall be done at the heap limit; only what was given. */
function nearLimitOptions(options) {
  return check(options, perNearLimit, 'The argument of captureNearHeapLimit');
}

/** The compression that a file's name promises. */
function compressionOf(file) {
  if (file.endsWith('.gz')) return 'gzip';
  return file.endsWith('.zst') ? 'zstd' : 'none';
}

function processOptions(options, where) {
  return check(options, perProcess, where);
}

const truthy = (name, value) => {
  if (['1', 'true', 'yes', 'on'].includes(value)) return true;
  if (['0', 'false', 'no', 'off', ''].includes(value)) return false;
  throw wrongValue(name, "'1' or '0'", value);
};

const variables = {
  STILLHEAP_DIR: ['dir', path],
  STILLHEAP_FALLBACK_DIR: ['fallbackDir', path],
  STILLHEAP_NAME: ['name', template],
  STILLHEAP_MODE: ['mode', oneOf(modes)],
  STILLHEAP_SCRATCH: ['scratch', oneOf(scratches)],
  STILLHEAP_COMPRESS: ['compress', oneOf(compressions)],
  STILLHEAP_OBJECT_IDS: ['keepObjectIds', (name, value) => oneOf(['keep', 'clear'])(name, value) === 'keep'],
  STILLHEAP_OVERWRITE: ['overwrite', truthy],
  STILLHEAP_REDACT: ['redact', (name, value) => redaction(name, truthy(name, value))],
  STILLHEAP_QUIET: ['quiet', truthy],
  STILLHEAP_WATCH: ['watch', truthy],
  STILLHEAP_NEAR_HEAP_LIMIT: ['nearHeapLimit', truthy],
  STILLHEAP_SIGNAL: ['signal', signal],
  STILLHEAP_THREADS: ['threads', oneOf(threadChoices)],
};

/**
 * The defaults that the environment sets. A mistake there must not keep the service from starting: it is
 * told to `complain`, and the variable counts as not set.
 */
function fromEnvironment(env, complain) {
  const options = {};
  for (const [variable, [name, kind]] of Object.entries(variables)) {
    if (env[variable] === undefined || env[variable] === '') continue;
    try {
      options[name] = kind(variable, env[variable]);
    } catch (error) {
      complain(`stillheap: ${error.message}; it is ignored`);
    }
  }
  for (const word of (env.NODE_HEAPDUMP_OPTIONS ?? '').split(/\s*,\s*/)) {
    if (word === 'nosignal') options.signal = null;
    else if (word === 'signal') options.signal ??= constants.signals.SIGUSR2;
    else if (word === 'inline' || word === 'fork') options.mode = word;
    else if (word !== '') complain(`node-heapdump: unrecognized option: ${word}`);
  }
  return options;
}

module.exports = {
  abortSignal,
  atLeak,
  boolean,
  callback,
  captureOptions,
  check,
  fromEnvironment,
  nearLimitOptions,
  oneOf,
  path,
  processOptions,
  streamOptions,
};
