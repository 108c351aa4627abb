'use strict';

// Finds and loads a binary: beside the package (a checkout, or a bundle of binaries), or in the package for
// this platform, which npm installs as an optional dependency. The names are those that napi-rs gives.
// Small on purpose: the loader that napi-rs can generate took longer to load than the addon itself.

const { failure } = require('./errors.js');

/** The libc variants to try in order: a binary for another libc doesn't load, so nothing has to be detected. */
const variants = {
  linux: ['-gnu', '-musl'],
  win32: ['-msvc'],
};

/** Loads the binary of a name, or throws what to do; `problems` has what each place answered. */
function load(name) {
  const problems = [];
  for (const variant of variants[process.platform] ?? ['']) {
    const platform = `${process.platform}-${process.arch}${variant}`;
    for (const place of [`../${name}.${platform}.node`, `${name}-${platform}`]) {
      try {
        return require(place);
      } catch (error) {
        problems.push({ place, error });
      }
    }
  }
  const tried = problems.map(({ place, error }) => `${place}: ${String(error.message).split('\n')[0]}`);
  const error = failure(
    'ERR_STILLHEAP_BINARY_MISSING',
    `${advice(name, problems)} What was tried: ${tried.join('; ')}`,
  );
  error.problems = problems.map(({ error }) => error);
  throw error;
}

/** What to do. A binary that is there and does not load may need something else than to be installed. */
function advice(name, problems) {
  const platform = `${process.platform}-${process.arch}`;
  const missing = problems.every(({ error }) => error.code === 'MODULE_NOT_FOUND');
  const fault = missing
    ? `The binary ${name} for ${platform} is missing.`
    : `The binary ${name} for ${platform} is there, and the system does not load it: it is for another machine, for ` +
      'another C library or a newer one, or the file system or a security policy forbids running it.';
  return (
    `${fault} It comes prebuilt as an optional dependency (${name}-${platform}…): run ` +
    `'npm install --include=optional stillheap' on the machine, or in the image, that runs it, and don't copy ` +
    `node_modules from another platform. From a checkout, run 'npm run build'.`
  );
}

module.exports = { load };
