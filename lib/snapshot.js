// `open(file)`: a heap snapshot and the questions that the command line also answers. Everything is computed
// off this thread; what travels is JSON, described in docs/json-schema.md. Arguments are checked here, before
// anything is started.

const { failure, fromNative, wrongType, wrongValue } = require('./errors.js');
const { abortSignal, boolean, callback, check, oneOf, path } = require('./checks.js');
const permission = require('./permission.js');

const models = ['devtools', 'gc'];

// ---- what the arguments may be

function text(name, value) {
  if (typeof value !== 'string') throw wrongType(name, 'a string', value);
  if (value === '') throw wrongValue(name, 'a string that is not empty', value);
  return value;
}

function whole(name, value) {
  if (typeof value !== 'number') throw wrongType(name, 'a number', value);
  if (!Number.isSafeInteger(value) || value < 0) throw wrongValue(name, 'a whole number from 0', value);
  return value;
}

function depth(name, value) {
  if (whole(name, value) < 1 || value > 100) throw wrongValue(name, 'a whole number from 1 to 100', value);
  return value;
}

function suspects(name, value) {
  if (whole(name, value) < 1 || value > 65_535)
    throw wrongValue(name, 'a whole number from 1 to 65535', value);
  return value;
}

/** A path that travels as text. */
function textPath(name, value) {
  const found = path(name, value);
  if (typeof found !== 'string') throw wrongValue(name, 'a path in UTF-8', value);
  return found;
}

/** A pattern, or several that must all match. */
function filter(name, value) {
  const all = Array.isArray(value) ? value : [value];
  for (const one of all) text(name, one);
  return all;
}

function conditions(name, value) {
  return filter(name, value);
}

/** A node's id, as a number or as `'@123'`; given back as the latter. */
function id(name, value) {
  const digits = typeof value === 'string' ? value.replace(/^@/, '') : String(value);
  if (typeof value !== 'number' && typeof value !== 'string') {
    throw wrongType(name, "a node's id (a number, or '@' and a number)", value);
  }
  if (!/^\d{1,19}$/.test(digits))
    throw wrongValue(name, "a node's id (a number, or '@' and a number)", value);
  return `@${digits}`;
}

const list = { limit: whole, offset: whole, filter };
const tree = { ...list, depth, branch: whole };
const nodeOrder = oneOf(['retained', 'self', 'distance', 'id']);
const edgeOrder = oneOf(['retained', 'name', 'file']);

const kinds = {
  open: { model: oneOf(models), index: boolean, onProgress: callback, signal: abortSignal },
  summary: { ...list, sort: oneOf(['retained', 'shallow', 'count', 'distance', 'name']) },
  instances: { ...list, sort: nodeOrder },
  inspect: { ...list, sort: edgeOrder, textLimit: whole },
  retainers: { ...tree, sort: oneOf(['best', 'distance', 'retained']), paths: whole },
  paths: { count: whole },
  dominators: { ...tree, sort: oneOf(['retained', 'self', 'id']) },
  containment: { ...tree, sort: edgeOrder },
  strings: { ...list, sort: oneOf(['wasted', 'retained', 'count']) },
  closures: { ...list, sort: oneOf(['retained', 'count', 'contexts', 'name']), all: boolean },
  timeline: { ...list, sort: oneOf(['live-size', 'live-count', 'size', 'count']) },
  query: { ...list, sort: nodeOrder, all: boolean },
  compare: {
    ...list,
    sort: oneOf(['size', 'count', 'added', 'name']),
    match: oneOf(['auto', 'id', 'class']),
    failOn: conditions,
  },
  leaks: { limit: suspects, leastGrowth: whole, asGiven: boolean, sourceMaps: textPath },
};
kinds.leaksOf = { ...kinds.leaks, ...kinds.open };

// ---- the snapshot

/** What only `open` may hand to the constructor. */
const key = Symbol('open');

class Snapshot {
  #handle;
  #facts;
  #disposed = false;

  constructor(token, handle, facts) {
    if (token !== key) throw failure('ERR_ILLEGAL_CONSTRUCTOR', "Snapshots come from stillheap's open()");
    this.#handle = handle;
    this.#facts = facts;
  }

  get file() {
    return this.#facts.file;
  }

  get model() {
    return this.#facts.model;
  }

  get nodeCount() {
    return this.#facts.nodes;
  }

  get edgeCount() {
    return this.#facts.edges;
  }

  /** What a truncated file lacks, or undefined. */
  get salvage() {
    return this.#facts.salvage ?? undefined;
  }

  /** What stillheap noted when it took the snapshot, or undefined. */
  get capture() {
    return this.#facts.capture ?? undefined;
  }

  get disposed() {
    return this.#disposed;
  }

  async #ask(question, request) {
    this.#use();
    return unwrap(await this.#handle.ask(question, JSON.stringify(request)));
  }

  #use() {
    if (this.#disposed) {
      throw failure('ERR_STILLHEAP_DISPOSED', `the snapshot of ${this.file} has been disposed of`);
    }
    return this.#handle;
  }

  async summary(options) {
    return this.#ask('summary', check(options, kinds.summary, 'The argument of summary'));
  }

  async statistics() {
    return this.#ask('statistics', {});
  }

  async instances(className, options) {
    const request = check(options, kinds.instances, 'The second argument of instances');
    return this.#ask('instances', { ...request, class: text('The class', className) });
  }

  async inspect(node, options) {
    const request = check(options, kinds.inspect, 'The second argument of inspect');
    return this.#ask('inspect', { ...request, id: id('The id', node) });
  }

  async retainers(target, options) {
    const request = check(options, kinds.retainers, 'The second argument of retainers');
    return this.#ask('retainers', { ...request, target: idOrClass(target) });
  }

  async paths(target, options) {
    const { count = 10 } = check(options, kinds.paths, 'The second argument of paths');
    const answer = await this.#ask('retainers', { target: idOrClass(target), paths: count, limit: 1 });
    const { retainers: _retainers, page: _page, ...rest } = answer;
    return rest;
  }

  async dominators(node, options) {
    const request = check(options, kinds.dominators, 'The second argument of dominators');
    return this.#ask('dominators', { ...request, ...(node != null && { id: id('The id', node) }) });
  }

  async containment(node, options) {
    const request = check(options, kinds.containment, 'The second argument of containment');
    return this.#ask('containment', { ...request, ...(node != null && { id: id('The id', node) }) });
  }

  async duplicateStrings(options) {
    const request = check(options, kinds.strings, 'The argument of duplicateStrings');
    return this.#ask('strings', { ...request, duplicates: true });
  }

  async strings(options) {
    return this.#ask('strings', check(options, kinds.strings, 'The argument of strings'));
  }

  async closures(options) {
    return this.#ask('closures', check(options, kinds.closures, 'The argument of closures'));
  }

  async timeline(options) {
    return this.#ask('timeline', check(options, kinds.timeline, 'The argument of timeline'));
  }

  async query(expression, options) {
    const request = check(options, kinds.query, 'The second argument of query');
    return this.#ask('query', { ...request, expression: text('The expression', expression) });
  }

  /** What changed from this snapshot to a newer one, or over several, oldest first. */
  async compare(newer, options) {
    const { match, ...request } = check(options, kinds.compare, 'The second argument of compare');
    const handles = Snapshot.#handlesOf(newer);
    if (handles.length === 0) throw notNewer(newer);
    const json = JSON.stringify({ ...request, ...(match !== undefined && { matching: match }) });
    return unwrap(await this.#use().compare(handles, json));
  }

  /** What leaks, as this snapshot and newer ones, oldest first, tell; this one alone tells what stands out. */
  async leaks(newer, options) {
    const request = check(options, kinds.leaks, 'The second argument of leaks');
    const handles = newer === undefined ? [] : Snapshot.#handlesOf(newer);
    return unwrap(await this.#use().leaks(handles, JSON.stringify(request)));
  }

  static #handlesOf(newer) {
    const all = Array.isArray(newer) ? newer : [newer];
    if (!all.every((one) => one instanceof Snapshot)) throw notNewer(newer);
    return all.map((one) => one.#use());
  }

  /** Lets go of the memory as soon as the questions under way have ended. May be called twice. */
  dispose() {
    if (this.#disposed) return;
    this.#disposed = true;
    this.#handle.dispose();
  }

  // Symbol.dispose came with Node 20; older ones just have no `using`.
  static {
    if (Symbol.dispose !== undefined) Snapshot.prototype[Symbol.dispose] = Snapshot.prototype.dispose;
  }
}

function notNewer(value) {
  return wrongType('The newer snapshot', 'a snapshot from open(), or an array of them', value);
}

/** `'@123'` and numbers are ids, other strings classes. */
function idOrClass(target) {
  if (typeof target === 'string' && !/^@\d+$/.test(target)) return text('The target', target);
  if (typeof target !== 'string' && typeof target !== 'number') {
    throw wrongType('The target', "a node's id or a class's name or key", target);
  }
  return id('The target', target);
}

function unwrap(json) {
  const { result, error } = JSON.parse(json);
  if (error) {
    const thrown = fromNative(error);
    if (error.position !== undefined) thrown.position = error.position;
    throw thrown;
  }
  return result;
}

/** Reads a snapshot. Rejects with the signal's reason when that is aborted first. */
async function open(file, options) {
  const place = path('The file', file);
  const {
    model = 'devtools',
    index = false,
    onProgress,
    signal,
  } = check(options, kinds.open, 'The second argument of open');
  signal?.throwIfAborted();
  permission.forReading(place);
  const { SnapshotHandle } = require('./analysis.js');
  const handle = new SnapshotHandle();
  let wanted = true;
  const totalBytes = onProgress && size(place);
  const report = onProgress && ((bytes) => wanted && onProgress({ bytes, totalBytes }));
  const reading = handle
    .open(place, model === 'gc', index && permission.mayIndex(place), report)
    .then(unwrap);
  try {
    const facts = await (signal ? Promise.race([reading, aborted(signal, reading)]) : reading);
    return new Snapshot(key, handle, { ...facts, file: String(place), model });
  } catch (error) {
    // The reading that nobody waits for any more stops with the handle.
    reading.catch(() => {});
    handle.dispose();
    throw error;
  } finally {
    wanted = false;
  }
}

/** What leaks, as files of one process, oldest first, tell. They are opened one after the other and let go of. */
async function leaks(files, options) {
  const all = Array.isArray(files) ? files : [files];
  if (all.length === 0) throw wrongValue('The files', 'at least one file', files);
  const places = all.map((file) => path('The file', file));
  const { limit, leastGrowth, asGiven, sourceMaps, ...rest } = check(
    options,
    kinds.leaksOf,
    'The second argument of leaks',
  );
  const snapshots = [];
  try {
    for (const place of places) snapshots.push(await open(place, rest));
    const [oldest, ...newer] = snapshots;
    return await oldest.leaks(newer, { limit, leastGrowth, asGiven, sourceMaps });
  } finally {
    for (const snapshot of snapshots) snapshot.dispose();
  }
}

/** Rejects when the signal is aborted; listens no longer than the work goes on. */
function aborted(signal, work) {
  return new Promise((_resolve, reject) => {
    const stop = () => reject(signal.reason);
    signal.addEventListener('abort', stop, { once: true });
    const settled = () => signal.removeEventListener('abort', stop);
    work.then(settled, settled);
  });
}

/** Bytes of the file as it lies on the disk; undefined where that cannot be known. */
function size(file) {
  try {
    return require('node:fs').statSync(file).size;
  } catch {
    return undefined;
  }
}

module.exports = { leaks, open, Snapshot };
