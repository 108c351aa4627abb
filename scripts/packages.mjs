// The npm package of each platform, for both binaries, under dist/npm/{addon,analysis}/PLATFORM. Each carries the licences of
// the crates in its binary. The main package has no binary.
//
//   node scripts/packages.mjs                       the packages, with the binaries that this checkout has built
//   node scripts/packages.mjs --artifacts FOLDER    with the binaries of every target; one that is missing is an error

import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { root, run } from './setup.mjs';

const notices = 'THIRD-PARTY-NOTICES.txt';

/** Both sets of packages. They have the same platforms, so each needs a folder of its own. */
export const sets = [
  { name: 'addon', options: [] },
  { name: 'analysis', options: ['--config-path', 'analysis/napi.json'] },
];

export const folder = (set) => path.join('dist/npm', set.name);

function napi(...args) {
  run(process.execPath, [path.join(root, 'node_modules/@napi-rs/cli/dist/cli.js'), ...args], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
}

/** npm packs LICENSE by itself, and nothing else that `files` does not name. */
function addNotices(directory) {
  const file = path.join(directory, 'package.json');
  const manifest = JSON.parse(readFileSync(file, 'utf8'));
  manifest.files = [...new Set([...manifest.files, notices])];
  writeFileSync(file, `${JSON.stringify(manifest, null, 2)}\n`);
  for (const name of ['LICENSE', notices]) copyFileSync(path.join(root, name), path.join(directory, name));
  return manifest.main;
}

/** Makes the packages; gives back the folders of those that have their binary. */
export function make({ artifacts } = {}) {
  run(process.execPath, ['scripts/licences.mjs']);
  rmSync(path.join(root, 'dist/npm'), { recursive: true, force: true });
  const made = [];
  for (const set of sets) {
    const directory = folder(set);
    mkdirSync(path.join(root, directory), { recursive: true });
    napi('create-npm-dirs', ...set.options, '--npm-dir', directory);
    for (const platform of readdirSync(path.join(root, directory))) {
      const target = path.join(root, directory, platform);
      const binary = addNotices(target);
      const built = path.join(artifacts ?? root, binary);
      if (existsSync(built)) {
        copyFileSync(built, path.join(target, binary));
        made.push(target);
      } else if (artifacts !== undefined) {
        throw new Error(`${built} is missing`);
      }
    }
  }
  return made;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const at = process.argv.indexOf('--artifacts');
  const made = make(at < 0 ? {} : { artifacts: path.resolve(process.argv[at + 1]) });
  for (const directory of made) console.log(path.relative(root, directory));
}
