'use strict';

// Where V8 gives up: the limit of the old generation. `heap_size_limit` also counts what V8 keeps for the young one,
// three half-spaces, which with small limits is more than half of it.

const v8 = require('node:v8');

const MB = 1024 * 1024;

/** By V8's major: 10 (Node 18) to 14 (Node 26). Of others nothing is known. */
const parts = { 10: [128, 16], 11: [128, 16], 12: [128, 16], 13: [32, 64], 14: [64, 32] };

/**
 * What V8 makes of the old generation's limit for a half-space, by V8's major: the old generation's part, rounded up
 * to a power of two, and the largest; in megabytes. Up to 256 MB some take less. Found in what V8 says of processes in
 * control groups of all sizes, on Node 20 to 26, and compared with where it did give up.
 */
function halfSpace(old, major) {
  const [part, largest] = parts[major];
  const size = old / (old <= 256 && major < 14 ? 256 : part);
  return Math.min(Math.max(2 ** Math.ceil(Math.log2(size)), 1), largest);
}

/** The old generation's limit, in megabytes, out of the whole. */
function oldOf(whole, major) {
  if (!Object.hasOwn(parts, major)) return undefined;
  for (let half = 1; ; half *= 2) {
    const old = whole - 3 * half;
    if (old <= 0) return whole;
    if (halfSpace(old, major) <= half) return old;
  }
}

/** A flag's value in megabytes, the last one that was given, or undefined. */
function flag(name) {
  const words = [...(process.env.NODE_OPTIONS ?? '').split(/\s+/), ...process.execArgv];
  let value;
  words.forEach((word, n) => {
    const [key, inline] = word.replace(/_/g, '-').split('=', 2);
    if (key === `--${name}`) value = Number(inline ?? words[n + 1]);
  });
  return value > 0 ? value : undefined;
}

/**
 * Bytes, or undefined where it can't be told: with a V8 that is not known here, unless a flag or `resourceLimits`, which
 * are a worker's, say it.
 */
function oldGenerationLimit(resourceLimits, major = Number.parseInt(process.versions.v8, 10)) {
  const limit = limitOf(resourceLimits ?? {}, major);
  return limit === undefined ? undefined : Math.floor(limit);
}

function limitOf(resourceLimits, major) {
  const whole = v8.getHeapStatistics().heap_size_limit;
  const given = resourceLimits.maxOldGenerationSizeMb ?? flag('max-old-space-size');
  if (given > 0) return Math.min(given * MB, whole);
  const half = flag('max-semi-space-size');
  if (half !== undefined) return Math.max(whole - 3 * half * MB, 0) || whole;
  const old = oldOf(whole / MB, major);
  return old === undefined ? undefined : old * MB;
}

module.exports = { oldGenerationLimit };
