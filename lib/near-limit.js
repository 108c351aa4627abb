'use strict';

// Asks for a snapshot at V8's heap limit.

const { failure } = require('./errors.js');
const { consistent, nearLimitOptions, toNative } = require('./options.js');
const permission = require('./permission.js');

/** What is done where the options say nothing. */
const usual = { mode: 'auto', scratch: 'auto', force: true, hold: true };

/**
 * `defaults` are the process's, of which those named above don't count: at the limit a forked child is what
 * works, and nothing is lost by trying. `limitDefaults` come from variables that count here only.
 */
function arm(isolate, options, defaults, limitDefaults) {
  const { mode: _mode, keepObjectIds: _keep, ...rest } = defaults;
  const { raise, hold, sample, ...wanted } = {
    ...rest,
    ...usual,
    ...limitDefaults,
    ...nearLimitOptions(options),
  };
  if (isolate.engineReason !== null) return throughNode(isolate.engineReason, wanted);
  const request = toNative(permission.forCapture(consistent(wanted)), 'near-heap-limit', { outlive: true });
  const problem = isolate.armNearLimit(JSON.stringify({ raise, hold, sample, request }));
  if (problem !== null) throw failure('ERR_STILLHEAP_UNSUPPORTED', problem);
  return {
    get armed() {
      return isolate.nearLimitArmed;
    },
    cancel: () => isolate.disarmNearLimit(),
  };
}

/** Node's own, which can't be taken back and knows no options. */
function throughNode(reason, { mode }) {
  const v8 = require('node:v8');
  if (mode === 'fork' || v8.setHeapSnapshotNearHeapLimit === undefined) {
    throw failure('ERR_STILLHEAP_UNSUPPORTED', `The heap limit can't be watched here: ${reason}`);
  }
  v8.setHeapSnapshotNearHeapLimit(1);
  return { armed: true, cancel: () => false };
}

module.exports = { arm };
