// `stillheap mcp`, asked by the protocol's own client.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, statSync, utimesSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { Client } from '@modelcontextprotocol/client';
import { StdioClientTransport } from '@modelcontextprotocol/client/stdio';
import { directory, fixtures, leak, root, stillheap, writeSnapshot } from './support.mjs';

const TOOLS = [
  'close',
  'containment',
  'diff',
  'dominators',
  'inspect',
  'leaks',
  'instances',
  'open',
  'query',
  'report',
  'retainers',
  'strings',
  'closures',
  'summary',
  'timeline',
];

/** A client of a server of its own, which ends with the test. */
async function connect(t) {
  const transport = new StdioClientTransport({
    command: process.execPath,
    args: [path.join(root, 'bin/stillheap.js'), 'mcp'],
    env: { ...process.env, STILLHEAP_NO_INDEX: '1' },
    stderr: 'inherit',
  });
  const client = new Client({ name: 'stillheap-test', version: '1.0.0' });
  await client.connect(transport);
  t.after(() => client.close());
  const ask = async (name, args) => {
    const { content, isError } = await client.callTool({ name, arguments: args });
    assert.equal(content.length, 1);
    return { isError: isError ?? false, answer: JSON.parse(content[0].text), text: content[0].text };
  };
  return { client, ask };
}

test('stillheap mcp', async (t) => {
  const { client, ask } = await connect(t);
  const folder = directory(t);

  await t.test('says who it is and what it can do', async () => {
    const { version } = JSON.parse(JSON.stringify(client.getServerVersion()));
    assert.equal(stillheap('--version').stdout.trim(), `stillheap ${version}`);
    assert.match(client.getInstructions(), /leak/);
    const { tools } = await client.listTools();
    assert.deepEqual(tools.map((tool) => tool.name).sort(), [...TOOLS].sort());
    for (const { name, description, inputSchema } of tools) {
      assert.ok(description.length > 20, name);
      assert.equal(inputSchema.type, 'object');
      assert.ok('file' in inputSchema.properties || 'files' in inputSchema.properties, name);
      for (const [key, { description: about }] of Object.entries(inputSchema.properties)) {
        assert.ok(about, `${name}: ${key} says what it is`);
      }
    }
    const summary = tools.find((tool) => tool.name === 'summary');
    assert.equal(summary.annotations.readOnlyHint, true);
    assert.equal(tools.find((tool) => tool.name === 'report').annotations.readOnlyHint, false);
  });

  await t.test('gives the answers of the command line', async () => {
    const file = leak[2];
    const id = JSON.parse(stillheap('instances', file, 'EmailTemplate', '--json').stdout).instances[0].id;
    const cases = {
      summary: [[], {}],
      instances: [['EmailTemplate'], { class: 'EmailTemplate' }],
      inspect: [[`@${id}`], { id: `@${id}` }],
      retainers: [['EmailTemplate', '--paths', '2'], { target: 'EmailTemplate', paths: 2 }],
      dominators: [['--depth', '2'], { depth: 2 }],
      containment: [[`@${id}`], { id: `@${id}` }],
      strings: [['--duplicates'], { duplicates: true }],
      closures: [['--sort', 'contexts'], { sort: 'contexts' }],
      query: [['class = Email*'], { expression: 'class = Email*' }],
    };
    for (const [name, [args, request]] of Object.entries(cases)) {
      const { isError, answer } = await ask(name, { file, ...request });
      assert.equal(isError, false, JSON.stringify(answer));
      const [first, ...others] = args;
      const line = [name, file, ...(first === undefined ? [] : [first, ...others]), '--json'];
      assert.deepEqual(answer, JSON.parse(stillheap(...line).stdout), name);
    }
    const diff = await ask('diff', { files: leak, limit: 3 });
    assert.deepEqual(diff.answer, JSON.parse(stillheap('diff', ...leak, '--limit', '3', '--json').stdout));
    const leaks = await ask('leaks', { files: leak });
    assert.deepEqual(leaks.answer, JSON.parse(stillheap('leaks', ...leak, '--json').stdout));
    const gc = await ask('summary', { file, model: 'gc' });
    assert.equal(gc.answer.model, 'gc');
  });

  await t.test('opens, reopens what has changed, and closes', async () => {
    const file = path.join(folder, 'changing.heapsnapshot');
    copyFileSync(leak[0], file);
    const nodes = async () => (await ask('open', { file })).answer.statistics.totals.nodes;
    const before = await nodes();
    copyFileSync(leak[2], file);
    utimesSync(file, 1, 1);
    assert.ok((await nodes()) > before);
    assert.deepEqual((await ask('close', { file })).answer, { closed: true });
    assert.deepEqual((await ask('close', { file })).answer, { closed: false });
  });

  await t.test('keeps every answer short, whatever is asked for', async () => {
    const file = writeSnapshot(path.join(folder, 'wide.heapsnapshot'), ({ node, edge }) => {
      const names = Array.from({ length: 3000 }, (_, n) => `Class${n} ${'x'.repeat(2000)}`);
      for (const name of names) edge(0, 'property', 'p', node('object', name, 100));
    });
    for (const limit of [0, 1_000_000]) {
      const { text, answer, isError } = await ask('summary', { file, limit });
      assert.equal(isError, false);
      assert.ok(text.length < 64 * 1024, `${text.length} bytes`);
      assert.match(answer.shortened, /limit/);
      assert.equal(answer.page.total, 3000);
    }
  });

  await t.test('says what is wrong, and goes on', async () => {
    const wrong = [
      ['summary', { file: path.join(folder, 'nothing.heapsnapshot') }, /ENOENT/],
      ['summary', { file: path.join(fixtures, 'not-a-snapshot.json') }, /ERR_STILLHEAP_NOT_A_SNAPSHOT/],
      ['summary', { file: folder }, /regular file/],
      ['summary', {}, /needs the argument 'file'/],
      ['summary', { file: leak[0], limits: 3 }, /no argument 'limits'; it has file, /],
      ['summary', { file: leak[0], limit: 'many' }, /cannot be understood/],
      ['instances', { file: leak[0] }, /needs the argument 'class'/],
      ['instances', { file: leak[0], class: 'Nothing' }, /ERR_STILLHEAP_NOT_FOUND/],
      ['query', { file: leak[0], expression: 'class =' }, /ERR_/],
      ['diff', { files: [leak[0]] }, /at least two/],
      ['nothing', { file: leak[0] }, /there is no tool/],
    ];
    for (const [name, args, message] of wrong) {
      const { isError, text } = await ask(name, args);
      assert.equal(isError, true, text);
      assert.match(text, message);
    }
    assert.equal((await ask('summary', { file: leak[0] })).isError, false);
  });

  await t.test('says when a snapshot was truncated', async () => {
    const { answer } = await ask('summary', { file: path.join(fixtures, 'truncated.heapsnapshot') });
    assert.ok(answer.salvage.nodesRead > 0);
  });

  await t.test('writes the report, and nothing over another file', async () => {
    const output = path.join(folder, 'leak.html');
    const { answer, isError } = await ask('report', { files: leak, output });
    assert.equal(isError, false, JSON.stringify(answer));
    assert.equal(answer.bytes, statSync(output).size);
    assert.match((await ask('report', { files: leak, output })).text, /EEXIST/);
  });

  await t.test('answers several questions at once', async () => {
    const answers = await Promise.all(leak.map((file) => ask('summary', { file, limit: 1 })));
    assert.deepEqual(
      answers.map(({ answer }) => answer.file),
      leak,
    );
  });
});

test('the server ends with its input', async () => {
  const server = spawn(process.execPath, [path.join(root, 'bin/stillheap.js'), 'mcp'], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  server.stdin.end();
  const [code] = await once(server, 'close');
  assert.equal(code, 0);
});
