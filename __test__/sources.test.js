'use strict';

// Scripts and source maps beside the paths that a snapshot names: they reach an answer only if the script is the
// one that the snapshot is of.

const assert = require('node:assert/strict');
const { spawnSync } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');
const { leaks } = require('../lib/snapshot.js');
const { root, startNode, temporaryDirectory } = require('./support/child.js');
const { test } = require('./support/test.js');

/** Longer than what V8 writes of a string, so that the rest has to come from the file. */
const license = `/* ${'A compiled program. '.repeat(60)} */\n`;
const program = `${license}const stillheap = require(${JSON.stringify(root)});
const seen = [];
class Visit { constructor(n) { this.n = n; this.text = 'visit ' + n; } }
function visit(n) { seen.push(new Visit(n)); }
for (const file of ['1', '2', '3']) {
  for (let n = 0; n < 3000; n++) visit(n);
  stillheap.writeSnapshot(file + '.heapsnapshot');
}
process.exit();
//# sourceMappingURL=app.js.map
`;
const secret = 'const password = "hunter2";';

/** A map in which every line of the program is the same line of app.ts, whose text is the secret. */
const map = JSON.stringify({
  version: 3,
  sources: ['app.ts'],
  sourcesContent: [`${secret}\n`.repeat(20)],
  names: [],
  mappings: `AAAA;${'AACA;'.repeat(15)}`,
});

test('a source map is used only beside the script that the snapshot is of', async (t) => {
  const directory = temporaryDirectory(t);
  const script = path.join(directory, 'app.js');
  fs.writeFileSync(script, program);
  fs.writeFileSync(`${script}.map`, map);
  await startNode(t, [script], { cwd: directory }).succeeded();
  const files = ['1', '2', '3'].map((name) => path.join(directory, `${name}.heapsnapshot`));
  const report = path.join(directory, 'report.html');
  const answers = async (options) => {
    const text = JSON.stringify(await leaks(files, options));
    const args = ['report', ...files, '--output', report, '--overwrite'];
    if (options) args.push('--source-maps', options.sourceMaps);
    const { status, stderr } = spawnSync(process.execPath, [path.join(root, 'bin/stillheap.js'), ...args]);
    assert.equal(status, 0, `${stderr}`);
    return [text, fs.readFileSync(report, 'utf8')];
  };
  for (const text of await answers()) {
    assert.ok(text.includes('app.ts'), 'the map leads to the original');
    assert.ok(text.includes('hunter2'));
  }
  // A file of that name that is another program: its map says nothing of this one.
  fs.writeFileSync(script, program.replaceAll('compiled', 'different'));
  for (const options of [undefined, { sourceMaps: directory }]) {
    for (const text of await answers(options)) {
      assert.ok(text.includes('app.js'));
      assert.ok(!text.includes('app.ts') && !text.includes('hunter2'), 'of another program');
    }
  }
  fs.rmSync(script);
  for (const text of await answers({ sourceMaps: directory }))
    assert.ok(!text.includes('hunter2'), 'no script');
});
