'use strict';

// assertNoLeak(): calls a function again and again and fails if something stays each time.
//
// The cheap question comes first: after warming up, does the heap in use after a collection still grow with the
// calls? It does not in a test that is well, and that is all. Only if it might, or if classes are to be watched,
// are snapshots taken, and they decide: a class leaks whose objects become more in every round. What fills once
// (caches, compiled code, lazily loaded modules) stops growing; what grows by compilation is not looked at.

const { tmpdir } = require('node:os');
const { mkdirSync, mkdtempSync, rmSync } = require('node:fs');
const path = require('node:path');
const { settle } = require('./collect-garbage.js');
const { wrongType, wrongValue } = require('./errors.js');
const { callback, check, oneOf, textPath } = require('./checks.js');
const { leakError } = require('./leak-error.js');

/** Rounds between snapshots: a class has to grow in each. */
const rounds = 3;

/** Cheap rounds at most, of which two must be calm: less is left per call than the smallest objects take. */
const cheapRounds = 6;
const smallest = 16;

/** What the measuring itself may leave per round, in classes that nobody asked for. */
const ownObjects = 3;
const ownBytes = 512;

/** Classes of DevTools' that grow by compilation, not by what a program keeps. */
const ofV8 = new Set(['(compiled code)', '(object shape)', '(system)', '(hidden)', '(feedback cells)']);

function whole(least) {
  return (name, value) => {
    if (typeof value !== 'number') throw wrongType(name, 'a number', value);
    if (!Number.isSafeInteger(value) || value < least) {
      throw wrongValue(name, `a whole number from ${least}`, value);
    }
    return value;
  };
}

function amount(name, value) {
  if (typeof value !== 'number') throw wrongType(name, 'a number', value);
  if (!(value >= 0 && value < Number.POSITIVE_INFINITY)) throw wrongValue(name, 'a number from 0', value);
  return value;
}

/** Names of classes; of a constructor, its name. */
function classNames(name, value) {
  const expected = "an array of classes' names or constructors";
  if (!Array.isArray(value)) throw wrongType(name, expected, value);
  if (value.length === 0) throw wrongValue(name, `${expected} that is not empty`, value);
  return value.map((one) => {
    const given = typeof one === 'function' ? one.name : one;
    if (typeof given !== 'string') throw wrongType(name, expected, value);
    if (given === '') throw wrongValue(name, `${expected}, none of them without a name`, value);
    return given;
  });
}

const kinds = {
  iterations: whole(1),
  warmUp: whole(0),
  classes: classNames,
  tolerance: amount,
  toleranceBytes: amount,
  snapshotDir: textPath,
  annotate: oneOf(['auto', 'github', 'none']),
};

/** Calls the function so many times, one after the other. */
function caller(body) {
  let n = 0;
  return async (times) => {
    for (const end = n + times; n < end; n += 1) {
      const result = body(n);
      if (typeof result?.then === 'function') await result;
    }
  };
}

/** Whether the heap may be growing with the calls: false only if two rounds added next to nothing. */
async function mayGrow(call, { iterations, toleranceBytes }) {
  const allowed = iterations * Math.min(smallest, toleranceBytes);
  let calm = 0;
  let before = await settle();
  for (let round = 0; round < cheapRounds; round += 1) {
    await call(iterations);
    const after = await settle();
    // A round in which much is freed, such as code that was not used for long, says nothing about growth.
    if (Math.abs(after - before) <= allowed) calm += 1;
    if (calm === 2) return false;
    before = after;
  }
  return true;
}

/** This thread's stillheap; where it was not loaded before, without a handler for the signal. */
function ours() {
  const loaded = process[Symbol.for('stillheap')] !== undefined;
  const stillheap = require('../index.js');
  if (!loaded) stillheap.stop();
  return stillheap;
}

/** The files of a snapshot before and after each round. */
async function watch(call, { iterations }, directory) {
  const { capture } = ours();
  const files = Array.from({ length: rounds + 1 }, (_, n) => path.join(directory, `${n}.heapsnapshot`));
  for (const [round, file] of files.entries()) {
    if (round > 0) await call(iterations);
    await settle();
    await capture({ file, mode: 'inline', compress: 'none' });
  }
  return files;
}

const steps = (numbers) => numbers.slice(1).map((number, at) => number - numbers[at]);

/** The classes that grew in every round by more than is tolerated, the fastest first. */
async function growing(files, { iterations, classes, tolerance, toleranceBytes }) {
  const { open } = require('./snapshot.js');
  const snapshots = [];
  try {
    for (const file of files) snapshots.push(await open(file));
    const [first, ...later] = snapshots;
    const { series } = await first.compare(later, { limit: 0, match: 'class' });
    const found = [];
    for (const { name: className, counts, sizes } of series) {
      if (classes === undefined ? ofV8.has(className) : !classes.includes(className)) continue;
      const [objects, bytes] = [steps(counts), steps(sizes)];
      const watched = classes !== undefined;
      const more = Math.min(...objects) > Math.max(iterations * tolerance, watched ? 0 : ownObjects);
      const larger = !watched && Math.min(...bytes) > Math.max(iterations * toleranceBytes, ownBytes);
      if (!more && !larger) continue;
      const perCall = (all) => all.reduce((sum, one) => sum + one, 0) / (rounds * iterations);
      found.push({
        className,
        counts,
        sizes,
        objectsPerCall: perCall(objects),
        bytesPerCall: perCall(bytes),
      });
    }
    return found.sort((a, b) => b.bytesPerCall - a.bytesPerCall);
  } finally {
    for (const snapshot of snapshots) snapshot.dispose();
  }
}

/** What the snapshots tell about why one of the classes grows; undefined if they don't. */
async function verdict(files, classes) {
  const grown = new Set(classes.map(({ className }) => className));
  // That it grows is known, so little is enough: a few calls in a large heap would pass for noise.
  const least = Math.min(...classes.map(({ sizes }) => (sizes.at(-1) - sizes[0]) / rounds));
  const leastGrowth = Math.max(Math.floor(least / 2), smallest);
  try {
    const { suspects } = await require('./snapshot.js').leaks(files, { leastGrowth, limit: 20 });
    return (
      suspects.find((suspect) => grown.has(suspect.className)) ??
      suspects.find((suspect) => suspect.classes.some((one) => grown.has(one.className)))
    );
  } catch {
    // That something leaks is known, and must be said whatever becomes of the reasons.
    return undefined;
  }
}

async function run(body, options) {
  const call = caller(body);
  await call(options.warmUp);
  if (options.classes === undefined && !(await mayGrow(call, options))) return;

  const kept = options.snapshotDir;
  if (kept !== undefined) mkdirSync(kept, { recursive: true, mode: 0o700 });
  const directory = mkdtempSync(path.join(kept ?? tmpdir(), 'stillheap-leak-'));
  let leaks = false;
  try {
    const files = await watch(call, options, directory);
    const classes = await growing(files, options);
    leaks = classes.length > 0;
    if (leaks) throw leakError(classes, await verdict(files, classes), files, { ...options, rounds });
  } finally {
    if (!leaks || kept === undefined) rmSync(directory, { recursive: true, force: true });
  }
}

// One at a time: what another one's function allocates would count.
let last = Promise.resolve();

/** Documented in test.d.ts. */
async function assertNoLeak(body, options) {
  callback('The function', body);
  const checked = {
    iterations: 100,
    tolerance: 0.1,
    toleranceBytes: 32,
    annotate: 'auto',
    ...check(options, kinds, 'The second argument of assertNoLeak'),
  };
  checked.warmUp ??= checked.iterations;
  const caller = new Error();
  Error.captureStackTrace(caller, assertNoLeak);
  const result = last.then(() => run(body, checked));
  last = result.catch(() => {});
  try {
    await result;
  } catch (error) {
    // Test runners show the line of the first frame: that of the test says more than ours.
    if (error.code === 'ERR_STILLHEAP_LEAK') error.stack = caller.stack.replace(/^.*/, () => String(error));
    throw error;
  }
}

module.exports = { assertNoLeak };
