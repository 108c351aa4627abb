'use strict';

const { cpSync, mkdirSync, readdirSync, readFileSync, writeFileSync } = require('node:fs');
const path = require('node:path');
const { root } = require('./child.js');

/** Copies what the package consists of; `change` may alter its package.json. */
function copyPackage(directory, { change = (manifest) => manifest, binary = true } = {}) {
  const manifest = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8'));
  mkdirSync(directory, { recursive: true });
  for (const name of readdirSync(root)) {
    const wanted = /^(index\.(m?js|d\.m?ts)|binding\.(js|d\.ts)|lib|bin)$/.test(name);
    if (wanted || (binary && /^stillheap\..*\.node$/.test(name))) {
      cpSync(path.join(root, name), path.join(directory, name), { recursive: true });
    }
  }
  writeFileSync(path.join(directory, 'package.json'), JSON.stringify(change(manifest)));
  return directory;
}

module.exports = { copyPackage };
