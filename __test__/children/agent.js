'use strict';

// Runs the functions that a test sends. `node agent.js MODULE`, or `-` to load nothing yet.

const fs = require('node:fs');
const path = require('node:path');

const [, , module_] = process.argv;

const tools = {
  fs,
  path,
  require,
  /** What a test wants to be kept from one call to the next. */
  keep: {},
  stillheap: module_ === '-' ? undefined : require(module_),
  send: (name, data) => process.send({ name, data: data ?? null }),
  files: (directory = '.') => fs.readdirSync(directory).sort(),
  describe,
};

/** An error as it can travel. */
function describe(error) {
  if (!(error instanceof Error)) return { name: 'not an Error', message: String(error), thrown: error };
  const { name, message, code, errno, syscall, path: file } = error;
  const isTypeError = error instanceof TypeError;
  return { name, message, code, errno, syscall, path: file, isTypeError };
}

process.on('message', async ({ id, source, argument, release }) => {
  if (release) return process.disconnect();
  let answer;
  try {
    // biome-ignore lint/security/noGlobalEval: running what the test sends is this child's purpose
    const body = globalThis.eval(`(${source})`);
    answer = { id, result: (await body(tools, argument)) ?? null };
  } catch (error) {
    answer = { id, error: describe(error) };
  }
  process.send(answer);
});

tools.send('ready');
