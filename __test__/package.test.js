'use strict';

// What npm users get: packed, installed into an empty project with scripts disabled, used.

const assert = require('node:assert/strict');
const { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } = require('node:fs');
const path = require('node:path');
const { root, startProgram, temporaryDirectory } = require('./support/child.js');
const { readSnapshot } = require('./support/snapshot.js');
const { test } = require('./support/test.js');

const manifest = require('../package.json');

/** Runs a program to its good end; its output. */
async function run(t, command, args, options) {
  const child = startProgram(t, command, args, options);
  await child.succeeded();
  return child.stdout;
}

const pack = (t, directory) =>
  run(t, 'npm', ['pack', '--json', '--ignore-scripts', '--silent', '--pack-destination', directory], {
    cwd: root,
  });

async function install(t, { as } = {}) {
  const base = temporaryDirectory(t);
  const [{ filename }] = JSON.parse(await pack(t, base));
  const tarball = path.join(base, filename);
  const project = path.join(base, 'project');
  mkdirSync(project);
  writeFileSync(path.join(project, 'package.json'), '{ "private": true }');
  const what = as === undefined ? tarball : `${as}@file:${tarball}`;
  // Nothing but the tarball is needed, the optional per-platform packages included.
  const options = ['--ignore-scripts', '--offline', '--omit=optional', '--no-audit', '--no-fund', '--silent'];
  await run(t, 'npm', ['install', what, ...options], { cwd: project });
  return project;
}

test('every files entry matches something, and no script runs at install', () => {
  for (const entry of manifest.files) {
    const pattern = new RegExp(`^${entry.replaceAll('.', '\\.').replaceAll('*', '.*')}$`);
    assert.ok(
      readdirSync(root).some((name) => pattern.test(name)),
      `${entry} matches nothing`,
    );
  }
  for (const script of ['preinstall', 'install', 'postinstall', 'prepare', 'preprepare', 'postprepare']) {
    assert.equal(manifest.scripts[script], undefined, script);
  }
  assert.equal(manifest.dependencies, undefined, 'nothing else comes with it');
});

test("the lock file has every platform's binaries, as 'npm ci' wants it", () => {
  const { packages } = require('../package-lock.json');
  for (const [name, { optionalDependencies = {} }] of Object.entries(packages)) {
    for (const wanted of Object.keys(optionalDependencies)) {
      assert.ok(packages[`node_modules/${wanted}`], `${name} wants ${wanted}: see CONTRIBUTING.md`);
    }
  }
});

test('the tarball holds what is needed and nothing of the workshop', async (t) => {
  const [{ files, unpackedSize }] = JSON.parse(await pack(t, temporaryDirectory(t)));
  const names = files.map((file) => file.path);
  const needed = ['index.js', 'index.mjs', 'index.d.ts', 'index.d.mts', 'lib/module.js', 'bin/stillheap.js'];
  for (const name of [...needed, 'package.json', 'README.md', 'LICENSE', 'CHANGELOG.md']) {
    assert.ok(names.includes(name), `${name} is missing`);
  }
  const binaries = names.filter((name) => name.endsWith('.node'));
  assert.ok(binaries.some((name) => name.startsWith(`stillheap.${process.platform}-${process.arch}`)));
  for (const name of names) {
    assert.doesNotMatch(name, /^(src|crates|target|__test__|scripts|benchmark|fuzz|\.ci|node_modules)\//);
    assert.doesNotMatch(name, /\.(heapsnapshot|tgz|map)(\.|$)/);
  }
  assert.ok(unpackedSize < 20e6, `${unpackedSize} bytes`);
});

test('installed with scripts disabled: require, import, -r and the command work', async (t) => {
  const cwd = await install(t);
  const installed = path.join(cwd, 'node_modules/stillheap');
  assert.ok(existsSync(path.join(installed, 'index.js')));
  const node = process.execPath;
  const required = await run(t, node, ['-e', "console.log(require('stillheap').writeSnapshot('a'))"], {
    cwd,
  });
  assert.equal(required, 'true\n');
  const source = "import { capture } from 'stillheap'; console.log((await capture({ file: 'b' })).engine)";
  assert.equal(await run(t, node, ['--input-type=module', '-e', source], { cwd }), 'v8\n');
  for (const name of ['a', 'b']) readSnapshot(path.join(cwd, name));

  const service = startProgram(
    t,
    node,
    ['-r', 'stillheap', '-e', 'setInterval(() => {}, 1e9); console.log("up")'],
    {
      cwd,
    },
  );
  await service.output(/up/, 'stdout');
  service.kill('SIGUSR2');
  readSnapshot((await service.output(/stillheap: wrote (\S+)/))[1]);

  const command = path.join(cwd, 'node_modules/.bin/stillheap');
  const version = await run(t, node, [command, '--version'], { cwd });
  assert.ok(
    version.includes(JSON.parse(readFileSync(path.join(installed, 'package.json'))).version),
    version,
  );
});

test('npm i heapdump@npm:stillheap is all that an existing user changes', async (t) => {
  const cwd = await install(t, { as: 'heapdump' });
  const source = `
    const heapdump = require('heapdump');
    heapdump.writeSnapshot((error, filename) => console.log(error, /^heapdump-.*\\.heapsnapshot$/.test(filename)));
    heapdump.writeSnapshot(process.cwd() + '/' + Date.now() + '.heapsnapshot');`;
  assert.equal(await run(t, process.execPath, ['-e', source], { cwd }), 'null true\n');
  const written = readdirSync(cwd).filter((name) => name.endsWith('.heapsnapshot'));
  assert.equal(written.length, 2);
  for (const name of written) readSnapshot(path.join(cwd, name));
});
