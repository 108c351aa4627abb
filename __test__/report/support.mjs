// Snapshots, pages and a browser for the tests of the report.

import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { chromium } from 'playwright-core';
import { browser } from '../../scripts/browser.mjs';

export const root = path.dirname(path.dirname(path.dirname(fileURLToPath(import.meta.url))));
export const fixtures = path.join(root, 'crates/cli/tests/fixtures');
export const leak = ['leak', 'leak-after', 'leak-later'].map((name) =>
  path.join(fixtures, `${name}.heapsnapshot`),
);

/** A directory that is removed after the tests. */
export function directory(t) {
  const made = mkdtempSync(path.join(os.tmpdir(), 'stillheap-report-'));
  t.after(() => rmSync(made, { recursive: true, force: true }));
  return made;
}

/** Runs the command line; gives status, stdout, stderr. */
export function stillheap(...args) {
  return spawnSync(process.execPath, [path.join(root, 'bin/stillheap.js'), ...args], {
    encoding: 'utf8',
    env: { ...process.env, STILLHEAP_NO_INDEX: '1' },
  });
}

/** An environment in which nothing names the service: `npm test` would. */
function nameless() {
  const { npm_package_name: _npm, OTEL_SERVICE_NAME: _service, ...env } = process.env;
  return env;
}

/** Three snapshots of a process whose list of sessions grows, oldest first. */
export function leaking(folder) {
  const files = [1, 2, 3].map((n) => path.join(folder, `leaking-${n}.heapsnapshot`));
  const script = `
    class Session {
      constructor(id) { this.id = id; this.list = [id]; }
    }
    const sessions = [];
    for (const file of ${JSON.stringify(files)}) {
      for (let n = 0; n < 3000; n++) sessions.push(new Session(n));
      require(${JSON.stringify(root)}).writeSnapshot(file);
    }`;
  const { status, stderr } = spawnSync(process.execPath, ['-e', script], {
    encoding: 'utf8',
    env: nameless(),
  });
  if (status !== 0) throw new Error(`the process ended with ${status}: ${stderr}`);
  return files;
}

/** Three snapshots of a program in a file, whose source the page can show. */
export function leakingScript(folder) {
  const files = [1, 2, 3].map((n) => path.join(folder, `script-${n}.heapsnapshot`));
  const lines = [
    `const stillheap = require(${JSON.stringify(root)});`,
    ...Array.from({ length: 40 }, (_, n) => `// The program is longer than what a snapshot has of it: ${n}.`),
    'class Session {',
    '  constructor(id) { this.id = id; this.list = [id]; }',
    '}',
    'const sessions = [];',
    'function open(n) {',
    '  const session = new Session(n);',
    '  sessions.push(session);',
    '}',
    `for (const file of ${JSON.stringify(files)}) {`,
    '  for (let n = 0; n < 3000; n++) open(n);',
    '  stillheap.writeSnapshot(file);',
    '}',
  ];
  const program = path.join(folder, 'program.js');
  writeFileSync(program, `${lines.join('\n')}\n`);
  const { status, stderr } = spawnSync(process.execPath, [program], { encoding: 'utf8', env: nameless() });
  if (status !== 0) throw new Error(`the process ended with ${status}: ${stderr}`);
  return files;
}

/** Makes a page of snapshots; gives its path. */
export function makePage(folder, files, name = 'page.html') {
  const page = path.join(folder, name);
  const { status, stderr } = stillheap('report', ...files, '-o', page, '--overwrite');
  if (status !== 0) throw new Error(`report ended with ${status}: ${stderr}`);
  return page;
}

/** A browser that is closed after the tests. */
export async function openBrowser(t) {
  const sandbox = process.getuid?.() === 0 ? ['--no-sandbox'] : [];
  const opened = await chromium.launch({ executablePath: browser(), args: sandbox });
  t.after(() => opened.close());
  return opened;
}

/** Opens a page; `trouble` collects errors, console messages, dialogs and everything that it tries to load. */
export async function visit(opened, file, options = {}) {
  const context = await opened.newContext({ viewport: { width: 1200, height: 900 }, ...options });
  const page = await context.newPage();
  const trouble = [];
  page.on('pageerror', (error) => trouble.push(`error: ${error.message}`));
  page.on('console', (message) => trouble.push(`${message.type()}: ${message.text()}`));
  page.on('dialog', (dialog) => {
    trouble.push(`dialog: ${dialog.message()}`);
    dialog.dismiss();
  });
  page.on('request', (request) => {
    if (!request.isNavigationRequest() || request.url() !== pathToFileURL(file).href)
      trouble.push(`request: ${request.url()}`);
  });
  await page.goto(pathToFileURL(file).href);
  await page.waitForSelector('html[data-drawn]');
  return { page, trouble, context };
}

/**
 * A small snapshot: `graph` adds nodes and edges with `node(type, name, size)` and `edge(from, type, name, to)`.
 * Written by hand, so that nothing of stillheap's stands between a hostile name and the page.
 */
export function writeSnapshot(file, graph) {
  const strings = new Map([['', 0]]);
  const string = (text) => {
    if (!strings.has(text)) strings.set(text, strings.size);
    return strings.get(text);
  };
  const types = [
    'hidden',
    'array',
    'string',
    'object',
    'code',
    'closure',
    'regexp',
    'number',
    'native',
    'synthetic',
  ];
  const edgeTypes = ['context', 'element', 'property', 'internal', 'hidden', 'shortcut', 'weak'];
  const nodes = [];
  const node = (type, name, size) =>
    nodes.push({ type: types.indexOf(type), name: string(name), size, edges: [] }) - 1;
  const edge = (from, type, name, to) =>
    nodes[from].edges.push([edgeTypes.indexOf(type), type === 'element' ? name : string(name), to * 5]);
  node('synthetic', '', 0);
  graph({ node, edge });
  const snapshot = {
    snapshot: {
      meta: {
        node_fields: ['type', 'name', 'id', 'self_size', 'edge_count'],
        node_types: [types, 'string', 'number', 'number', 'number'],
        edge_fields: ['type', 'name_or_index', 'to_node'],
        edge_types: [edgeTypes, 'string_or_number', 'node'],
      },
      node_count: nodes.length,
      edge_count: nodes.reduce((sum, { edges }) => sum + edges.length, 0),
    },
    nodes: nodes.flatMap((n, at) => [n.type, n.name, 2 * at + 1, n.size, n.edges.length]),
    edges: nodes.flatMap((n) => n.edges.flat()),
    strings: [...strings.keys()],
  };
  writeFileSync(file, JSON.stringify(snapshot));
  return file;
}
