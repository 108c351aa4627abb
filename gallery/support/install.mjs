// Installs the libraries of a folder with package.json and lock file (those that programs of the gallery use), as
// locked, without scripts. Quick when they are there; several at a time don't get in each other's way.

import { execFileSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import gallery from './libraries.js';

export function installLibraries({ folder, source } = gallery) {
  const target = folder();
  if (existsSync(target)) return;
  mkdirSync(path.dirname(target), { recursive: true });
  const work = mkdtempSync(path.join(path.dirname(target), '.installing-'));
  try {
    for (const name of ['package.json', 'package-lock.json']) {
      copyFileSync(path.join(source, name), path.join(work, name));
    }
    execFileSync('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'], {
      cwd: work,
      stdio: ['ignore', 'ignore', 'inherit'],
    });
    renameSync(work, target);
  } catch (error) {
    // Another run may have been first.
    if (existsSync(target)) return;
    throw new Error(
      `The packages of ${source} could not be installed from the npm registry: ${error.message}`,
      {
        cause: error,
      },
    );
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) installLibraries();
