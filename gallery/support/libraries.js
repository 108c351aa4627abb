'use strict';

// Libraries that the project itself doesn't depend on: those of a folder's package.json, as its lock file has them,
// installed (by install.mjs) into a folder of their own under .cache. Here: those of the gallery's programs.

const { createHash } = require('node:crypto');
const { readFileSync } = require('node:fs');
const { createRequire } = require('node:module');
const path = require('node:path');

const root = path.join(__dirname, '../..');

/** The libraries of `source`, a folder with package.json and lock file. */
function librariesOf(source, name) {
  /** Where they are, or belong: another lock file has another folder. */
  function folder() {
    const lock = readFileSync(path.join(source, 'package-lock.json'));
    const key = createHash('sha256').update(lock).digest('hex').slice(0, 12);
    return path.join(root, '.cache', `${name}-${key}`);
  }

  /** One of the libraries. */
  function library(wanted) {
    try {
      return createRequire(path.join(folder(), 'package.json'))(wanted);
    } catch (error) {
      if (error.code !== 'MODULE_NOT_FOUND') throw error;
      throw new Error(`${wanted} is not installed: run 'node gallery/support/install.mjs' first`, {
        cause: error,
      });
    }
  }

  return { folder, library, source };
}

/** The libraries of one program of published/: `require` for those of the package.json beside it. */
function libraries(source) {
  const { folder } = publishedBy(source);
  return createRequire(path.join(folder(), 'package.json'));
}

/** What installLibraries wants for the program in a folder of published/. */
const publishedBy = (source) => librariesOf(source, `published-${path.basename(source)}`);

module.exports = {
  ...librariesOf(path.join(root, 'gallery/libraries'), 'gallery-libraries'),
  librariesOf,
  libraries,
  publishedBy,
};
