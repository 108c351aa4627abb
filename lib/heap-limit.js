'use strict';

// Where V8 gives up: the limit of the old generation. `heap_size_limit` also counts what V8 keeps for the young one,
// three half-spaces, which with small limits is more than half of it.

const v8 = require('node:v8');

const MB = 1024 * 1024;

/** V8's half-space at its largest, in megabytes, by the V8 major: 64 in Node 24, 32 in Node 26, 16 before. */
function usualHalfSpace() {
  const major = Number.parseInt(process.versions.v8, 10);
  if (major < 13) return 16;
  return major === 13 ? 64 : 32;
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

/** Bytes. `resourceLimits` are a worker's. */
function oldGenerationLimit(resourceLimits) {
  return Math.floor(limitOf(resourceLimits ?? {}));
}

function limitOf(resourceLimits) {
  const whole = v8.getHeapStatistics().heap_size_limit;
  const given = resourceLimits.maxOldGenerationSizeMb ?? flag('max-old-space-size');
  if (given > 0) return Math.min(given * MB, whole);
  const halfSpace = flag('max-semi-space-size');
  if (halfSpace !== undefined) return Math.max(whole - 3 * halfSpace * MB, 0) || whole;
  // Without flags, V8 makes it no larger than a sixty-fourth of the heap.
  return whole - Math.min(3 * usualHalfSpace() * MB, (3 / 64) * whole);
}

module.exports = { oldGenerationLimit };
