// heapdump from npm, compiled for one Node major: into .cache/rivals, with the headers that the npm package of that
// Node's binary has, and npm's own node-gyp. Takes a C++ compiler, make and Python.

import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, realpathSync, rmSync } from 'node:fs';
import path from 'node:path';
import { nodeBinary, versions } from '../../scripts/node-versions.mjs';
import { npmInstall, rivals } from '../analysis/install.mjs';

export const heapdumpVersion = '0.3.15';

/** A folder with include/node of that release. */
function headers(version) {
  const folder = path.join(rivals, 'headers', version);
  if (existsSync(path.join(folder, 'include/node/node_api.h'))) return folder;
  mkdirSync(folder, { recursive: true });
  const name = `node-${process.platform}-${process.arch}@${version}`;
  execFileSync('npm', ['pack', name, '--silent', '--ignore-scripts'], { cwd: folder, stdio: 'pipe' });
  const tarball = readdirSync(folder).find((file) => file.endsWith('.tgz'));
  execFileSync('tar', ['-xzf', tarball, '--strip-components=1', 'package/include'], { cwd: folder });
  rmSync(path.join(folder, tarball));
  return folder;
}

function nodeGyp() {
  const npm = execFileSync('sh', ['-c', 'command -v npm'], { encoding: 'utf8' }).trim();
  return path.join(path.dirname(realpathSync(npm)), '../node_modules/node-gyp/bin/node-gyp.js');
}

/** The path of a heapdump that this major loads; throws what the compiler said where it can't be had. */
export function heapdump(major) {
  const folder = `heapdump-${major}`;
  npmInstall(folder, { heapdump: heapdumpVersion });
  const module_ = path.join(rivals, folder, 'node_modules/heapdump');
  if (!existsSync(path.join(module_, 'build/Release/addon.node'))) {
    const binary = nodeBinary(major);
    const nodedir = headers(versions[major]);
    try {
      execFileSync(binary, [nodeGyp(), 'rebuild', `--nodedir=${nodedir}`], {
        cwd: module_,
        encoding: 'utf8',
        stdio: 'pipe',
        env: { ...process.env, PATH: `${path.dirname(binary)}:${process.env.PATH}` },
      });
    } catch ({ stdout = '', stderr = '', message }) {
      const said = `${stdout}\n${stderr}`.split('\n').find((line) => line.includes('error'));
      throw new Error(`heapdump ${heapdumpVersion} can't be compiled for Node ${major}: ${said ?? message}`);
    }
  }
  return module_;
}
