#!/usr/bin/env node

// The command line. The work is done by the analysis binary, off this thread; index.js stays out of it: it would
// install the signal's handler into this process.

const path = require('node:path');
const { runCli } = require('../lib/analysis.js');

// `watch -- COMMAND` loads it into what it starts.
process.env.STILLHEAP_PACKAGE = path.dirname(__dirname);

runCli(process.argv.slice(2)).then(
  (outcome) => {
    const { result, error } = JSON.parse(outcome);
    if (error) fail(error.message);
    else process.exitCode = result;
  },
  (error) => fail(error.message),
);

function fail(message) {
  process.exitCode = 2;
  console.error(`stillheap: ${message}`);
}
