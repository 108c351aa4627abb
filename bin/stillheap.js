#!/usr/bin/env node

// The command line. The work is done by the analysis binary, off this thread; index.js stays out of it: it would
// install the signal's handler into this process.

const path = require('node:path');
const { runCli } = require('../lib/analysis.js');
const { argumentsOf } = require('../lib/bytes.js');

// `watch -- COMMAND` loads it into what it starts.
process.env.STILLHEAP_PACKAGE = path.dirname(__dirname);

// Instead of Node's own handler, which the binary's could not return to: Node's raises the signal again. The binary
// handles these signals; without it they would do nothing, so that the listeners come just before it runs.
function leaveSignals() {
  if (process.platform === 'win32') return;
  for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => {});
}

const given = process.argv.slice(2);
const args = argumentsOf(given);
const lost = args.indexOf(undefined);
if (lost >= 0) {
  fail(
    `the argument '${given[lost]}' is not UTF-8, and Node does not hand it over; the binary stillheap, which \`npm run build:release\` makes, takes it`,
  );
} else run();

function run() {
  leaveSignals();
  runCli(args).then(
    (outcome) => {
      const { result, error } = JSON.parse(outcome);
      if (error) fail(error.message);
      else process.exitCode = result;
    },
    (error) => fail(error.message),
  );
}

function fail(message) {
  process.exitCode = 2;
  console.error(`stillheap: ${message}`);
}
