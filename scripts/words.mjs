// The language of sources and documents: phrases that plain technical English does without. Most of them are idioms carried
// over from another language, or leave open who does something. docs/glossary.md has the words that are used instead.
//
//   node scripts/words.mjs    prints each place; fails if there is one

import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));

/** Phrase → what to write. Words are matched whole, over line ends, in any case. */
export const banned = {
  'of ours': "stillheap's, or the name of the thread, file or type",
  'for ever': 'without a limit; always',
  'to be had': 'available',
  'can be had': 'works; is available',
  whoever: 'the caller, the reader, the user',
  lest: 'so that … not',
  befell: 'happened to',
  befalls: 'happens to',
  'as well as may be': 'with best effort',
  'that is to say': 'nothing',
  "haven't got": 'lack',
  'how-many': 'the number of',
  'how-manieth': 'the sequence number, starting at 1',
  'in vain': 'without result',
  'what came of': 'the result of',
  'what became of': 'the result of',
  'what becomes of': 'the result of',
  'at hand': 'known; current; found',
  'if need be': 'optional; if missing',
  'is to blame': 'is the cause',
  'by decree': 'by definition',
  'sees to it': 'ensures',
  'come to nothing': 'fail',
  'for those who': 'for users who',
  'nothing of it': 'none of it',
  'as it were': 'nothing',
  'SAFETY: as above': 'the invariant, and where it is established',
};

const pattern = new RegExp(
  `(?<![\\w-])(?:${Object.keys(banned)
    .map((phrase) => phrase.replaceAll(' ', String.raw`(?:\s|//[/!]?|\*)+`))
    .join('|')})(?![\\w-])`,
  'gi',
);

/** Other people's words, records of measurements, and this list. */
const excluded =
  /(^|\/)(fixtures|vendor|node_modules|record)\/|^(LICENSE|Cargo\.lock|package-lock\.json|scripts\/words\.mjs)$|^fuzz\/Cargo\.lock$/;
const text = /\.(rs|js|mjs|cjs|ts|mts|md|toml|yml|html|css)$/;

/** `{ file, line, phrase }` of each place in a text. */
export function find(file, content) {
  return [...content.matchAll(pattern)].map(({ 0: found, index }) => ({
    file,
    line: content.slice(0, index).split('\n').length,
    phrase: found.replace(/[\s/!*]+/g, ' ').replace('SAFETY:as', 'SAFETY: as'),
  }));
}

export function main() {
  const files = execFileSync('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], {
    cwd: root,
    encoding: 'utf8',
  });
  const chosen = files.split('\0').filter((file) => text.test(file) && !excluded.test(file));
  let wrong = 0;
  for (const file of chosen) {
    let content;
    try {
      content = readFileSync(path.join(root, file), 'utf8');
    } catch (error) {
      // Deleted and not committed yet.
      if (error.code === 'ENOENT') continue;
      throw error;
    }
    for (const { line, phrase } of find(file, content)) {
      const key = Object.keys(banned).find((one) => one.toLowerCase() === phrase.toLowerCase());
      console.error(`${file}:${line}: "${phrase}"; write: ${banned[key]}`);
      wrong += 1;
    }
  }
  if (chosen.length < 100) throw new Error(`only ${chosen.length} files were found`);
  return wrong === 0;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) process.exitCode = main() ? 0 : 1;
