// Puts the rivals into .cache/rivals at pinned versions, from the npm registry, and nowhere else: the project itself
// depends on none of them. Idempotent; `node benchmark/analysis/install.mjs` does it without measuring anything.
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

export const here = path.dirname(fileURLToPath(import.meta.url));
export const root = path.resolve(here, '../..');
export const cache = path.join(root, '.cache');
export const rivals = path.join(cache, 'rivals');

export const PINNED = {
  tool: { '@heap-snapshot/tool': '0.0.10' },
  devtools: { 'chrome-devtools-frontend': '1.0.1705227', esbuild: '0.25.12' },
  memlab: { '@memlab/heap-analysis': '2.0.5' },
  'memlab-cli': { '@memlab/cli': '2.0.5' },
};

export function npmInstall(folder, packages) {
  const target = path.join(rivals, folder);
  const manifest = path.join(target, 'package.json');
  const wanted = { name: `rival-${folder}`, private: true, dependencies: packages };
  const complete = Object.keys(packages).every((p) =>
    existsSync(path.join(target, 'node_modules', p, 'package.json')),
  );
  if (complete && existsSync(manifest) && readFileSync(manifest, 'utf8') === JSON.stringify(wanted)) return;
  mkdirSync(target, { recursive: true });
  writeFileSync(manifest, JSON.stringify(wanted));
  console.error(
    `installing ${Object.entries(packages)
      .map(([n, v]) => `${n}@${v}`)
      .join(', ')}`,
  );
  // No install scripts: memlab's pull in a browser that reading a file has no use for.
  execFileSync('npm', ['install', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'], {
    cwd: target,
    stdio: ['ignore', 'ignore', 'inherit'],
  });
}

// DevTools is published as TypeScript for a browser build; esbuild makes one module of the few files that matter.
async function bundleDevtools() {
  const target = path.join(rivals, 'devtools');
  const outfile = path.join(target, 'engine.mjs');
  if (existsSync(outfile)) return;
  const esbuild = createRequire(path.join(target, 'package.json'))('esbuild');
  const frontEnd = path.join(target, 'node_modules/chrome-devtools-frontend/front_end');
  await esbuild.build({
    entryPoints: [path.join(here, 'rivals/devtools-entry.mjs')],
    outfile,
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node20',
    logLevel: 'error',
    alias: { FRONT_END: frontEnd },
    // As DevTools' own build compiles it: fields are assigned, not defined.
    tsconfigRaw: { compilerOptions: { useDefineForClassFields: false } },
    plugins: [
      {
        name: 'generated-locales',
        // A file that DevTools' build generates and the package lacks; only the progress texts need it.
        setup(build) {
          build.onResolve({ filter: /\/locales\.js$/ }, () => ({ path: 'locales', namespace: 'generated' }));
          build.onLoad({ filter: /.*/, namespace: 'generated' }, () => ({
            contents: `export const LOCALES = ['en-US']; export const BUNDLED_LOCALES = ['en-US'];
            export const DEFAULT_LOCALE = 'en-US'; export const REMOTE_FETCH_PATTERN = '';
            export const LOCAL_FETCH_PATTERN = '';`,
          }));
        },
      },
    ],
  });
}

/** DevTools alone, for who compares with it. */
export async function installDevtools() {
  npmInstall('devtools', PINNED.devtools);
  await bundleDevtools();
}

export async function install() {
  for (const [folder, packages] of Object.entries(PINNED)) npmInstall(folder, packages);
  await bundleDevtools();
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await install();
