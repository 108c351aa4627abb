'use strict';

// The addon, found by the loader that napi-rs generates.

const { failure } = require('./errors.js');

function load() {
  try {
    return require('../binding.js');
  } catch (cause) {
    const platform = `${process.platform}-${process.arch}`;
    throw failure(
      'ERR_STILLHEAP_BINARY_MISSING',
      `stillheap's binary for ${platform} could not be loaded. Prebuilt ones come as optional dependencies ` +
        `(stillheap-${platform}…): reinstall with 'npm install --include=optional stillheap' on the machine ` +
        `(or in the image) that runs it, without copying node_modules from another platform. ` +
        `From a checkout, run 'npm run build'. The loader said: ${cause.message}`,
      cause,
    );
  }
}

module.exports = load();
