// `npm run build:release`: what is published for linux-x64, built on any Linux x64 machine.
//
// - both binaries of the addon, which need no newer glibc than Node's own official builds (2.28);
// - `stillheap`, linked statically, for containers without Node, at dist/stillheap-linux-x64.
//
// `__test__/release.test.js` looks at the result: symbol versions, and the command line in an empty root.
//
// The C compiler and linker is zig, which has the symbol versions of every glibc: PyPI's `ziglang` and
// `cargo-zigbuild`, installed into .cache/zig. Other platforms: .github/workflows/release.yml.

import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { npmInstall, root, run } from './setup.mjs';

/** Node 20 to 26's official binaries need it (BUILDING.md of Node). */
export const OLDEST_GLIBC = '2.28';
export const PYTHON = ['ziglang==0.15.2', 'cargo-zigbuild==0.24.1'];
const TARGET = 'x86_64-unknown-linux-gnu';
const cache = path.join(root, '.cache/zig');

/** What this machine lacks, as sentences that say what to install. */
export function missing({ platform, arch } = process, has = (...command) => succeeds(...command)) {
  if (platform !== 'linux' || arch !== 'x64') {
    return [`This builds for linux-x64 on linux-x64 only, and this is ${platform}-${arch}.`];
  }
  const found = [];
  if (!has('cargo', '--version')) found.push('Rust is missing: https://rustup.rs has it.');
  if (!existsSync(path.join(cache, 'bin/cargo-zigbuild')) && !has('python3', '-m', 'pip', '--version')) {
    found.push(
      `Python 3 with pip is missing, from which zig comes (${PYTHON.join(', ')}): apt install python3-pip, or the like.`,
    );
  }
  if (!has('cc', '--version') || !has('strip', '--version'))
    found.push('A C compiler or `strip` is missing: apt install build-essential, or the like.');
  return found;
}

function succeeds(command, ...args) {
  return spawnSync(command, args, { stdio: 'ignore' }).status === 0;
}

/** Whether glibc can be linked statically: its static library comes with its headers. */
function staticLibc() {
  return ['/usr/lib', '/usr/lib64', '/usr/lib/x86_64-linux-gnu'].some(
    (folder) => existsSync(folder) && readdirSync(folder).includes('libc.a'),
  );
}

function tools() {
  const bin = path.join(cache, 'bin');
  if (!existsSync(path.join(bin, 'cargo-zigbuild'))) {
    run('python3', ['-m', 'pip', 'install', '--quiet', '--no-deps', '--target', cache, ...PYTHON]);
  }
  return { ...process.env, PYTHONPATH: cache, PATH: `${bin}${path.delimiter}${process.env.PATH}` };
}

function cargo(env, command, ...args) {
  run('cargo', [command, '--profile', 'dist', '--locked', '--target-dir', 'target/release-linux', ...args], {
    env,
  });
}

/** Into dist/, without the debug information that stays whatever cargo asks the linker for. */
function strip(file, name) {
  run('strip', ['-o', path.join(root, 'dist', name), file]);
}

function main() {
  const lacks = missing();
  if (!staticLibc())
    lacks.push('glibc has no static library here (libc.a): apt install libc6-dev, or the like.');
  if (lacks.length > 0) {
    for (const line of lacks) console.error(line);
    process.exitCode = 1;
    return;
  }
  npmInstall();
  const env = tools();
  const built = path.join(root, 'target/release-linux', TARGET, 'dist');
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
    strip(path.join(built, library), name);
  }
  // No other libc than the one that is linked in: glibc's static libraries are those of this machine.
  const flags = { ...process.env, RUSTFLAGS: '-C target-feature=+crt-static -C relocation-model=static' };
  cargo(flags, 'build', '--target', TARGET, '-p', 'stillheap-cli', '--bin', 'stillheap');
  strip(path.join(built, 'stillheap'), 'stillheap-linux-x64');
  run(process.execPath, ['scripts/licences.mjs']);
  run(process.execPath, ['--test', '__test__/release.test.js']);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) main();
