'use strict';

// Every option of a capture, once: where it may be given, how it is checked, its default, its variable, and whether
// the addon is told. Checks, defaults, the environment and what the addon gets follow from the table; tests compare
// it with index.d.ts, README.md and the addon's own list.

const { constants } = require('node:os');
const { abortSignal, amount, boolean, callback, check, oneOf, path, string } = require('./checks.js');
const { variable: bytesOf } = require('./bytes.js');
const { wrongType, wrongValue } = require('./errors.js');

/** Signals whose default action and whose use by the runtime leave room for a handler. */
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

/** V8's own choice where no interval is given: it costs next to nothing. */
const samplingInterval = 512 * 1024;

// ---- checks that only these options need

/** An allocation in every so many bytes; null for none. */
function sampling(name, value) {
  if (typeof value === 'boolean') return value ? samplingInterval : null;
  if (typeof value !== 'number') throw wrongType(name, 'a boolean or a number of bytes', value);
  return amount('bytes')(name, value);
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

/** Whether, and how: a boolean, or options, which stay as they were given and are checked again when they count. */
function nearHeapLimit(name, value) {
  if (typeof value === 'boolean') return value;
  if (typeof value !== 'object' || value === null) throw wrongType(name, 'a boolean or an object', value);
  check(value, kinds('limit'), name);
  return value;
}

// ---- the text of a variable

const truthy = (name, value) => {
  if (['1', 'true', 'yes', 'on'].includes(value)) return true;
  if (['0', 'false', 'no', 'off', ''].includes(value)) return false;
  throw wrongValue(name, "'1' or '0'", value);
};

const number = (kind) => (name, value) => kind(name, /^\d+$/.test(value) ? Number(value) : value);

const milliseconds = amount('milliseconds');
const bytes = amount('bytes');

const everywhere = ['capture', 'stream', 'process', 'limit', 'leak'];
const files = everywhere.filter((place) => place !== 'stream');
const forks = everywhere.filter((place) => place !== 'limit');

/**
 * `at`: capture() and captureStream(); `process`: configure() and start(), and the default of all others; `limit`:
 * captureNearHeapLimit(); `leak`: what watch() captures. `kind` checks a value, `text` what a variable says, where
 * the two differ. An option without `initial` is simply absent. `native: false`: not for the addon.
 */
const table = {
  file: { at: ['capture'], kind: path },
  dir: { at: everywhere, kind: path, variable: 'STILLHEAP_DIR' },
  fallbackDir: { at: everywhere, kind: path, variable: 'STILLHEAP_FALLBACK_DIR' },
  name: { at: files, kind: template, variable: 'STILLHEAP_NAME' },
  compress: {
    at: everywhere,
    kind: oneOf(['none', 'gzip', 'zstd']),
    initial: 'none',
    variable: 'STILLHEAP_COMPRESS',
  },
  mode: {
    at: everywhere,
    kind: oneOf(['auto', 'inline', 'fork']),
    initial: 'auto',
    variable: 'STILLHEAP_MODE',
  },
  engine: {
    at: everywhere,
    kind: oneOf(['v8', 'own', 'auto']),
    initial: 'v8',
    variable: 'STILLHEAP_ENGINE',
    // `node` is for the whole package (runtime.js).
    text: (name, value) => (value === 'node' ? 'v8' : oneOf(['v8', 'own', 'auto', 'node'])(name, value)),
  },
  scratch: {
    at: everywhere,
    kind: oneOf(['memory', 'disk', 'auto']),
    initial: 'memory',
    variable: 'STILLHEAP_SCRATCH',
  },
  force: { at: everywhere, kind: boolean, initial: false, variable: 'STILLHEAP_FORCE', text: truthy },
  fallback: { at: forks, kind: oneOf(['none', 'inline']), initial: 'none', variable: 'STILLHEAP_FALLBACK' },
  timeLimit: {
    at: everywhere,
    kind: milliseconds,
    initial: 1_800_000,
    variable: 'STILLHEAP_TIME_LIMIT',
    text: number(milliseconds),
  },
  outlive: { at: forks, kind: boolean, initial: false, variable: 'STILLHEAP_OUTLIVE', text: truthy },
  keepObjectIds: {
    at: ['capture', 'stream', 'process'],
    kind: boolean,
    initial: false,
    variable: 'STILLHEAP_OBJECT_IDS',
    text: (name, value) => oneOf(['keep', 'clear'])(name, value) === 'keep',
  },
  numericValues: {
    at: everywhere,
    kind: boolean,
    initial: false,
    variable: 'STILLHEAP_NUMERIC_VALUES',
    text: truthy,
  },
  redact: {
    at: everywhere,
    kind: redaction,
    initial: null,
    variable: 'STILLHEAP_REDACT',
    text: (name, value) => redaction(name, value === 'keep-source' ? { source: false } : truthy(name, value)),
  },
  internals: { at: everywhere, kind: boolean, initial: false, variable: 'STILLHEAP_INTERNALS', text: truthy },
  overwrite: { at: files, kind: boolean, initial: false, variable: 'STILLHEAP_OVERWRITE', text: truthy },
  onProgress: { at: ['capture', 'stream'], kind: callback, native: false },
  /** An AbortSignal for a capture, a signal's name for the process: `signal` of the process is `processSignal`. */
  signal: { at: ['capture', 'stream'], kind: abortSignal, native: false },
  processSignal: {
    at: ['process'],
    name: 'signal',
    kind: signal,
    initial: constants.signals.SIGUSR2 ?? null,
    variable: 'STILLHEAP_SIGNAL',
    native: false,
  },
  threads: {
    at: ['process'],
    kind: oneOf(['main', 'all']),
    initial: 'main',
    variable: 'STILLHEAP_THREADS',
    native: false,
  },
  quiet: {
    at: ['process', 'limit'],
    kind: boolean,
    initial: false,
    variable: 'STILLHEAP_QUIET',
    text: truthy,
  },
  nearHeapLimit: {
    at: ['process'],
    kind: nearHeapLimit,
    initial: false,
    variable: 'STILLHEAP_NEAR_HEAP_LIMIT',
    text: truthy,
    native: false,
  },
  raise: {
    at: ['limit'],
    kind: bytes,
    variable: 'STILLHEAP_NEAR_HEAP_LIMIT_RAISE',
    text: number(bytes),
    native: false,
  },
  hold: {
    at: ['limit'],
    kind: boolean,
    variable: 'STILLHEAP_NEAR_HEAP_LIMIT_HOLD',
    text: truthy,
    native: false,
  },
  sample: {
    at: ['limit'],
    kind: sampling,
    variable: 'STILLHEAP_NEAR_HEAP_LIMIT_SAMPLE',
    text: (name, value) => sampling(name, /^[1-9]\d+$/.test(value) ? Number(value) : truthy(name, value)),
    native: false,
  },
  watch: {
    at: [],
    kind: boolean,
    initial: false,
    variable: 'STILLHEAP_WATCH',
    text: (name, value) => (value === 'capture' ? { onLeak: {} } : truthy(name, value)),
    native: false,
  },
};

/** The checks of a place's options, by name. */
function kinds(place) {
  const entries = Object.entries(table).filter(([, { at }]) => at.includes(place));
  return Object.fromEntries(entries.map(([key, { name = key, kind }]) => [name, kind]));
}

const perCapture = kinds('capture');
const perStream = kinds('stream');
const perProcess = kinds('process');
const perLimit = kinds('limit');
/** What the snapshots of a leak may be told. */
const atLeak = kinds('leak');

/**
 * What the process does unless it is told otherwise, and `limit`, which counts at the heap limit only. A mistake in
 * the environment must not keep the service from starting: it is told to `complain`, and the variable counts as not
 * set.
 */
function initialDefaults(env, complain) {
  const defaults = {};
  const limit = {};
  for (const [key, { name = key, kind, initial, variable, text = kind, at }] of Object.entries(table)) {
    const target = at.length === 1 && at[0] === 'limit' ? limit : defaults;
    if (initial !== undefined) target[name] = initial;
    if (variable === undefined || env[variable] === undefined || env[variable] === '') continue;
    try {
      target[name] = text(variable, textOf(env, variable, kind));
    } catch (error) {
      complain(`stillheap: ${error.message}; it is ignored`);
    }
  }
  for (const word of (env.NODE_HEAPDUMP_OPTIONS ?? '').split(/\s*,\s*/)) {
    if (word === 'nosignal') defaults.signal = null;
    else if (word === 'signal') defaults.signal ??= constants.signals.SIGUSR2;
    else if (word === 'inline' || word === 'fork') defaults.mode = word;
    else if (word !== '') complain(`node-heapdump: unrecognized option: ${word}`);
  }
  const problem = contradiction(defaults);
  if (problem !== undefined) {
    complain(`stillheap: ${problem.message}; STILLHEAP_SCRATCH is ignored`);
    defaults.scratch = 'memory';
  }
  return { defaults, limit };
}

/** What a variable says; only a path may be bytes that are not UTF-8. */
function textOf(env, variable, kind) {
  const value = bytesOf(env, variable);
  if (value === undefined || (typeof value !== 'string' && kind !== path)) {
    throw wrongValue(variable, 'UTF-8', env[variable]);
  }
  return value;
}

/** The TypeError for options that exclude each other, or undefined. */
function contradiction({ redact, scratch }) {
  if (!redact || scratch !== 'disk') return undefined;
  return wrongValue(
    "The option 'scratch'",
    "'memory' or 'auto' with 'redact': V8's working memory holds the texts that are to be taken out, and would be written to the disk",
    scratch,
  );
}

/** `options`, unless they exclude each other. */
function consistent(options) {
  const problem = contradiction(options);
  if (problem !== undefined) throw problem;
  return options;
}

/** What captures take over from the process's defaults. */
function captureDefaults(defaults) {
  return Object.fromEntries(
    Object.entries(defaults).filter(([name]) => name in perCapture && name !== 'signal'),
  );
}

/** A capture's options: what the extension of a given file says counts more than the default compression. */
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
  return consistent({ ...captureDefaults(defaults), ...checked });
}

/** A stream's options: those of a capture but for what concerns the file. */
function streamOptions(options, defaults) {
  return consistent({
    ...captureDefaults(defaults),
    ...check(options, perStream, 'The argument of captureStream'),
  });
}

/** What shall be done at the heap limit; only what was given. */
function nearLimitOptions(options) {
  return check(options, perLimit, 'The argument of captureNearHeapLimit');
}

/** The compression that a file's name promises. */
function compressionOf(file) {
  const text = file.toString('latin1');
  if (text.endsWith('.gz')) return 'gzip';
  return text.endsWith('.zst') ? 'zstd' : 'none';
}

function processOptions(options, where) {
  return check(options, perProcess, where);
}

const natives = new Set(Object.keys(table).filter((key) => table[key].native !== false));

/** Options in the addon's words: those that it knows. `extra` is what no caller can give. */
function toNative(options, trigger, extra) {
  const known = Object.entries(options).filter(([name]) => natives.has(name));
  return { ...Object.fromEntries(known), ...extra, trigger };
}

module.exports = {
  atLeak,
  captureOptions,
  consistent,
  initialDefaults,
  nearLimitOptions,
  processOptions,
  streamOptions,
  table,
  toNative,
};
