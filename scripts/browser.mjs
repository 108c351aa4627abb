// Finds the browser that the report's tests drive, and installs Debian's where there is none and this process may.

import { spawnSync } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import path from 'node:path';

const NAMES = ['chromium', 'chromium-browser', 'google-chrome-stable', 'google-chrome'];

function onPath() {
  for (const folder of (process.env.PATH ?? '').split(path.delimiter)) {
    for (const name of NAMES) {
      const file = path.join(folder, name);
      try {
        accessSync(file, constants.X_OK);
        return file;
      } catch {
        // The next one, then.
      }
    }
  }
  return undefined;
}

function install() {
  if (process.platform !== 'linux' || process.getuid() !== 0) return;
  const apt = (...args) =>
    spawnSync('apt-get', ['-qq', ...args], {
      stdio: ['ignore', 'ignore', 'inherit'],
      env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
    });
  console.log('Installing chromium for the tests of the report …');
  apt('update');
  apt('install', '--yes', '--no-install-recommends', 'chromium');
}

/** Path of a Chromium; STILLHEAP_TEST_BROWSER names one that is elsewhere. */
export function browser() {
  const named = process.env.STILLHEAP_TEST_BROWSER;
  if (named) return named;
  const found = onPath();
  if (found) return found;
  install();
  const installed = onPath();
  if (installed) return installed;
  throw new Error(
    'The tests of the report need Chromium: install it (apt-get install chromium), or name one in STILLHEAP_TEST_BROWSER.',
  );
}
