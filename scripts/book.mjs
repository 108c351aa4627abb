// The documents as a site: mdBook makes it of what docs/SUMMARY.md lists, and every link in it is followed.
//
//   node scripts/book.mjs            builds into .cache/book/site; fails if a link in it leads nowhere
//   MDBOOK=/path/to/mdbook           uses that one instead of installing version `version` into .cache/mdbook
//
// `npm test -- book` does the same. `npm test` alone builds the site only where mdBook is there already: compiling it takes
// two minutes on two cores. Step `links` follows the links of the documents themselves, always.

import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const version = '0.5.4';
const work = path.join(root, '.cache/book');
const source = path.join(work, 'source');
const site = path.join(work, 'site');

function run(command, args) {
  const { status, error } = spawnSync(command, args, { cwd: root, stdio: ['ignore', 'inherit', 'inherit'] });
  if (error || status !== 0) throw new Error(`'${command} ${args.join(' ')}' failed: ${error ?? status}`);
}

const place = path.join(root, '.cache/mdbook');
const installed = path.join(place, 'bin', process.platform === 'win32' ? 'mdbook.exe' : 'mdbook');

/** Whether the site can be built without compiling mdBook first. */
export const ready = () => Boolean(process.env.MDBOOK) || existsSync(installed);

/** mdBook, compiled once per checkout. Without its server it has half of the dependencies. */
function mdbook() {
  if (process.env.MDBOOK) return process.env.MDBOOK;
  if (!existsSync(installed)) {
    run('cargo', [
      ...['install', 'mdbook', '--version', version, '--locked', '--debug', '--quiet'],
      ...['--no-default-features', '--features', 'search', '--root', place],
    ]);
  }
  return installed;
}

/** Where a file of the repository is when it is not in the book. */
function elsewhere(file) {
  const { repository } = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8'));
  return `${repository.url.replace(/^git\+|\.git$/g, '')}/blob/main/${file}`;
}

/** Copies the pages and pictures, at the paths that they have in the repository, so that their links hold. */
function stage() {
  rmSync(work, { recursive: true, force: true });
  mkdirSync(source, { recursive: true });
  const summary = readFileSync(path.join(root, 'docs/SUMMARY.md'), 'utf8');
  const moved = (link) => path.posix.normalize(path.posix.join('docs', link));
  const pages = [...summary.matchAll(/\]\(([^)]+)\)/g)].map(([, link]) => moved(link));
  writeFileSync(
    path.join(source, 'SUMMARY.md'),
    summary.replace(/\]\(([^)]+)\)/g, (_, link) => `](${moved(link)})`),
  );
  for (const page of pages) {
    const text = readFileSync(path.join(root, page), 'utf8');
    const inBook = (link) => {
      if (/^([a-z]+:|#)/.test(link)) return link;
      const [target, fragment] = link.split('#');
      const file = path.posix.join(path.posix.dirname(page), target);
      if (!pages.includes(file)) return elsewhere(file);
      // mdBook calls the page of a README index.html, and does not say so to the links.
      return `${target.replace(/README\.md$/, 'index.md')}${fragment === undefined ? '' : `#${fragment}`}`;
    };
    mkdirSync(path.join(source, path.dirname(page)), { recursive: true });
    writeFileSync(
      path.join(source, page),
      text.replace(/\]\(([^)\s]+)\)/g, (_, link) => `](${inBook(link)})`),
    );
  }
  cpSync(path.join(root, 'docs/images'), path.join(source, 'docs/images'), { recursive: true });
  writeFileSync(
    path.join(work, 'book.toml'),
    [
      '[book]',
      'title = "stillheap"',
      'src = "source"',
      'language = "en"',
      '[build]',
      'build-dir = "site"',
      'create-missing = false',
      '[output.html]',
      'preferred-dark-theme = "navy"',
      `git-repository-url = "${elsewhere('').replace(/\/blob\/main\/$/, '')}"`,
      '',
    ].join('\n'),
  );
}

function files(folder) {
  return readdirSync(folder, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile())
    .map((entry) => path.join(entry.parentPath ?? entry.path, entry.name));
}

/** Links of the site that lead to no file, or to no heading of it. */
export function broken(folder) {
  const pages = files(folder).filter((file) => file.endsWith('.html'));
  const texts = new Map(pages.map((file) => [file, readFileSync(file, 'utf8')]));
  const found = [];
  for (const [file, text] of texts) {
    // The page for addresses that don't exist has links from the site's root.
    if (path.basename(file) === '404.html') continue;
    for (const [, link] of text.matchAll(/\s(?:href|src|srcset)="([^"]*)"/g)) {
      if (/^([a-z]+:|$)/.test(link)) continue;
      const [target, fragment] = link.replaceAll('&amp;', '&').split('#');
      let to = target === '' ? file : path.resolve(path.dirname(file), decodeURIComponent(target));
      if (target.endsWith('/')) to = path.join(to, 'index.html');
      const name = path.relative(folder, file);
      if (!existsSync(to)) found.push(`${name}: ${link} leads nowhere`);
      else if (fragment && texts.has(to) && !texts.get(to).includes(` id="${decodeURIComponent(fragment)}"`))
        found.push(`${name}: ${link} leads to no heading`);
    }
  }
  if (pages.length < 10) found.push(`only ${pages.length} pages were made`);
  return found;
}

export function main() {
  stage();
  run(mdbook(), ['build', work]);
  const wrong = broken(site);
  for (const problem of wrong) console.error(problem);
  return wrong.length === 0;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) process.exitCode = main() ? 0 : 1;
