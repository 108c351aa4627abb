// The licences of the crates that the binaries contain: only permissive ones are allowed, and their texts go into
// THIRD-PARTY-NOTICES.txt, which every package carries since most of them ask for that. The file is made anew with
// each build and not committed, so it can't be out of date.
//
//   node scripts/licences.mjs           writes the notices
//   node scripts/licences.mjs --check   only fails if a licence is not allowed

import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const target = path.join(root, 'THIRD-PARTY-NOTICES.txt');

/** Also in deny.toml. */
const ALLOWED = new Set([
  ...[
    'MIT',
    'MIT-0',
    'Apache-2.0',
    'Apache-2.0 WITH LLVM-exception',
    'BSD-2-Clause',
    'BSD-3-Clause',
    'BSL-1.0',
  ],
  ...['CC0-1.0', 'ISC', '0BSD', 'Unicode-3.0', 'Unlicense', 'Zlib', 'BSD-1-Clause'],
]);

/** Whether an SPDX expression can be met with allowed licences alone. */
function allowed(expression) {
  // `A/B` is an old form of `A OR B`. No crate nests further than one pair of parentheses.
  const flat = expression.replaceAll('/', ' OR ');
  const inner = flat.replace(/\(([^()]*)\)/g, (_, part) => (allowed(part) ? 'MIT' : 'none'));
  return inner
    .split(' OR ')
    .some((choice) => choice.split(' AND ').every((licence) => ALLOWED.has(licence.trim())));
}

/** The crates from the registry that are linked into what we publish; no build scripts, no tests. */
function linked() {
  const options = [
    'metadata',
    '--format-version',
    '1',
    '--locked',
    '--manifest-path',
    path.join(root, 'Cargo.toml'),
  ];
  const { packages, resolve } = JSON.parse(
    execFileSync('cargo', options, {
      encoding: 'utf8',
      maxBuffer: 1e9,
      stdio: ['ignore', 'pipe', 'inherit'],
    }),
  );
  const byId = new Map(packages.map((one) => [one.id, one]));
  const nodes = new Map(resolve.nodes.map((node) => [node.id, node]));
  const published = new Set(['stillheap', 'stillheap-analysis-addon', 'stillheap-cli']);
  const seen = new Set();
  const open = packages
    .filter(({ name, source }) => source === null && published.has(name))
    .map(({ id }) => id);
  while (open.length > 0) {
    const id = open.pop();
    if (seen.has(id)) continue;
    seen.add(id);
    for (const { pkg, dep_kinds: kinds } of nodes.get(id).deps) {
      if (kinds.some(({ kind }) => kind === null)) open.push(pkg);
    }
  }
  return [...seen].map((id) => byId.get(id)).filter(({ source }) => source !== null);
}

function texts({ manifest_path: manifest }) {
  const folder = path.dirname(manifest);
  return readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.isFile() && /^(licen[cs]e|copying|notice|unlicense)/i.test(entry.name))
    .map(({ name }) => readFileSync(path.join(folder, name), 'utf8').replaceAll('\r\n', '\n').trim());
}

/** Equal texts once, with the crates that they belong to. */
function notices(crates) {
  const owners = new Map();
  const key = (text) => text.replace(/\s+/g, ' ');
  const bodies = new Map();
  for (const one of crates) {
    const found = texts(one);
    const own =
      found.length > 0
        ? found
        : [`Licence: ${one.license}. Authors: ${one.authors.join(', ') || 'not named'}.`];
    for (const text of own) {
      bodies.set(key(text), bodies.get(key(text)) ?? text);
      owners.set(key(text), [...(owners.get(key(text)) ?? []), `${one.name} ${one.version}`]);
    }
  }
  const sections = [...owners].map(([text, names]) => `${names.sort().join(', ')}\n\n${bodies.get(text)}\n`);
  const rule = `\n${'-'.repeat(78)}\n\n`;
  const list = crates.map(({ name, version, license }) => `${name} ${version}: ${license}`).sort();
  return [
    'The binaries of stillheap contain these crates. Made by scripts/licences.mjs; do not edit.\n',
    `${list.join('\n')}\n`,
    ...sections.sort(),
  ].join(rule);
}

const crates = linked();
const wrong = crates.filter(({ license }) => license === null || !allowed(license));
for (const { name, version, license } of wrong)
  console.error(`${name} ${version}: ${license} is not allowed`);
if (wrong.length > 0) process.exitCode = 1;
else if (!process.argv.includes('--check')) writeFileSync(target, notices(crates));
