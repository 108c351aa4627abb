// Measured figures in README.md come from one place: benchmark/figures.json names each, with the record and the lines of it
// that it is taken from. This check fails if a record or line is gone, if a document has lost or changed a figure, if README has
// a figure with a unit that the list doesn't know, and if benchmark/record has more than one record of a kind.
//
//   node scripts/figures.mjs

import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { report } from './problems.mjs';

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const read = (file) => readFileSync(path.join(root, file), 'utf8');
/** Lines of a document may end within a figure. */
const flat = (text) => text.replace(/\s+/g, ' ');

/** Figures in README that nobody measured: limits that the code has, and examples of output. */
const stated = {
  '64 GiB': ['crates/snapshot/src/limits.rs', '64 << 30'],
  '4 GB': ['crates/mcp/src/store.rs', '4_000_000_000'],
  '64 MB': ['src/near_limit/mod.rs', 'RAISE: usize = 64 << 20'],
  '16 bytes': ['lib/assert-no-leak.js', 'const smallest = 16'],
  '10.3 MB': ['README.md', 'stillheap: wrote'],
  '2 ms': ['README.md', 'paused 2 ms'],
};

const unit = /\d[\d.,]*(?: to [\d.,]+)? (?:ms|µs|s|kB|MB|GB|KiB|MiB|GiB|bytes|%|times)(?![\w])/g;

export function problems() {
  const found = [];
  const figures = JSON.parse(read('benchmark/figures.json'));
  for (const [name, { text, record, evidence, files }] of Object.entries(figures)) {
    let content = '';
    try {
      content = read(path.join('benchmark/record', record));
    } catch {
      found.push(`${name}: there is no record ${record}`);
      continue;
    }
    for (const line of evidence) {
      if (!content.includes(line)) found.push(`${name}: ${record} doesn't say "${line}"`);
    }
    for (const file of files) {
      if (!flat(read(file)).includes(text)) found.push(`${name}: ${file} doesn't say "${text}"`);
    }
  }
  const known = new Set(Object.values(figures).map(({ text }) => text));
  for (const [text] of flat(read('README.md')).matchAll(unit)) {
    if (known.has(text)) continue;
    const source = stated[text];
    if (source === undefined)
      found.push(`README.md says "${text}", which benchmark/figures.json doesn't have`);
    else if (!read(source[0]).includes(source[1])) found.push(`"${text}": ${source[0]} doesn't say that`);
  }
  const kinds = new Map();
  for (const file of readdirSync(path.join(root, 'benchmark/record'))) {
    const kind = /^\d{4}-\d\d-\d\d-(.+)$/.exec(file)?.[1];
    if (kind === undefined) found.push(`benchmark/record/${file}: names are DATE-KIND.md and .json`);
    else if (kinds.has(kind))
      found.push(`benchmark/record: ${kinds.get(kind)} and ${file}; keep the last one`);
    kinds.set(kind, file);
  }
  return found;
}

export const main = () => report(problems());

if (process.argv[1] === fileURLToPath(import.meta.url)) process.exitCode = main() ? 0 : 1;
