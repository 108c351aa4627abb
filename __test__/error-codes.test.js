'use strict';

// Every error code that the sources have is explained: those of captures in README, the others in docs/json-schema.md.

const assert = require('node:assert/strict');
const { readdirSync, readFileSync } = require('node:fs');
const path = require('node:path');
const { root } = require('./support/child.js');
const { test } = require('./support/test.js');

const read = (name) => readFileSync(path.join(root, name), 'utf8');

function* sources(folder) {
  for (const entry of readdirSync(path.join(root, folder), { withFileTypes: true })) {
    const name = path.join(folder, entry.name);
    if (entry.isDirectory()) yield* sources(name);
    else if (/\.(rs|js)$/.test(name) && !/(^|\/)tests\//.test(name)) yield name;
  }
}

test('every error code is explained', () => {
  const used = new Map();
  for (const folder of ['src', 'lib', 'bin', 'analysis/src', 'crates']) {
    for (const file of sources(folder)) {
      for (const [code] of read(file).matchAll(/ERR_STILLHEAP_[A-Z0-9_]+(?=['"])/g)) used.set(code, file);
    }
  }
  assert.ok(used.size > 30, `${used.size} codes`);
  const explained = new Set();
  const line = (text) => text.split('\n').filter((one) => one.startsWith('| `'));
  for (const row of line(read('README.md').split('### Errors')[1].split('\n## ')[0])) {
    // `ERR_STILLHEAP_A`, `_B` | …
    for (const [, prefix, code] of row.split(' | ')[0].matchAll(/`(ERR_STILLHEAP)?_([A-Z0-9_]+)`/g)) {
      explained.add(`ERR_STILLHEAP_${code}`);
      assert.ok(prefix !== undefined || row.includes('ERR_STILLHEAP_'), row);
    }
  }
  for (const row of line(read('docs/json-schema.md').split('### Error codes')[1].split('\n## ')[0])) {
    for (const [, code] of row.split(' | ')[0].matchAll(/`([A-Z0-9_]+)`/g))
      explained.add(`ERR_STILLHEAP_${code}`);
  }
  for (const [code, file] of used) assert.ok(explained.has(code), `${code} (${file}) is explained nowhere`);
  for (const code of explained) assert.ok(used.has(code), `${code} is explained, but no source has it`);
});
