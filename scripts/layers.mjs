// The check of layers. Crates may depend only on what the table below allows, and the top-level modules of a crate
// (and of src/ and analysis/src/) may not use each other in circles. Tests are left out: dev-dependencies, and
// what stands behind #[cfg(test)].
//
//   node scripts/layers.mjs           checks, and prints what is wrong
//   node scripts/layers.mjs --show    prints the dependencies of crates and modules, too

import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { report } from './problems.mjs';

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));

/** What each package may depend on, the stillheap- prefix left out. Lower layers come first. */
export const layers = {
  testing: [],
  protocol: [],
  limits: [],
  watch: [],
  control: [],
  jsscan: [],
  graph: [],
  redact: ['graph'],
  heap: [],
  process: ['limits'],
  attach: ['limits'],
  synth: [],
  v8: [],
  sink: ['protocol', 'redact'],
  frozen: ['control', 'limits', 'protocol', 'sink'],
  snapshot: ['graph'],
  analysis: ['graph'],
  heapfile: ['graph', 'snapshot', 'heap'],
  engines: ['v8', 'frozen', 'limits', 'protocol', 'heap', 'heapfile'],
  corefile: ['graph', 'heap', 'heapfile', 'process'],
  live: ['attach', 'corefile', 'heap', 'heapfile', 'limits', 'process', 'protocol'],
  index: ['graph', 'snapshot', 'analysis', 'corefile'],
  verdict: ['graph', 'analysis', 'jsscan'],
  questions: ['graph', 'snapshot', 'analysis', 'index', 'verdict', 'sink'],
  render: ['graph', 'analysis', 'verdict', 'questions'],
  report: ['graph', 'analysis', 'verdict', 'questions', 'sink'],
  mcp: ['analysis', 'index', 'snapshot', 'questions', 'report'],
  cli: [
    'corefile',
    'live',
    ...[
      'control',
      'limits',
      'protocol',
      'redact',
      'sink',
      'graph',
      'snapshot',
      'analysis',
      'index',
      'questions',
    ],
    ...['render', 'report', 'mcp'],
  ],
  'analysis-addon': ['graph', 'snapshot', 'analysis', 'index', 'questions', 'cli'],
  stillheap: ['control', 'limits', 'protocol', 'redact', 'sink', 'watch', 'v8', 'frozen', 'engines'],
};

/** Circles that are known and not undone yet: package → the modules of the circle, sorted. Remove, never add. */
export const knownCircles = {};

/** Unsafe code lives in these folders, and nowhere else. */
export const unsafeFolders = [
  'crates/v8/',
  'crates/frozen/',
  'src/sys/',
  'crates/attach/src/linux/blob.rs',
  'crates/attach/src/linux/sys.rs',
  'crates/process/src/source.rs',
];

/** The rule on unsafe code, as the documents must have it, and which of them don't. */
function untold() {
  const places = unsafeFolders.map((folder) => `\`${folder.replace(/\/$/, '')}\``);
  const rule = `nsafe code lives in ${places.slice(0, -1).join(', ')} and ${places.at(-1)}, and nowhere else`;
  return ['ARCHITECTURE.md', 'CONTRIBUTING.md', 'docs/decisions.md']
    .filter((file) => !readFileSync(path.join(root, file), 'utf8').replace(/\s+/g, ' ').includes(rule))
    .map((file) => `${file} doesn't say "U${rule}"`);
}

/**
 * Functions that foreign code calls and that catch no panic, since nothing in them can panic: what is handed over is
 * copied or given back, and nothing is indexed, unwrapped or called. All others catch.
 */
export const cannotPanic = {
  'src/sys/copies.rs': ['stillheap_copy_v1', 'collect'],
  'src/sys/footprint.rs': ['visit'],
  'src/sys/keeper.rs': ['ignore'],
  'src/sys/wakeup.rs': ['on_closed'],
  'crates/v8/src/streams.rs': ['destroy', 'get_chunk_size', 'write_heap_stats_chunk'],
};

/** Entries from foreign frames that no panic may leave: C functions, napi's, clean-up hooks. */
export function uncaught(name, text) {
  const wrong = [];
  for (const found of text.matchAll(/extern "" fn (\w+)\s*\(/g)) {
    const open = text.indexOf('{', closing(text, found.index + found[0].length - 1));
    const body = text.slice(open, closing(text, open));
    if (/\bcatch_unwind\b|\bcaught\(/.test(body) || cannotPanic[name]?.includes(found[1])) continue;
    wrong.push(`${name}: ${found[1]} is called by foreign code and catches no panic`);
  }
  for (const [, options = '', fn] of text.matchAll(
    /#\[napi(?:\(([^)]*)\))?\]\s*(?:pub )?(?:async )?fn (\w+)/g,
  )) {
    if (!/\bcatch_unwind\b/.test(options)) wrong.push(`${name}: #[napi] fn ${fn} lacks catch_unwind`);
  }
  for (const found of text.matchAll(/\badd_env_cleanup_hook\(/g)) {
    const call = text.slice(found.index, closing(text, found.index + found[0].length - 1));
    if (!/\bcatch_unwind\b|\bcaught\(/.test(call)) wrong.push(`${name}: a clean-up hook catches no panic`);
  }
  return wrong;
}

/** Source text of a program is UTF-8, and what isn't is of no use. */
const readsText = ['crates/questions/src/scripts.rs'];

/**
 * Paths and the texts of the system are bytes. serde fails for a path that isn't UTF-8 (and `json!` panics), so what is
 * serialised has crates/protocol's types; `read_to_string` loses a whole file of /proc for one byte of a name.
 */
export function texts(name, text) {
  const wrong = [];
  for (const found of text.matchAll(/#\[derive\(([^)]*)\)\]/g)) {
    if (!/\bSerialize\b/.test(found[1])) continue;
    const end = /[{;]/.exec(text.slice(found.index));
    if (end?.[0] !== '{') continue;
    const from = found.index + end.index;
    if (/\b(PathBuf|OsString)\b/.test(text.slice(from, closing(text, from)))) {
      wrong.push(
        `${name}: a PathBuf in what is serialised fails where it is not UTF-8; use LossyPath or FilePath`,
      );
    }
  }
  if (/\bfs::read_to_string\(/.test(text) && !readsText.includes(name)) {
    wrong.push(`${name}: read_to_string fails for what is not UTF-8; use stillheap_limits::read_text`);
  }
  return wrong;
}

/** Rust source without comments, the text of literals, and what is behind #[cfg(test)]. */
export function code(source) {
  let out = '';
  let at = 0;
  const literal =
    /^(?:b?r(#*)"[\s\S]*?"\1|b?"(?:\\[\s\S]|[^"\\])*"|b?'(?:\\(?:u\{[^}]*\}|x..|[\s\S])|[^'\\])')/;
  while (at < source.length) {
    if (source.startsWith('//', at)) {
      const end = source.indexOf('\n', at);
      at = end < 0 ? source.length : end;
    } else if (source.startsWith('/*', at)) {
      const end = source.indexOf('*/', at);
      at = end < 0 ? source.length : end + 2;
    } else {
      const before = source[at - 1] ?? ' ';
      const found =
        /[b'"r]/.test(source[at]) && !/\w/.test(before) && literal.exec(source.slice(at, at + 100_000));
      if (found) {
        out += '""';
        at += found[0].length;
      } else {
        out += source[at];
        at += 1;
      }
    }
  }
  return withoutTests(out);
}

/** Where a bracket that opens at `from` ends. */
function closing(text, from) {
  let depth = 0;
  for (let at = from; at < text.length; at++) {
    if ('{(['.includes(text[at])) depth += 1;
    if ('})]'.includes(text[at]) && --depth === 0) return at + 1;
  }
  return text.length;
}

function withoutTests(text) {
  let rest = text;
  for (;;) {
    const start = rest.search(/#\[cfg\(test\)\]/);
    if (start < 0) return rest;
    const behind = start + '#[cfg(test)]'.length;
    const item = /[{;]/.exec(rest.slice(behind));
    if (!item) return rest.slice(0, start);
    const at = behind + item.index;
    rest = rest.slice(0, start) + rest.slice(item[0] === ';' ? at + 1 : closing(rest, at));
  }
}

/** The paths of a use tree: `a::{b, c::{d as e, self}}` → a::b, a::c::d, a::c. */
export function expand(tree) {
  const text = tree.trim();
  const open = text.indexOf('{');
  if (open < 0) return [text.replace(/\s+as\s+\w+$/, '').replace(/::self$/, '')];
  const prefix = text.slice(0, open);
  const parts = [];
  let depth = 0;
  let part = '';
  for (const c of text.slice(open + 1, closing(text, open) - 1)) {
    if (c === '{') depth += 1;
    if (c === '}') depth -= 1;
    if (c === ',' && depth === 0) {
      parts.push(part);
      part = '';
    } else part += c;
  }
  parts.push(part);
  return parts
    .filter((p) => p.trim())
    .flatMap((p) => expand(p).map((inner) => (prefix + inner).replace(/::self$/, '')));
}

function rustFiles(directory) {
  return readdirSync(directory).flatMap((name) => {
    const file = path.join(directory, name);
    if (statSync(file).isDirectory()) return rustFiles(file);
    return name.endsWith('.rs') && name !== 'tests.rs' && name !== 'main.rs' ? [file] : [];
  });
}

/** The module path of a file within its crate: [] for lib.rs, ['a', 'b'] for a/b.rs and a/b/mod.rs. */
function modulePath(directory, file) {
  const parts = path.relative(directory, file).slice(0, -3).split(path.sep);
  if (parts.at(-1) === 'mod') parts.pop();
  return parts.length === 1 && parts[0] === 'lib' ? [] : parts;
}

/** Modules of a crate and what they use: Map of module → Map of used module → an example. */
export function moduleUses(directory) {
  const files = rustFiles(directory).map((file) => ({
    file,
    at: modulePath(directory, file),
    text: code(readFileSync(file, 'utf8')),
  }));
  const modules = new Set(files.map(({ at }) => at[0]).filter(Boolean));
  // What the root makes of its modules: a name → the module that it comes from. Its own items belong to the root.
  const lib = files.find(({ at }) => at.length === 0)?.text ?? '';
  const exported = new Map();
  for (const [, tree] of lib.matchAll(/\buse\s+([^;]+);/g)) {
    for (const used of expand(tree.replace(/\s+/g, ' '))) {
      const parts = used
        .replace(/^(crate|self)::/, '')
        .split('::')
        .map((part) => part.trim());
      if (!modules.has(parts[0])) continue;
      if (parts.at(-1) !== '*') exported.set(parts.at(-1), parts[0]);
      else for (const name of publicNames(files, parts[0])) exported.set(name, parts[0]);
    }
  }
  const uses = new Map([
    ['(root)', rootUses(lib, modules)],
    ...[...modules].map((module) => [module, new Map()]),
  ]);
  for (const { file, at, text } of files) {
    if (at.length === 0) continue;
    const note = (used) => {
      const parts = used.split('::').map((part) => part.trim());
      let scope = [...at];
      if (parts[0] === 'crate') scope = [];
      else if (parts[0] !== 'super') return;
      while (parts[0] === 'super') {
        scope.pop();
        parts.shift();
      }
      if (parts[0] === 'crate') parts.shift();
      if (scope.length > 0) return; // Within the module.
      const [name] = parts;
      const module = modules.has(name) ? name : (exported.get(name) ?? (name === '*' ? undefined : '(root)'));
      if (module && module !== at[0]) uses.get(at[0]).set(module, `${path.relative(root, file)}: ${used}`);
    };
    const without = text.replace(/\buse\s+([^;]+);/g, (_, tree) => {
      for (const used of expand(tree.replace(/\s+/g, ' '))) note(used);
      return '';
    });
    for (const [used] of without.matchAll(/\b(?:crate|super(?:::super)*)::\w+/g)) note(used);
  }
  return uses;
}

/** What the root uses itself, apart from what it makes public. */
function rootUses(lib, modules) {
  const uses = new Map();
  const note = (name, where) => modules.has(name) && uses.set(name, `the crate's root: ${where}`);
  const without = lib.replace(/(\bpub(?:\([^)]*\))?\s+)?\buse\s+([^;]+);/g, (_, isPublic, tree) => {
    if (isPublic) return '';
    for (const used of expand(tree.replace(/\s+/g, ' '))) {
      note(
        used
          .replace(/^(crate|self)::/, '')
          .split('::')[0]
          .trim(),
        used,
      );
    }
    return '';
  });
  for (const [path, name] of without.matchAll(/\b(\w+)::\w+/g)) note(name, path);
  return uses;
}

/** Names that the files of a module make public. */
function publicNames(files, module) {
  const names = [];
  for (const { text } of files.filter((file) => file.at[0] === module)) {
    for (const [, name] of text.matchAll(
      /\bpub(?:\([^)]*\))?\s+(?:unsafe\s+|async\s+|const\s+)?(?:struct|enum|fn|trait|const|static|type|mod)\s+(\w+)/g,
    )) {
      names.push(name);
    }
    for (const [, tree] of text.matchAll(/\bpub\s+use\s+([^;]+);/g)) {
      for (const used of expand(tree.replace(/\s+/g, ' '))) names.push(used.split('::').at(-1).trim());
    }
  }
  return names;
}

/** Circles: strongly connected parts of more than one module (Tarjan 1972). */
export function circles(uses) {
  const index = new Map();
  const low = new Map();
  const stack = [];
  const found = [];
  const visit = (node) => {
    index.set(node, index.size);
    low.set(node, index.get(node));
    stack.push(node);
    for (const next of uses.get(node)?.keys() ?? []) {
      if (!index.has(next)) {
        visit(next);
        low.set(node, Math.min(low.get(node), low.get(next)));
      } else if (stack.includes(next)) low.set(node, Math.min(low.get(node), index.get(next)));
    }
    if (low.get(node) === index.get(node)) {
      const part = stack.splice(stack.indexOf(node));
      if (part.length > 1) found.push(part.sort());
    }
  };
  for (const node of uses.keys()) if (!index.has(node)) visit(node);
  return found;
}

/** The workspace's packages: name, folder, and the workspace's packages among its dependencies. */
export function packages() {
  const folders = [
    '.',
    'analysis',
    ...readdirSync(path.join(root, 'crates')).map((name) => path.join('crates', name)),
  ];
  return folders
    .filter((folder) => existsSync(path.join(root, folder, 'Cargo.toml')))
    .map((folder) => {
      const manifest = readFileSync(path.join(root, folder, 'Cargo.toml'), 'utf8');
      const [, name] = /^name = "(?:stillheap-)?([\w-]+)"/m.exec(manifest);
      const uses = [];
      let section = '';
      for (const line of manifest.split('\n')) {
        section = /^\[(.+)\]$/.exec(line)?.[1] ?? section;
        const used = /^stillheap-([\w-]+)\s*[.=]/.exec(line)?.[1];
        if (used && /(^|\.)dependencies$/.test(section)) uses.push(used);
      }
      return { name, folder, uses };
    });
}

/** What is loaded in a fresh clone, before `npm ci` has run: only Node's own modules, and each other. */
const beforeInstall = ['scripts/test.mjs', 'scripts/demo.mjs'];

/** `{ file, name }` of each import of a package in these scripts and in what they import. */
export function packagesImported(entries, read = (name) => readFileSync(path.join(root, name), 'utf8')) {
  const found = [];
  const seen = new Set();
  const queue = [...entries];
  for (let file = queue.pop(); file !== undefined; file = queue.pop()) {
    if (seen.has(file)) continue;
    seen.add(file);
    for (const [, name] of read(file).matchAll(/^(?:import|export)\b[^'"]*?['"]([^'"]+)['"];?$/gm)) {
      if (name.startsWith('.')) queue.push(path.posix.join(path.posix.dirname(file), name));
      else if (!name.startsWith('node:')) found.push({ file, name });
    }
  }
  return found;
}

export function main(args) {
  const show = args.includes('--show');
  const wrong = [];
  const all = packages();
  for (const { name, folder, uses } of all) {
    const allowed = layers[name];
    if (show) console.log(`${name} → ${uses.join(', ') || '–'}`);
    if (!allowed) {
      wrong.push(`${folder}: the package '${name}' is not in the table of layers (scripts/layers.mjs)`);
      continue;
    }
    for (const used of uses.filter((used) => !allowed.includes(used))) {
      wrong.push(`${folder}/Cargo.toml: '${name}' may not depend on '${used}'`);
    }
    const modules = moduleUses(path.join(root, folder, 'src'));
    const known = (knownCircles[name] ?? []).map(String);
    const found = circles(modules);
    for (const circle of found.filter((circle) => !known.includes(String(circle)))) {
      wrong.push(`${folder}/src: the modules ${circle.join(', ')} use each other in a circle:`);
      for (const from of circle) {
        for (const [to, where] of modules.get(from) ?? []) {
          if (circle.includes(to)) wrong.push(`    ${from} → ${to}   ${where}`);
        }
      }
    }
    for (const circle of known.filter((circle) => !found.map(String).includes(circle))) {
      wrong.push(`${folder}/src: the circle ${circle} is gone: remove it from scripts/layers.mjs`);
    }
    if (show)
      for (const [from, to] of modules) console.log(`    ${from} → ${[...to.keys()].join(', ') || '–'}`);
  }
  for (const file of all.flatMap(({ folder }) => rustFiles(path.join(root, folder, 'src')))) {
    const name = path.relative(root, file).split(path.sep).join('/');
    wrong.push(...texts(name, code(readFileSync(file, 'utf8'))));
    if (unsafeFolders.some((folder) => name.startsWith(folder))) continue;
    if (/\bunsafe\b/.test(code(readFileSync(file, 'utf8')))) {
      wrong.push(`${name}: unsafe code lives in ${unsafeFolders.join(', ')}, and nowhere else`);
    }
  }
  // What runs in a forked child ends the process instead: crates/frozen.
  for (const folder of ['src', 'analysis/src', 'crates/v8/src']) {
    for (const file of rustFiles(path.join(root, folder))) {
      const name = path.relative(root, file).split(path.sep).join('/');
      wrong.push(...uncaught(name, code(readFileSync(file, 'utf8'))));
    }
  }
  // The table itself must have no circles.
  const order = Object.keys(layers);
  for (const [name, allowed] of Object.entries(layers)) {
    for (const used of allowed.filter((used) => !order.slice(0, order.indexOf(name)).includes(used))) {
      wrong.push(`scripts/layers.mjs: '${name}' may use '${used}', which is no lower layer`);
    }
  }
  wrong.push(...untold());
  for (const { file, name } of packagesImported(beforeInstall)) {
    wrong.push(`${file}: it is loaded before 'npm ci', so it cannot import '${name}'`);
  }
  return report(wrong);
}

if (process.argv[1] === fileURLToPath(import.meta.url))
  process.exitCode = main(process.argv.slice(2)) ? 0 : 1;
