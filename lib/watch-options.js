'use strict';

// What watch() may be told. Times are milliseconds, sizes bytes, shares from 0 to 1.

const { wrongType, wrongValue } = require('./errors.js');
const { abortSignal, boolean, callback, check, oneOf } = require('./checks.js');
const { atLeak } = require('./options.js');

function number(what, least, most) {
  const range = most === undefined ? `from ${least}` : `from ${least} to ${most}`;
  return (name, value) => {
    if (typeof value !== 'number') throw wrongType(name, what, value);
    if (!(value >= least && value <= (most ?? Number.MAX_SAFE_INTEGER))) {
      throw wrongValue(name, `${what} ${range}`, value);
    }
    return value;
  };
}

function whole(what, least, most) {
  const inRange = number(what, least, most);
  return (name, value) => {
    if (!Number.isInteger(inRange(name, value))) throw wrongValue(name, what, value);
    return value;
  };
}

/** The longest that a timer can be set to. */
const longest = 2 ** 31 - 1;

const leakKinds = {
  ...atLeak,
  capture: whole('a whole number', 1, 16),
  baseline: oneOf(['leak', 'start']),
  growth: number('a number of bytes', 0),
  share: number('a share', 0),
  minInterval: number('a number of milliseconds', 0),
  pause: number('a number of milliseconds', 0),
  maxFiles: whole('a whole number', 1, 1000),
  maxBytes: number('a number of bytes', 0),
  compare: boolean,
  callback,
};

/** What is done about a leak. */
function onLeak(name, value) {
  if (typeof value !== 'object' || value === null) throw wrongType(name, 'an object', value);
  const checked = check(value, leakKinds, name);
  const { capture = 2, maxFiles } = checked;
  if (maxFiles < capture) {
    throw wrongValue("The option 'maxFiles'", `at least the ${capture} snapshots of a leak`, maxFiles);
  }
  return checked;
}

const kinds = {
  onLeak,
  strategy: oneOf(['trend', 'consecutive']),
  warmup: number('a number of milliseconds', 0),
  minTime: number('a number of milliseconds', 100),
  minGrowth: number('a number of bytes', 0),
  minShare: number('a share', 0),
  minSamples: whole('a whole number', 4, 64),
  minSteadiness: number('a share', 0, 1),
  minConfidence: number('a share', 0, 1),
  minClarity: number('a factor', 0),
  consecutive: whole('a whole number', 1, 1_000_000),
  fullGc: oneOf(['request', 'wait']),
  pressureShare: number('a share', 0, 1),
  pressureTime: number('a number of milliseconds', 0),
  interval: whole('a whole number of milliseconds', 10, longest),
  signal: abortSignal,
};

/** Checked options. */
function watchOptions(options) {
  return check(options, kinds, 'The argument of watch');
}

/** The detector's options, in the addon's words. */
function toNative({ fullGc, interval: _interval, signal: _signal, onLeak: _onLeak, ...rest }) {
  return JSON.stringify({ ...rest, ...(fullGc !== undefined && { requestFullGc: fullGc === 'request' }) });
}

module.exports = { kinds, toNative, watchOptions };
