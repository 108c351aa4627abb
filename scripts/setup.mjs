// Makes a checkout ready: npm packages as locked, then both binaries. Quick when nothing changed.
//
//   node scripts/setup.mjs              as the tests have them
//   node scripts/setup.mjs --release    optimised: `npm run build`

import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));

/** Runs a command in the checkout, its output shown; ends this process if it fails. */
export function run(command, args, options = {}) {
  const { status, error } = spawnSync(command, args, { cwd: root, stdio: 'inherit', ...options });
  if (error) {
    console.error(`Could not run ${command}: ${error.message}`);
    process.exit(1);
  }
  if (status !== 0) {
    console.error(`\n'${[command, ...args].join(' ')}' failed.`);
    process.exit(status ?? 1);
  }
}

export function npmInstall() {
  const installed = path.join(root, 'node_modules/.package-lock.json');
  const lock = path.join(root, 'package-lock.json');
  if (existsSync(installed) && statSync(installed).mtimeMs >= statSync(lock).mtimeMs) return;
  run('npm', ['ci', '--no-audit', '--no-fund', '--ignore-scripts', '--loglevel=error']);
}

/** Says how the binaries of this checkout were built: `dev` or `release`. */
const built = path.join(root, 'target/binaries-profile');

/**
 * Both binaries: the addon, and the analysis, which it loads only when it is asked for. `dev` shares every crate with
 * `cargo test --workspace`, so that the tests of a fresh clone compile nothing twice; the features of the crates are those
 * of the whole workspace for that reason. `release` is what benchmarks measure.
 */
export function build(profile) {
  const napi = (other, ...args) =>
    run(process.execPath, [
      path.join(root, 'node_modules/@napi-rs/cli/dist/cli.js'),
      ...['build', '--platform', '--no-js', '--output-dir', '.', ...args],
      ...(profile === 'release' ? ['--release'] : []),
      ...(profile === 'dev' ? ['--', '--workspace', '--exclude', other] : []),
    ]);
  rmSync(built, { force: true });
  napi('stillheap-analysis-addon', '--dts', 'binding.d.ts');
  napi(
    'stillheap',
    ...['--manifest-path', 'analysis/Cargo.toml', '--config-path', 'analysis/napi.json'],
    ...['--dts', 'analysis/binding.d.ts'],
  );
  writeFileSync(built, profile);
}

/** Fails if the binaries are those of the tests, which are slower: for whatever measures. */
export function requireRelease() {
  if (existsSync(built) && readFileSync(built, 'utf8') === 'release') return;
  throw new Error('The binaries of this checkout are not optimised for speed. Run `npm run build` first.');
}

export function setup(profile = 'dev') {
  npmInstall();
  build(profile);
}

if (process.argv[1] === fileURLToPath(import.meta.url))
  setup(process.argv.includes('--release') ? 'release' : 'dev');
