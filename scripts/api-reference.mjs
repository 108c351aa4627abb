// docs/api.md: the JavaScript interface, made of the types and their comments.
//
//   node scripts/api-reference.mjs            writes it
//   node scripts/api-reference.mjs --check    fails if it is not up to date

import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const page = path.join(root, 'docs/api.md');

/** The modules, in the order of the page: title, file, and what comes before the list. */
const modules = [
  ['stillheap', 'index.d.ts', "`require('stillheap')`, or `import stillheap, { capture } from 'stillheap'`."],
  ['Snapshots', 'lib/snapshot.d.ts', 'The results of `stillheap.open()` and `stillheap.leaks()`.'],
  ['The watch', 'lib/watch.d.ts', 'The options, result and events of `stillheap.watch()`.'],
  ['stillheap/test', 'test.d.ts', "`require('stillheap/test')`."],
  ['stillheap/memwatch', 'memwatch.d.ts', "`require('stillheap/memwatch')`."],
  ['stillheap/metrics', 'lib/metrics.d.ts', "`require('stillheap/metrics')`."],
];

/** A comment as one paragraph, and what follows its tags. */
function comment(node) {
  const text = (value) => (ts.getTextOfJSDocComment(value) ?? '').replace(/\s*\n\s*/g, ' ').trim();
  const docs = (node.jsDoc ?? []).map((doc) => text(doc.comment)).filter(Boolean);
  const words = { throws: 'Throws', returns: 'Returns', param: 'Parameter' };
  const tags = ts.getJSDocTags(node).map((tag) => {
    const name = tag.name ? `\`${tag.name.getText()}\`: ` : '';
    return `${words[tag.tagName.text] ?? tag.tagName.text}: ${name}${text(tag.comment)}.`.replace(
      /\.\.$/,
      '.',
    );
  });
  return [...docs, ...tags].join(' ');
}

const code = (text) => text.replace(/\s+/g, ' ').replace(/;$/, '').trim();
/** In a table, a bar would end the cell. */
const cell = (text) => text.replaceAll('|', '\\|');

/** A type's text without the comments in it. */
function typeText(node, file) {
  const printer = ts.createPrinter({ removeComments: true });
  return code(printer.printNode(ts.EmitHint.Unspecified, node, file));
}

function member(node, file) {
  const name = node.name?.getText(file) ?? '';
  const isMethod =
    ts.isMethodSignature(node) || ts.isMethodDeclaration(node) || ts.isConstructorDeclaration(node);
  const type = !isMethod && node.type ? typeText(node.type, file) : '';
  const signature = isMethod ? typeText(node, file) : `${name}${node.questionToken ? '?' : ''}`;
  return `| \`${cell(signature)}\` | ${type === '' ? '' : `\`${cell(type)}\``} | ${cell(comment(node))} |`;
}

function members(list, file) {
  const shown = list.filter(
    (one) => !ts.getModifiers(one)?.some((m) => m.kind === ts.SyntaxKind.PrivateKeyword),
  );
  return ['| | type | |', '|---|---|---|', ...shown.map((one) => member(one, file))];
}

function declaration(node, file) {
  const text = comment(node);
  const head = (title) => ['', `### ${title}`, ...(text === '' ? [] : ['', text])];
  const extended = node.heritageClauses?.map((clause) => clause.getText(file)).join(' ');
  if (ts.isInterfaceDeclaration(node) || ts.isClassDeclaration(node)) {
    const also = extended ? ['', `\`${code(extended)}\`, and:`] : [];
    if (node.members.length === 0)
      return [...head(node.name.text), ...(extended ? ['', `\`${code(extended)}\``] : [])];
    return [...head(node.name.text), ...also, '', ...members(node.members, file)];
  }
  if (ts.isTypeAliasDeclaration(node))
    return [...head(node.name.text), '', `\`${typeText(node.type, file)}\``];
  if (ts.isFunctionDeclaration(node)) {
    const signature = typeText(node, file).replace(/^export (declare )?function /, '');
    return [...head(`${node.name.text}()`), '', `\`${signature}\``];
  }
  if (!ts.isVariableStatement(node)) return [];
  const [{ name, type }] = node.declarationList.declarations;
  return type && ts.isTypeLiteralNode(type)
    ? ['', `### ${name.getText(file)}`, '', ...members(type.members, file)]
    : [];
}

/** What a program calls comes before the types that it takes and gives. */
const isEntry = (node) =>
  ts.isFunctionDeclaration(node) ||
  ['Stillheap', 'Snapshot', 'Watch', 'WatchEvents'].includes(node.name?.text);

export function reference() {
  const lines = [
    '# JavaScript API',
    '',
    'Made from the types by `node scripts/api-reference.mjs`. Sizes are in bytes, times in milliseconds.',
  ];
  for (const [title, name, introduction] of modules) {
    const text = readFileSync(path.join(root, name), 'utf8');
    const file = ts.createSourceFile(name, text, ts.ScriptTarget.Latest, true);
    lines.push('', `## ${title}`, '', introduction);
    const [first, rest] = [file.statements.filter(isEntry), file.statements.filter((node) => !isEntry(node))];
    for (const node of [...first, ...rest]) lines.push(...declaration(node, file));
  }
  return `${lines.join('\n')}\n`;
}

export function main(args) {
  const wanted = reference();
  if (!args.includes('--check')) {
    writeFileSync(page, wanted);
    return true;
  }
  if (readFileSync(page, 'utf8') === wanted) return true;
  console.error('docs/api.md is not what the types say; node scripts/api-reference.mjs writes it.');
  return false;
}

if (process.argv[1] === fileURLToPath(import.meta.url))
  process.exitCode = main(process.argv.slice(2)) ? 0 : 1;
