// Makes a checkout ready: npm packages as locked, then the addon in release mode. Quick when nothing changed.

import { spawnSync } from 'node:child_process';
import { existsSync, statSync } from 'node:fs';
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

/** Both binaries: the addon, and the analysis, which it loads only when it is asked for. */
export function build() {
  const napi = (...args) =>
    run(process.execPath, [
      path.join(root, 'node_modules/@napi-rs/cli/dist/cli.js'),
      ...['build', '--platform', '--release', '--no-js', '--output-dir', '.', ...args],
    ]);
  napi('--dts', 'binding.d.ts');
  napi(
    '--manifest-path',
    'analysis/Cargo.toml',
    '--config-path',
    'analysis/napi.json',
    '--dts',
    'analysis/binding.d.ts',
  );
}

export function setup() {
  npmInstall();
  build();
}

if (process.argv[1] === fileURLToPath(import.meta.url)) setup();
