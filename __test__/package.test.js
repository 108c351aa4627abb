'use strict';

// What npm users get: the main package and those of this platform, packed as a release packs them, installed into an
// empty project with scripts disabled, used.

const assert = require('node:assert/strict');
const { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { after } = require('node:test');
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

/** Packs a package as it is published; what `npm pack` says of it. */
async function pack(t, from, directory) {
  const args = ['pack', '--json', '--ignore-scripts', '--silent', '--pack-destination', directory];
  const [packed] = JSON.parse(await run(t, 'npm', args, { cwd: from }));
  return {
    ...packed,
    names: packed.files.map((file) => file.path),
    tarball: path.join(directory, packed.filename),
  };
}

const directory = mkdtempSync(path.join(os.tmpdir(), 'stillheap-test-'));
after(() => rmSync(directory, { recursive: true, force: true }));
let packed;

/** The main package and the two of this platform, as a release makes them; once for all tests of this file. */
function packAll(t) {
  packed ??= packNow(t);
  return packed;
}

async function packNow(t) {
  const made = await run(t, process.execPath, ['scripts/packages.mjs'], { cwd: root });
  const main = await pack(t, root, directory);
  const platform = [];
  for (const folder of made.trim().split('\n'))
    platform.push(await pack(t, path.join(root, folder), directory));
  return { main, platform };
}

async function install(t, { as } = {}) {
  const { main, platform } = await packAll(t);
  const project = temporaryDirectory(t);
  writeFileSync(path.join(project, 'package.json'), '{ "private": true }');
  const what = as === undefined ? main.tarball : `${as}@file:${main.tarball}`;
  // Nothing but these tarballs is needed.
  const options = ['--ignore-scripts', '--offline', '--no-audit', '--no-fund', '--silent'];
  const binaries = platform.map(({ tarball }) => tarball);
  await run(t, 'npm', ['install', what, ...binaries, ...options], { cwd: project });
  return project;
}

test('every files entry matches something, and no script runs at install', async (t) => {
  await run(t, process.execPath, ['scripts/licences.mjs'], { cwd: root });
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

test('the tarballs hold what is needed and nothing of the workshop', async (t) => {
  const { main, platform } = await packAll(t);
  const needed = ['index.js', 'index.mjs', 'index.d.ts', 'index.d.mts', 'lib/module.js', 'bin/stillheap.js'];
  const legal = ['LICENSE', 'THIRD-PARTY-NOTICES.txt'];
  for (const name of [...needed, ...legal, 'package.json', 'README.md', 'CHANGELOG.md']) {
    assert.ok(main.names.includes(name), `${name} is missing`);
  }
  for (const name of main.names) {
    assert.doesNotMatch(
      name,
      /^(src|crates|target|__test__|scripts|benchmark|fuzz|dist|\.ci|node_modules)\//,
    );
    assert.doesNotMatch(name, /\.(heapsnapshot|tgz|map|node)(\.|$)/);
  }
  assert.ok(main.unpackedSize < 2e6, `${main.unpackedSize} bytes`);

  const own = `${process.platform}-${process.arch}`;
  assert.equal(platform.length, 2, 'the addon and the analysis');
  const profile = readFileSync(path.join(root, 'target/binaries-profile'), 'utf8');
  for (const { name, version, names, unpackedSize } of platform) {
    assert.match(name, new RegExp(`^stillheap(-analysis)?-${own}`));
    assert.equal(version, manifest.version);
    const binary = `${name.replace(`-${own}`, `.${own}`)}.node`;
    assert.deepEqual(names.toSorted(), [...legal, 'README.md', 'package.json', binary].toSorted());
    // The tests' build is not optimised for size; release.test.js holds the sizes of what is published.
    const most = profile === 'release' ? 20e6 : 60e6;
    assert.ok(unpackedSize < most, `${name}: ${unpackedSize} bytes`);
  }
});

test('each binary has its packages: every target, both names, one version', async (t) => {
  await packAll(t);
  const analysis = require('../analysis/napi.json');
  assert.deepEqual(analysis.targets, manifest.napi.targets);
  for (const [folder, binary] of [
    ['addon', 'stillheap'],
    ['analysis', 'stillheap-analysis'],
  ]) {
    const directory = path.join(root, 'dist/npm', folder);
    const platforms = readdirSync(directory);
    assert.equal(platforms.length, manifest.napi.targets.length);
    for (const platform of platforms) {
      const { name, version, main } = JSON.parse(
        readFileSync(path.join(directory, platform, 'package.json'), 'utf8'),
      );
      // The names that lib/binary.js asks for.
      assert.deepEqual(
        { name, version, main },
        {
          name: `${binary}-${platform}`,
          version: manifest.version,
          main: `${binary}.${platform}.node`,
        },
      );
    }
  }
});

test("the workflow runs every step of npm test, and nothing that isn't one", async () => {
  const { known } = await import('../scripts/test.mjs');
  const workflow = readFileSync(path.join(root, '.github/workflows/ci.yml'), 'utf8');
  const matrix = /steps:\n((?: +- [a-z ]+\n)+)/.exec(workflow)[1];
  const steps = matrix
    .trim()
    .split(/\n/)
    .flatMap((line) => line.replace('-', '').trim().split(' '));
  assert.deepEqual([...steps, 'addon'].toSorted(), known.toSorted());
  const { supported } = await import('../scripts/node-versions.mjs');
  const majors = JSON.parse(/node: (\[[\d, ]+\])/.exec(workflow)[1]);
  assert.deepEqual(majors, [18, ...supported]);
});

test('the release builds every target of package.json, as build:release does', async () => {
  const { PYTHON } = await import('../scripts/release.mjs');
  const workflow = readFileSync(path.join(root, '.github/workflows/release.yml'), 'utf8');
  const targets = [...workflow.matchAll(/\btarget: ([\w-]+)/g)].map(([, target]) => target);
  assert.deepEqual(targets.toSorted(), manifest.napi.targets.toSorted());
  assert.ok(workflow.includes(`pip install --user ${PYTHON.join(' ')}\n`));
  const profiles = [...workflow.matchAll(/--(?:profile (\w+)|release)\b/g)].map(([, profile]) => profile);
  assert.deepEqual(new Set(profiles), new Set(['dist']));
});

test('build:release says what a machine lacks', async () => {
  const { missing } = await import('../scripts/release.mjs');
  const linux = { platform: 'linux', arch: 'x64' };
  const without =
    (...names) =>
    (command) =>
      !names.includes(command);
  assert.deepEqual(missing(linux, without()), []);
  assert.match(missing(linux, without('cargo')).join(), /Rust is missing/);
  assert.match(missing(linux, without('cc')).join(), /apt install build-essential/);
  assert.match(missing({ platform: 'darwin', arch: 'arm64' }, without()).join(), /this is darwin-arm64/);
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

test('a skip is expected by its name, its run and its reason, and else fails in continuous integration', async () => {
  const { expected, unexpected } = await import('../scripts/skips.mjs');
  const sqlite = expected.find(({ test }) => test.startsWith('node:sqlite'));
  const found = (change) => unexpected([{ ...sqlite, run: 'node20', full: false, ...change }]).length;
  assert.equal(found({}), 0);
  assert.equal(found({ run: 'node24' }), 1);
  assert.equal(found({ reason: 'no reason given' }), 1);
  assert.equal(found({ test: 'another test' }), 1);
});
