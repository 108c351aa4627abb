'use strict';

// A result is defined once, by the types of crates/protocol. index.d.ts has the same fields, optional where they may be
// left out; and the addon takes the options that lib/options.js hands over, no others.

const assert = require('node:assert/strict');
const { readFileSync } = require('node:fs');
const path = require('node:path');
const ts = require('typescript');
const { root } = require('./support/child.js');
const { test } = require('./support/test.js');
const { table } = require('../lib/options.js');

const read = (name) => readFileSync(path.join(root, name), 'utf8');
const camel = (name) => name.replace(/_(.)/g, (_, letter) => letter.toUpperCase());

/** The fields of a Rust struct as serde writes them: name → whether it may be absent, whether null, its Rust type. */
function fields(file, struct) {
  const body = new RegExp(`pub struct ${struct} \\{([\\s\\S]*?)\\n\\}`).exec(read(file))?.[1];
  assert.ok(body, `${file} has a struct ${struct}`);
  const found = {};
  let attributes = '';
  for (const line of body.split('\n').map((one) => one.trim())) {
    if (line.startsWith('#[')) attributes += line;
    const field = /^pub (\w+): (.*),$/.exec(line);
    if (field === null) continue;
    const absent = attributes.includes('skip_serializing_if');
    const nullable = !absent && field[2].startsWith('Option<');
    found[camel(field[1])] = { absent, nullable, type: field[2], flat: attributes.includes('flatten') };
    attributes = '';
  }
  return found;
}

const source = ts.createSourceFile('index.d.ts', read('index.d.ts'), ts.ScriptTarget.Latest, true);

function members(list) {
  return Object.fromEntries(
    list.map((member) => [
      member.name.getText(),
      {
        absent: member.questionToken !== undefined,
        nullable:
          ts.isUnionTypeNode(member.type) && member.type.types.some((one) => one.getText() === 'null'),
        type: member.type,
      },
    ]),
  );
}

function declared(name) {
  const found = source.statements.find((one) => ts.isInterfaceDeclaration(one) && one.name.text === name);
  return members(found.members);
}

const results = 'crates/protocol/src/result.rs';
const shape = (given) =>
  Object.fromEntries(
    Object.entries(given)
      .map(([name, { absent, nullable }]) => [name, { absent, nullable }])
      .sort(([a], [b]) => (a < b ? -1 : 1)),
  );

test('index.d.ts has the fields of a result that the addon gives, and says which may be absent or null', () => {
  const { file, fork, fd, ...own } = fields(results, 'CaptureResult');
  assert.ok(file.flat && fork.flat && fd.absent);
  // Flattened: absent altogether where nothing was forked.
  const forked = Object.entries(fields(results, 'ForkFigures')).map(([name, field]) => [
    name,
    { ...field, absent: true },
  ]);
  const native = { ...own, ...Object.fromEntries(forked) };
  // By FilePath; `file` is absent for a spool only, which no caller gets.
  native.file = { absent: false, nullable: false };
  native.fileBytes = { absent: true, nullable: false };
  // By src/near_limit, around the result.
  native.report = { absent: true, nullable: true };
  native.reportBytes = { absent: true, nullable: false };
  assert.deepEqual(shape(declared('CaptureResult')), shape(native));
});

test('and the fields of what is in a result', () => {
  const result = declared('CaptureResult');
  const inner = {
    pauseParts: 'PauseParts',
    memory: 'ForkMemory',
    thaw: 'Thaw',
    fallbackDir: 'FallbackDir',
    refusedCalls: 'RefusedCall',
  };
  for (const [name, struct] of Object.entries(inner)) {
    const { type } = result[name];
    const literal = ts.isArrayTypeNode(type) ? type.elementType : type;
    assert.deepEqual(shape(members(literal.members)), shape(fields(results, struct)), name);
  }
});

test('what has no addon gives no field that index.d.ts lacks', () => {
  const code = ts.createSourceFile('a.js', read('lib/without-addon.js'), ts.ScriptTarget.Latest, true);
  const found = [];
  const visit = (node) => {
    if (ts.isObjectLiteralExpression(node)) {
      const names = node.properties.flatMap(({ name }) => (name ? [name.getText(code)] : []));
      // By `...this.#thread`.
      if (names.includes('rawBytes')) found.push([...names, 'threadId', 'isMainThread']);
    }
    ts.forEachChild(node, visit);
  };
  visit(code);
  assert.equal(found.length, 1, 'one place makes a result');
  const result = declared('CaptureResult');
  for (const name of found[0]) assert.ok(name === 'fd' || name in result, name);
  for (const [name, { absent }] of Object.entries(result)) {
    assert.ok(absent || name === 'file' || found[0].includes(name), `${name} is missing`);
  }
});

test('the addon has a field for every option, and for nothing else but what the library sets', () => {
  const request = Object.keys(fields('crates/protocol/src/request.rs', 'CaptureRequest'));
  const given = Object.entries(table).flatMap(([name, { at, native }]) =>
    native !== false && at.some((place) => place === 'capture' || place === 'process') ? [name] : [],
  );
  // Set by the library, not by an option.
  const internal = ['spool', 'modeReason', 'refused', 'trigger'];
  assert.deepEqual([...new Set([...given, ...internal])].sort(), request.sort());
});
