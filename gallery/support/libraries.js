'use strict';

// Libraries for the gallery's programs: those of gallery/libraries/package.json, as its lock file has them, in a
// folder of their own under .cache. The project itself depends on none of them.

const { createHash } = require('node:crypto');
const { readFileSync } = require('node:fs');
const { createRequire } = require('node:module');
const path = require('node:path');

const lock = path.join(__dirname, '../libraries/package-lock.json');

/** Where the libraries are, or belong: another lock file has another folder. */
function folder() {
  const key = createHash('sha256').update(readFileSync(lock)).digest('hex').slice(0, 12);
  return path.join(__dirname, '../../.cache', `gallery-libraries-${key}`);
}

/** One of the libraries. */
function library(name) {
  try {
    return createRequire(path.join(folder(), 'package.json'))(name);
  } catch (error) {
    if (error.code !== 'MODULE_NOT_FOUND') throw error;
    throw new Error(`${name} is not installed: run 'node gallery/support/install.mjs' first`, {
      cause: error,
    });
  }
}

module.exports = { folder, library };
