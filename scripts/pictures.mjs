// The pictures of the README, made from a real run of examples/subscriptions: the verdict in a terminal as SVG, light
// and dark, and with --report the report in a browser as PNG. `node scripts/pictures.mjs [--report] [--at DIRECTORY]`;
// DIRECTORY is where the service lives, since its path is in the pictures. So is the name of the host:
// `unshare --uts sh -c 'hostname web-1; node scripts/pictures.mjs --report --at /srv/app'` chooses one.

import { spawn, spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const images = path.join(root, 'docs/images');
const COLUMNS = 84;
const ESCAPE = String.fromCharCode(27);
/** What changes the colour. */
const STYLE = new RegExp(`(${ESCAPE}\\[[\\d;]*m)`);

const { values: options } = parseArgs({ options: { report: { type: 'boolean' }, at: { type: 'string' } } });
const folder = options.at ?? mkdtempSync(path.join(os.tmpdir(), 'stillheap-pictures-'));
mkdirSync(folder, { recursive: true });
mkdirSync(images, { recursive: true });
await takeSnapshots();
const text = run('leaks', '--color', 'always', '--no-pager');
for (const theme of ['light', 'dark'])
  writeFileSync(path.join(images, `leaks-${theme}.svg`), svg(text, theme));
if (options.report) {
  run('report', '-o', 'leak.html', '--overwrite');
  await photograph(path.join(folder, 'leak.html'));
}
if (options.at === undefined) rmSync(folder, { recursive: true });

/** Three snapshots of the leaking service, six seconds apart. */
async function takeSnapshots() {
  copyFileSync(path.join(root, 'examples/subscriptions/server.js'), path.join(folder, 'server.js'));
  mkdirSync(path.join(folder, 'node_modules'), { recursive: true });
  rmSync(path.join(folder, 'node_modules/stillheap'), { force: true });
  symlinkSync(root, path.join(folder, 'node_modules/stillheap'));
  const service = spawn(process.execPath, ['server.js'], {
    cwd: folder,
    env: { ...process.env, PORT: '0' },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const lines = {
    out: createInterface({ input: service.stdout }),
    error: createInterface({ input: service.stderr }),
  };
  const next = (from) => new Promise((resolve) => from.once('line', resolve));
  try {
    const address = (await next(lines.out)).match(/http:\S+/)[0];
    for (let n = 1; n <= 4; n += 1) {
      await fetch(`${address}/users/subscribe`, { method: 'POST', body: `user${n}@example.org` });
    }
    for (let n = 0; n < 3; n += 1) {
      await sleep(6000);
      const written = next(lines.error);
      service.kill('SIGUSR2');
      await written;
    }
  } finally {
    service.kill('SIGKILL');
  }
}

function run(...args) {
  const { stdout, stderr, status } = spawnSync(
    process.execPath,
    [path.join(root, 'bin/stillheap.js'), ...args],
    {
      cwd: folder,
      encoding: 'utf8',
      env: { ...process.env, STILLHEAP_COLUMNS: String(COLUMNS) },
    },
  );
  if (status > 1) throw new Error(stderr);
  return stdout;
}

/** A terminal with the command and its answer, up to the fix. */
function svg(answer, theme) {
  const colours =
    theme === 'dark'
      ? {
          ground: '#161b22',
          edge: '#30363d',
          text: '#e6edf3',
          faint: '#8b949e',
          31: '#ff7b72',
          32: '#7ee787',
          33: '#e3b341',
        }
      : {
          ground: '#ffffff',
          edge: '#d0d7de',
          text: '#1f2328',
          faint: '#656d76',
          31: '#cf222e',
          32: '#1a7f37',
          33: '#9a6700',
        };
  const end = answer.indexOf('Retaining path');
  const shown = answer
    .slice(0, end)
    .replace(/\n[^\n]*$/, '')
    .trimEnd();
  const lines = ['$ npx stillheap leaks', '', ...shown.split('\n')];
  const [line, left, top] = [19, 18, 46];
  const [width, height] = [Math.ceil(COLUMNS * 7.83) + 2 * left, top + lines.length * line + 8];
  const markup = (part) =>
    part.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll(' ', '\u00a0');
  let style = { bold: false, dim: false, colour: undefined };
  const spans = (content) =>
    content
      .split(STYLE)
      .map((part) => {
        if (!part.startsWith(ESCAPE)) {
          if (part === '') return '';
          const fill = style.colour ?? (style.dim ? colours.faint : colours.text);
          return `<tspan fill="${fill}"${style.bold ? ' font-weight="700"' : ''}>${markup(part)}</tspan>`;
        }
        for (const code of part.slice(2, -1).split(';').map(Number)) {
          if (code === 0) style = { bold: false, dim: false, colour: undefined };
          else if (code === 1) style = { ...style, bold: true };
          else if (code === 2) style = { ...style, dim: true };
          else if (colours[code]) style = { ...style, colour: colours[code] };
        }
        return '';
      })
      .join('');
  const rows = lines.map(
    (content, at) => `<text x="${left}" y="${top + Math.round((at + 0.7) * line)}">${spans(content)}</text>`,
  );
  const dots = [0, 1, 2].map((n) => `<circle cx="${22 + 18 * n}" cy="20" r="5.5" fill="${colours.edge}"/>`);
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" role="img" aria-label="stillheap leaks names the class, the variable and the line">`,
    `<rect x="0.5" y="0.5" width="${width - 1}" height="${height - 1}" rx="8" fill="${colours.ground}" stroke="${colours.edge}"/>`,
    ...dots,
    `<g font-family="ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace" font-size="13">`,
    ...rows,
    '</g>',
    '</svg>',
    '',
  ].join('\n');
}

/** The top of the report. */
async function photograph(file) {
  const { chromium } = await import('playwright-core');
  const { browser } = await import('./browser.mjs');
  const opened = await chromium.launch({
    executablePath: browser(),
    args: process.getuid?.() === 0 ? ['--no-sandbox'] : [],
  });
  for (const colorScheme of ['light', 'dark']) {
    const page = await opened.newPage({ viewport: { width: 1180, height: 820 }, colorScheme });
    await page.goto(pathToFileURL(file).href);
    await page.waitForSelector('html[data-drawn]');
    await page.screenshot({ path: path.join(images, `report-${colorScheme}.png`) });
  }
  await opened.close();
}
