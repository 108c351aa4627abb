// `npm run build:release`: what is published for linux-x64, built on any Linux x64 machine.
//
// - both binaries of the addon, which need no newer glibc than Node's own official builds (2.28);
// - `stillheap`, linked statically, for containers without Node, at dist/stillheap-linux-x64.
//
// `__test__/release.test.js` looks at the result: symbol versions, and the command line in an empty root.
//
// The C compiler and linker is zig, which has the symbol versions of every glibc: PyPI's `ziglang` and
// `cargo-zigbuild`, installed into .cache/zig. Other platforms: .github/workflows/release.yml.

import { copyFileSync, existsSync, mkdirSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { npmInstall, root, run } from './setup.mjs';

/** Node 20 to 26's official binaries need it (BUILDING.md of Node). */
export const OLDEST_GLIBC = '2.28';
const PYTHON = ['ziglang==0.15.2', 'cargo-zigbuild==0.24.1'];
const TARGET = 'x86_64-unknown-linux-gnu';
const cache = path.join(root, '.cache/zig');

function tools() {
  const bin = path.join(cache, 'bin');
  if (!existsSync(path.join(bin, 'cargo-zigbuild'))) {
    run('python3', ['-m', 'pip', 'install', '--quiet', '--no-deps', '--target', cache, ...PYTHON]);
  }
  return { ...process.env, PYTHONPATH: cache, PATH: `${bin}${path.delimiter}${process.env.PATH}` };
}

function cargo(env, command, ...args) {
  run('cargo', [command, '--release', '--locked', '--target-dir', 'target/release-linux', ...args], { env });
}

function main() {
  npmInstall();
  const env = tools();
  const built = path.join(root, 'target/release-linux', TARGET, 'release');
  cargo(
    env,
    'zigbuild',
    '--target',
    `${TARGET}.${OLDEST_GLIBC}`,
    '-p',
    'stillheap',
    '-p',
    'stillheap-analysis-addon',
  );
  mkdirSync(path.join(root, 'dist'), { recursive: true });
  for (const [library, name] of [
    ['libstillheap.so', 'stillheap.linux-x64-gnu.node'],
    ['libstillheap_analysis_addon.so', 'stillheap-analysis.linux-x64-gnu.node'],
  ]) {
    copyFileSync(path.join(built, library), path.join(root, 'dist', name));
  }
  // No other libc than the one that is linked in: glibc's static libraries are those of this machine.
  const flags = { ...process.env, RUSTFLAGS: '-C target-feature=+crt-static -C relocation-model=static' };
  cargo(flags, 'build', '--target', TARGET, '-p', 'stillheap-cli', '--bin', 'stillheap');
  copyFileSync(path.join(built, 'stillheap'), path.join(root, 'dist/stillheap-linux-x64'));
  run(process.execPath, ['scripts/licences.mjs']);
  run(process.execPath, ['--test', '__test__/release.test.js']);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) main();
