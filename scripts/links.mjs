// Links between the documents: every relative link leads to a file that exists and to a heading in it, and every document
// in docs/ is in docs/SUMMARY.md.
//
//   node scripts/links.mjs

import { existsSync, readFileSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { report } from './problems.mjs';

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const documents = [
  ...['README.md', 'ARCHITECTURE.md', 'CONTRIBUTING.md', 'CHANGELOG.md', 'SECURITY.md'],
  ...['examples/subscriptions/README.md', 'gallery/README.md'],
  ...readdirSync(path.join(root, 'docs'))
    .filter((name) => name.endsWith('.md'))
    .map((name) => `docs/${name}`),
];
const read = (file) => readFileSync(path.join(root, file), 'utf8');
/** Without examples of code, in which brackets mean something else. */
const prose = (text) =>
  text
    .replace(/^```[\s\S]*?^```/gm, '')
    .replace(/^ {4}.*$/gm, '')
    .replace(/`[^`\n]*`/g, '');

/** The anchor that GitHub gives a heading. */
const anchor = (heading) =>
  heading
    .toLowerCase()
    .replace(/[^\p{L}\p{N} _-]/gu, '')
    .replaceAll(' ', '-');
const anchors = (file) => [...read(file).matchAll(/^#+ (.+)$/gm)].map(([, heading]) => anchor(heading));

export function problems() {
  const found = [];
  for (const file of documents) {
    const links = [...prose(read(file)).matchAll(/\]\(([^)\s]+)\)|(?:src|srcset)="([^"]+)"/g)];
    for (const [, markdown, html] of links) {
      const link = markdown ?? html;
      if (/^[a-z]+:/.test(link)) continue;
      const [target, fragment] = link.split('#');
      const to = target === '' ? file : path.join(path.dirname(file), target);
      if (!existsSync(path.join(root, to))) found.push(`${file}: ${link} leads nowhere`);
      else if (fragment && to.endsWith('.md') && !anchors(to).includes(fragment))
        found.push(`${file}: ${to} has no heading #${fragment}`);
    }
  }
  const summary = read('docs/SUMMARY.md');
  for (const file of documents) {
    if (!file.startsWith('docs/') || file === 'docs/SUMMARY.md') continue;
    if (!summary.includes(`(${file.slice('docs/'.length)})`)) found.push(`docs/SUMMARY.md lacks ${file}`);
  }
  return found;
}

export const main = () => report(problems());

if (process.argv[1] === fileURLToPath(import.meta.url)) process.exitCode = main() ? 0 : 1;
