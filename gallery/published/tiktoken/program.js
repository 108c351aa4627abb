'use strict';

// dqbd/tiktoken#35: each prompt is counted with an encoder of its own.

const { libraries } = require('../../support/libraries.js');
const { traffic } = require('../../support/traffic.js');

const { get_encoding: getEncoding } = libraries(__dirname)('@dqbd/tiktoken');

function countTokens() {
  const encoder = getEncoding('gpt2');
  const { length } = encoder.encode('How many tokens has this prompt?');
  if (process.env.GALLERY_MENDED) encoder.free();
  return length;
}

traffic(countTokens, { warmUp: 3, calls: 6 });
